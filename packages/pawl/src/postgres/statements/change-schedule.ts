import type { ScheduleDefinition } from "../../kernel/schedule/definition.ts";
import type { ScheduleChange, ScheduledWork } from "../../store/schedules.ts";
import { timestamps } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/**
 * change-schedule: what somebody made of a schedule that he has read (update, pause, resume, backfill), if nobody else has
 * changed it since. Sent twice, it changes it once: the row back says whether the revision is the new one.
 * Lock order: the schedule. Index: schedules_pkey.
 */
export function changeSchedule(
  id: string,
  change: ScheduleChange & { readonly definition: ScheduleDefinition | undefined; readonly work: ScheduledWork | undefined },
): Transaction<{ readonly id: string }> {
  return {
    name: "change-schedule",
    text: `UPDATE schedules s SET revision = $3::uuid, updated_at = current_time_of_pawl(), state = $4, next_fire_at = ($5::timestamptz[])[1], waiting = $6::bool,
 definition = coalesce($7, s.definition), workflow = coalesce($8, s.workflow), version = coalesce($9, s.version),
 task_queue = coalesce($10, s.task_queue), started = coalesce($11, s.started),
 labels = CASE WHEN $11 IS NULL THEN s.labels ELSE $12::jsonb END, attributes = CASE WHEN $11 IS NULL THEN s.attributes ELSE $13::jsonb END,
 queue_key = CASE WHEN $11 IS NULL THEN s.queue_key ELSE $14 END, priority = CASE WHEN $11 IS NULL THEN s.priority ELSE $15::smallint END,
 timeout_ms = CASE WHEN $11 IS NULL THEN s.timeout_ms ELSE $16::float8 END
WHERE s.id = $1::uuid AND s.revision IN ($2::uuid, $3::uuid) RETURNING s.id`,
    parameters: [
      id,
      change.expected,
      change.revision,
      JSON.stringify(change.state),
      timestamps([change.nextFireAt]),
      change.waiting,
      change.definition === undefined ? null : JSON.stringify(change.definition),
      change.work?.workflow ?? null,
      change.work?.version ?? null,
      change.work?.taskQueue ?? null,
      change.work?.started ?? null,
      change.work?.row.labels ?? null,
      change.work?.row.attributes ?? null,
      change.work?.row.queueKey ?? null,
      change.work?.row.priority ?? null,
      change.work?.timeoutMs ?? null,
    ],
  };
}
