import type { MergeStart } from "../../store/operations.ts";
import type { Transaction } from "../transaction.ts";

export interface MergedRow {
  readonly run_id: string;
  readonly execution_id: string;
}

/**
 * merge-start: adds a start to the pending execution that has its merge key, as an event after its ExecutionStarted, and says anew when it
 * may begin. An execution has no owner before it has begun, so the lock of its row is all it takes. Sent twice, it is added once:
 * was_merged looks again behind the lock. No row: it has begun meanwhile, or there is none.
 *
 * Of a batch that is complete, the merge key is taken away: the next start begins another one.
 *
 * Lock order: the execution, then history, tasks. Indexes: executions_merging, tasks_pkey, history_pkey.
 */
export function mergeStart(merge: MergeStart): Transaction<MergedRow> {
  return {
    name: "merge-start",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
target AS MATERIALIZED (
 SELECT e.run_id, e.execution_id, was_merged(e.run_id, $4) AS known FROM (
  SELECT x.run_id, x.execution_id FROM executions x
  WHERE x.namespace = $1 AND x.workflow = $2 AND x.merge_key = $3 AND x.state = 'pending' FOR UPDATE) AS e),
merged AS (
 UPDATE executions e SET last_seq = e.last_seq + 1,
  merge_key = CASE WHEN e.last_seq + 1 >= $8::int THEN NULL ELSE e.merge_key END,
  not_before = CASE WHEN $8::int IS NULL THEN least(e.created_at + $7::float8 * interval '1 millisecond', (SELECT now FROM t) + $6::float8 * interval '1 millisecond')
   WHEN e.last_seq + 1 >= $8::int THEN (SELECT now FROM t) ELSE coalesce(e.not_before, e.created_at) END
 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM target WHERE NOT known)) AND e.state = 'pending'
 RETURNING e.run_id, e.last_seq, e.not_before),
added AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data) SELECT run_id, last_seq, 0, (SELECT now FROM t), 'StartMerged', $5 FROM merged),
moved AS (
 UPDATE tasks k SET visible_at = (SELECT m.not_before FROM merged m WHERE m.run_id = k.run_id)
 WHERE k.run_id = ANY(ARRAY(SELECT run_id FROM merged)) AND k.queue_key IS NULL)
SELECT run_id, execution_id FROM target WHERE known OR EXISTS (SELECT FROM merged)`,
    parameters: [
      merge.namespace,
      merge.workflow,
      merge.mergeKey,
      merge.startId,
      merge.data,
      merge.periodMs ?? null,
      merge.longestMs ?? null,
      merge.size ?? null,
    ],
  };
}
