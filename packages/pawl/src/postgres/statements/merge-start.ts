import type { MergeStart } from "../../store/operations.ts";
import type { Transaction } from "../transaction.ts";

export interface MergedRow {
  /** False: it has begun meanwhile, or takes no more starts, and this start is not part of it. */
  readonly merged: boolean;
}

/**
 * merge-start: adds a start to an execution that waits for more of them, as an event after its ExecutionStarted, and says anew when it
 * may begin. An execution has no owner before it has begun, so the lock of its row is all it takes. Sent twice, it is added once,
 * whatever has become of the execution since: was_merged looks again behind the lock.
 *
 * What was due already, and waits for a limit of its queue, is put off too: its task is no longer in order.
 *
 * Of what has as many starts as it takes, the merge key is taken away: the next start begins another one. A batch is due then, and what is
 * debounced when its last start says.
 *
 * Lock order: the execution, then history, tasks. Indexes: executions_pkey, tasks_pkey, history_pkey.
 */
export function mergeStart(merge: MergeStart): Transaction<MergedRow> {
  return {
    name: "merge-start",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
locked AS MATERIALIZED (
 SELECT run_id FROM executions WHERE run_id = $1::uuid AND state = 'pending' AND merge_key IS NOT NULL FOR UPDATE),
known AS MATERIALIZED (SELECT was_merged($1::uuid, $2) AS yes FROM (SELECT count(*) FROM locked) AS behind_the_lock),
merged AS (
 UPDATE executions e SET last_seq = e.last_seq + 1,
  merge_key = CASE WHEN e.last_seq + 1 >= $6::int THEN NULL ELSE e.merge_key END,
  not_before = CASE WHEN $4::float8 IS NOT NULL THEN least(e.created_at + $5::float8 * interval '1 millisecond', (SELECT now FROM t) + $4::float8 * interval '1 millisecond')
   WHEN e.last_seq + 1 >= $6::int THEN least(e.not_before, (SELECT now FROM t)) ELSE coalesce(e.not_before, e.created_at) END
 WHERE e.run_id = (SELECT run_id FROM locked WHERE NOT (SELECT yes FROM known)) AND e.state = 'pending'
 RETURNING e.run_id, e.last_seq, e.not_before),
added AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data) SELECT run_id, last_seq, 0, (SELECT now FROM t), 'StartMerged', $3 FROM merged),
moved AS (
 UPDATE tasks k SET visible_at = (SELECT m.not_before FROM merged m WHERE m.run_id = k.run_id), queue_key = NULL, priority = NULL
 WHERE k.run_id = ANY(ARRAY(SELECT run_id FROM merged)))
SELECT yes OR EXISTS (SELECT FROM merged) AS merged FROM known`,
    parameters: [merge.runId, merge.startId, merge.data, merge.periodMs ?? null, merge.longestMs ?? null, merge.size],
  };
}
