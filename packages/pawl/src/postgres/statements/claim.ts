import type { ClaimRequest } from "../../store/store.ts";
import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

export interface ClaimRow {
  readonly run_id: string;
  readonly suspect: boolean;
  readonly execution_id: string;
  readonly workflow: string;
  readonly version: string;
  readonly task_queue: string;
  readonly epoch: number;
  readonly inbox_seq: number;
  readonly last_seq: number;
  readonly run_number: number;
  readonly parent_run_id: string | null;
  readonly parent_position: number | null;
  readonly queue_key: string | null;
  readonly priority: number | null;
  /** The first event, so that a fresh execution needs no second read. */
  readonly started_data: string;
  /** Its time, which is the one the row was created at, unless the run continues an earlier one. */
  readonly started_at: number;
  readonly now: number;
}

/** So many claims without progress make an execution suspect of killing its workers. */
export const suspectFromClaims = 2;

/** The first tasks of each queue, read in index order; one `= ANY(queues)` would read and sort every task that is due. */
function due(which: string, limit: string): string {
  return `SELECT d.run_id FROM unnest($2::text[]) AS queue(name) CROSS JOIN LATERAL (
  SELECT q.run_id, q.visible_at FROM tasks q
  WHERE q.namespace = $1 AND q.task_queue = queue.name AND q.visible_at <= (SELECT now FROM t) AND q.definition = ANY($3::text[]) AND q.queue_key IS NULL AND ${which}
  ORDER BY q.visible_at LIMIT ${limit} FOR UPDATE SKIP LOCKED) AS d
 ORDER BY d.visible_at LIMIT ${limit}`;
}

/**
 * claim: takes tasks that are due and makes this worker the owner of their executions. Raises the epoch and counts the
 * claim when it is made, so that a claimer that dies at once is counted too.
 *
 * A claim takes a batch, and a batch dies together with the one that kills the worker. So suspects are claimed one at a time
 * and only by workers that run no other: then only the culprit's third death is its own.
 *
 * A paused execution has a task only to be cancelled, or at its deadline: claiming it ends the pause.
 * Tasks that were put in order in a queue with limits (queue_key) are not its business, see claim-limited.ts.
 *
 * Locks: tasks by visible_at, then executions, skipping what others hold: it never waits, so it can be in no deadlock. The task row is deleted, not updated: the queue table stays narrow and its index short. Indexes: tasks_claim, tasks_suspects.
 */
export function claim(request: ClaimRequest): Transaction<ClaimRow> {
  return {
    name: "claim",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
ordinary AS MATERIALIZED (${due("NOT q.suspect", "$4::int")}),
suspects AS MATERIALIZED (${due("q.suspect AND $6::bool", "1")}),
picked AS MATERIALIZED (
 SELECT run_id FROM executions
 WHERE run_id = ANY(ARRAY(SELECT run_id FROM ordinary UNION ALL SELECT run_id FROM suspects)) AND worker_id IS NULL AND state IN ('pending', 'running', 'paused')
 ORDER BY run_id FOR UPDATE SKIP LOCKED),
removed AS (DELETE FROM tasks WHERE run_id = ANY(ARRAY(SELECT run_id FROM picked))),
claimed AS (
 UPDATE executions e SET worker_id = $5::uuid, epoch = e.epoch + 1, claims = e.claims + 1, state = 'running', waiting_for = NULL,
  started_at = coalesce(e.started_at, (SELECT now FROM t))
 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM picked))
 RETURNING e.run_id, (extract(epoch FROM e.created_at) * 1000)::float8 AS started_at, e.claims > ${suspectFromClaims} AS suspect, e.execution_id, e.workflow, e.version, e.task_queue, e.epoch, e.inbox_seq, e.last_seq, e.run_number, e.parent_run_id, e.parent_position, e.queue_key, e.priority)
SELECT c.*, (SELECT h.data FROM history h WHERE h.run_id = c.run_id AND h.seq = 1) AS started_data,
 (extract(epoch FROM (SELECT now FROM t)) * 1000)::float8 AS now
FROM claimed c`,
    parameters: [request.namespace, texts(request.taskQueues), texts(request.definitions), request.limit, request.workerId, request.suspects],
  };
}
