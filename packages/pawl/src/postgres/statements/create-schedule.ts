import type { NewSchedule } from "../../store/schedules.ts";
import { timestamps } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/**
 * create-schedule: a schedule whose id is free. No row back: the id is taken, perhaps by an earlier send of the same; then the
 * revision tells. Lock order: the schedule. Index: schedules_id.
 */
export function createSchedule(schedule: NewSchedule): Transaction<{ readonly id: string }> {
  return {
    name: "create-schedule",
    text: `INSERT INTO schedules (id, revision, created_at, updated_at, next_fire_at, waiting, open, namespace, schedule_id, workflow, version, task_queue, definition, state, started,
 labels, attributes, queue_key, priority, timeout_ms)
SELECT $1::uuid, $2::uuid, now, now, ($3::timestamptz[])[1], $4::bool, '{}', $5, $6, $7, $8, $9, $10, $11, $12,
 $13::jsonb, $14::jsonb, $15, $16::smallint, $17::float8 FROM current_time_of_pawl() AS now
ON CONFLICT DO NOTHING RETURNING id`,
    parameters: [
      schedule.id,
      schedule.revision,
      timestamps([schedule.nextFireAt]),
      schedule.waiting,
      schedule.namespace,
      schedule.scheduleId,
      schedule.workflow,
      schedule.version,
      schedule.taskQueue,
      JSON.stringify(schedule.definition),
      JSON.stringify(schedule.state),
      schedule.started,
      schedule.row.labels ?? null,
      schedule.row.attributes ?? null,
      schedule.row.queueKey ?? null,
      schedule.row.priority ?? null,
      schedule.timeoutMs,
    ],
  };
}
