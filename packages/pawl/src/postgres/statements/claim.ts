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
const suspectFromClaims = 2;

const due = `SELECT q.run_id FROM tasks q JOIN executions x ON x.run_id = q.run_id
 WHERE q.namespace = $1 AND q.task_queue = ANY($2::text[]) AND q.visible_at <= (SELECT now FROM t) AND q.definition = ANY($3::text[])
  AND x.worker_id IS NULL AND x.state IN ('pending', 'running')`;

/**
 * claim: takes tasks that are due and makes this worker the owner of their executions. Raises the epoch and counts the
 * claim when it is made, so that a claimer that dies at once is counted too.
 *
 * A claim takes a batch, and a batch dies together with the one that kills the worker. So suspects are claimed one at a time
 * and only by workers that run no other: then only the culprit's third death is its own.
 *
 * Locks: task and execution together, skipping what others hold: it never waits, so it can be in no deadlock. Order is by
 * visible_at. The task row is deleted, not updated: the queue table stays narrow and its index short. Index: tasks_claim.
 */
export function claim(request: ClaimRequest): Transaction<ClaimRow> {
  return {
    name: "claim",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
ordinary AS MATERIALIZED (
 ${due} AND x.claims < ${suspectFromClaims}
 ORDER BY q.visible_at LIMIT $4::int FOR UPDATE OF q, x SKIP LOCKED),
suspects AS MATERIALIZED (
 ${due} AND x.claims >= ${suspectFromClaims} AND $6::bool
 ORDER BY q.visible_at LIMIT 1 FOR UPDATE OF q, x SKIP LOCKED),
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
