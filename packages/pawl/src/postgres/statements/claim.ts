import type { ClaimRequest } from "../../store/store.ts";
import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

export interface ClaimRow {
  readonly run_id: string;
  readonly suspect: boolean;
  readonly execution_id: string;
  readonly workflow: string;
  readonly version: string;
  readonly epoch: number;
  readonly inbox_seq: number;
  readonly last_seq: number;
  readonly parent_run_id: string | null;
  readonly parent_position: number | null;
  /** The first event, so that a fresh execution needs no second read. */
  readonly started_data: string;
  readonly started_at: number;
  readonly now: number;
}

/** So many claims without progress make an execution suspect of killing its workers. */
export const suspectFromClaims = 2;

/** The first tasks of each queue, read in index order; one `= ANY(queues)` would read and sort every task that is due. */
function due(which: string, limit: string): string {
  return `SELECT d.run_id FROM unnest($2::text[]) AS queue(name) CROSS JOIN LATERAL (
  SELECT q.run_id, q.visible_at FROM tasks q JOIN executions x ON x.run_id = q.run_id
  WHERE q.namespace = $1 AND q.task_queue = queue.name AND q.visible_at <= (SELECT now FROM t) AND q.definition = ANY($3::text[]) AND ${which}
   AND x.worker_id IS NULL AND x.state IN ('pending', 'running')
  ORDER BY q.visible_at LIMIT ${limit} FOR UPDATE OF q, x SKIP LOCKED) AS d
 ORDER BY d.visible_at LIMIT ${limit}`;
}

/**
 * claim: takes tasks that are due and makes this worker the owner of their executions. Raises the epoch and counts the
 * claim when it is made, so that a claimer that dies at once is counted too.
 *
 * A claim takes a batch, and a batch dies together with the one that kills the worker. So suspects are claimed one at a time
 * and only by workers that run no other: then only the culprit's third death is its own.
 *
 * Locks: task and execution together, skipping what others hold: it never waits, so it can be in no deadlock. Order is by
 * visible_at. The task row is deleted, not updated: the queue table stays narrow and its index short. Indexes: tasks_claim, tasks_suspects.
 */
export function claim(request: ClaimRequest): Transaction<ClaimRow> {
  return {
    name: "claim",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
ordinary AS MATERIALIZED (${due("NOT q.suspect", "$4::int")}),
suspects AS MATERIALIZED (${due("q.suspect AND $6::bool", "1")}),
picked AS MATERIALIZED (SELECT run_id FROM ordinary UNION ALL SELECT run_id FROM suspects),
removed AS (DELETE FROM tasks q USING picked p WHERE q.run_id = p.run_id),
claimed AS (
 UPDATE executions e SET worker_id = $5::uuid, epoch = e.epoch + 1, claims = e.claims + 1, state = 'running', waiting_for = NULL,
  started_at = coalesce(e.started_at, (SELECT now FROM t))
 FROM picked p WHERE e.run_id = p.run_id
 RETURNING e.run_id, e.claims > ${suspectFromClaims} AS suspect, e.execution_id, e.workflow, e.version, e.epoch, e.inbox_seq, e.last_seq, e.parent_run_id, e.parent_position)
SELECT c.*, h.data AS started_data, (extract(epoch FROM h.at) * 1000)::float8 AS started_at,
 (extract(epoch FROM (SELECT now FROM t)) * 1000)::float8 AS now
FROM claimed c JOIN history h ON h.run_id = c.run_id AND h.seq = 1`,
    parameters: [request.namespace, texts(request.taskQueues), texts(request.definitions), request.limit, request.workerId, request.suspects],
  };
}
