import type { AppendOperation, NextRunOperation } from "../../store/operations.ts";
import { integers } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

export interface ContinuedRow {
  /** Database time of the commit, milliseconds. */
  readonly at: number;
  /** Where the next run waits. */
  readonly namespace: string;
  readonly task_queue: string;
}

/**
 * continue-as-new: ends a run with its last event and starts the next one of the same execution, all at once. The row that was
 * goes to past_runs; the execution's row takes the new run id, an empty history, and a task. Labels and attributes stay on the
 * row, so the first event of the next run gets them from there. Messages move on (`carry_messages`), except those of children:
 * the calls that waited for them are over. Children keep the run that started them as their parent.
 *
 * Fence: epoch, last seq and state are what the owner expects, as in commit.ts. No row back: rejected, or done before.
 * Lock order: the execution, then history, tasks, inbox. Index: executions_pkey.
 */
export function continueAsNew({ runId, epoch, expectedSeq, events }: AppendOperation, next: NextRunOperation): Transaction<ContinuedRow> {
  const [event] = events;
  return {
    name: "continue-as-new",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
old AS MATERIALIZED (
 SELECT * FROM executions WHERE run_id = $1::uuid AND epoch = $2::int AND last_seq = $3::int AND state = 'running' FOR UPDATE),
archived AS (
 INSERT INTO past_runs (run_id, namespace, execution_id, run_number, workflow, version, state, last_seq, created_at, started_at, finished_at)
 SELECT run_id, namespace, execution_id, run_number, workflow, version, 'continued_as_new', last_seq + 1, created_at, started_at, (SELECT now FROM t) FROM old),
ended AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data) SELECT run_id, last_seq + 1, epoch, (SELECT now FROM t), $4, $5 FROM old),
begun AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT $6::uuid, 1, 0, (SELECT now FROM t), 'ExecutionStarted',
  '{' || coalesce('"labels":' || labels::text || ',', '') || coalesce('"attributes":' || attributes::text || ',', '') || substr($7::text, 2) FROM old),
moved AS (
 UPDATE executions e SET run_id = $6::uuid, run_number = e.run_number + 1, version = $8, epoch = e.epoch + 1, last_seq = 1, claims = 0, commit_id = 0,
  inbox_seq = e.inbox_seq + cardinality($9::int[]), started_at = (SELECT now FROM t), worker_id = NULL, waiting_for = NULL, not_before = NULL
 WHERE e.run_id = (SELECT run_id FROM old) RETURNING e.run_id, e.namespace, e.task_queue, e.workflow, e.version),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version FROM moved)
SELECT (extract(epoch FROM (SELECT now FROM t)) * 1000)::float8 AS at, namespace, task_queue,
 (SELECT count(carry_messages(run_id, $6::uuid, $9::int[])) FROM old WHERE inbox_seq > 0) AS carried
FROM moved`,
    parameters: [runId, epoch, expectedSeq, event!.type, event!.data, next.runId, next.started, next.version, integers(next.received)],
  };
}

/** Whether this continuation was committed before, by a send whose reply was lost. Index: history_pkey. */
export function findContinued({ runId, expectedSeq, events }: AppendOperation): Transaction<Pick<ContinuedRow, "at">> {
  return {
    name: "find-continued",
    text: `SELECT (extract(epoch FROM h.at) * 1000)::float8 AS at FROM history h
WHERE h.run_id = $1::uuid AND h.seq = $2::int + 1 AND h.type = 'ExecutionContinuedAsNew' AND h.data = $3`,
    parameters: [runId, expectedSeq, events[0]!.data],
  };
}
