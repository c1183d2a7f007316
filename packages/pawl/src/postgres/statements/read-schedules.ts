import { terminalStates } from "../../kernel/execution-state.ts";
import type { Transaction } from "../transaction.ts";

/** A schedule as the reads give it. Times in milliseconds. */
export interface ScheduleRow {
  readonly id: string;
  readonly revision: string;
  readonly schedule_id: string;
  readonly workflow: string;
  readonly version: string;
  readonly task_queue: string;
  readonly labels: string | null;
  readonly attributes: string | null;
  readonly queue_key: string | null;
  readonly priority: number | null;
  readonly timeout_ms: number | null;
  readonly definition: string;
  readonly state: string;
  readonly waiting: boolean;
  readonly next_fire_at: number | null;
  readonly created_at: number;
  readonly updated_at: number;
  readonly open: string[];
}

/** Without an id, it holds no schedule. */
export interface DueRow extends Omit<ScheduleRow, "id"> {
  readonly id: string | null;
  readonly now: number;
  readonly later: number | null;
  readonly any_waiting: boolean;
}

const ended = `e.state IN (${terminalStates.map((state) => `'${state}'`).join(", ")})`;
const ms = (time: string): string => `(extract(epoch FROM ${time}) * 1000)::float8`;
const columns = `s.id, s.revision, s.schedule_id, s.workflow, s.version, s.task_queue, s.labels::text AS labels, s.attributes::text AS attributes, s.queue_key, s.priority, s.timeout_ms,
 s.definition, s.state, s.waiting, ${ms("s.next_fire_at")} AS next_fire_at, ${ms("s.created_at")} AS created_at, ${ms("s.updated_at")} AS updated_at,
 ARRAY(SELECT e.execution_id FROM executions e WHERE e.namespace = s.namespace AND e.execution_id = ANY(s.open) AND NOT ${ended}) AS open`;

/** read-schedule: one, with the data its executions are started with. Indexes: schedules_id, executions_id. */
export function readSchedule(namespace: string, scheduleId: string): Transaction<ScheduleRow & { readonly started: string; readonly now: number }> {
  return {
    name: "read-schedule",
    text: `SELECT ${ms("current_time_of_pawl()")} AS now, s.started, ${columns} FROM schedules s WHERE s.namespace = $1 AND s.schedule_id = $2`,
    parameters: [namespace, scheduleId],
  };
}

/** list-schedules: a page, by id. Indexes: schedules_id, executions_id. */
export function listSchedules(namespace: string, after: string, limit: number): Transaction<ScheduleRow> {
  return {
    name: "list-schedules",
    text: `SELECT ${columns} FROM schedules s
WHERE s.namespace = $1 AND s.schedule_id > $2 ORDER BY s.schedule_id LIMIT $3::int`,
    parameters: [namespace, after, limit],
  };
}

/** database-time: what the first instants of a new schedule are counted from. */
export function databaseTime(): Transaction<{ readonly now: number }> {
  return { name: "database-time", text: `SELECT ${ms("current_time_of_pawl()")} AS now`, parameters: [] };
}

/**
 * due-schedules: those whose time has come, and those whose executions have ended for which their instants wait. Also when
 * the next will be due, so that who asks knows when to ask again; one row with that alone where nothing is due.
 *
 * Reads only: the revision decides whether what is made of it still holds. Indexes: schedules_due, schedules_waiting,
 * executions_id.
 */
export function dueSchedules(namespace: string, limit: number): Transaction<DueRow> {
  return {
    name: "due-schedules",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
due AS (
 SELECT ${columns} FROM schedules s
 WHERE s.namespace = $1 AND s.next_fire_at <= (SELECT now FROM t) ORDER BY s.next_fire_at LIMIT $2::int),
freed AS (
 SELECT ${columns} FROM schedules s
 WHERE s.namespace = $1 AND s.waiting AND (s.next_fire_at IS NULL OR s.next_fire_at > (SELECT now FROM t))
  AND (SELECT count(*) FROM executions e WHERE e.namespace = s.namespace AND e.execution_id = ANY(s.open) AND NOT ${ended}) = 0
 LIMIT $2::int)
SELECT ${ms("t.now")} AS now, x.*,
 (SELECT ${ms("s.next_fire_at")} FROM schedules s WHERE s.namespace = $1 AND s.next_fire_at > (SELECT now FROM t) ORDER BY s.next_fire_at LIMIT 1) AS later,
 EXISTS (SELECT FROM schedules s WHERE s.namespace = $1 AND s.waiting) AS any_waiting
FROM t LEFT JOIN (SELECT * FROM due UNION ALL SELECT * FROM freed) AS x ON true`,
    parameters: [namespace, limit],
  };
}
