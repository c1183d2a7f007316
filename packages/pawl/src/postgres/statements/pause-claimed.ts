import type { PauseOperation } from "../../store/store.ts";
import type { Transaction } from "../transaction.ts";
import { suspectFromClaims } from "./claim.ts";

/**
 * pause-claimed: the owner of an execution holds it, as it was asked to, and gives the claim back. Nothing is written if a
 * message has come since it looked last: that may be a cancel request, or take the pause back. What it waits for is not known
 * in full, so a resume wakes it at once (`wakeAt` 0). The claim is not counted: nothing died.
 *
 * Fence: epoch, last seq and state. Lock order: the execution, then history, tasks, inbox. Indexes: executions_pkey, history_pkey.
 */
export function pauseClaimed({ runId, epoch, expectedSeq, seenInbox, reason }: PauseOperation): Transaction<{ readonly run_id: string }> {
  return {
    name: "pause-claimed",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
paused AS (
 UPDATE executions e SET state = 'paused', epoch = e.epoch + 1, last_seq = e.last_seq + 1, worker_id = NULL, waiting_for = NULL, claims = greatest(e.claims - 1, 0)
 WHERE e.run_id = $1::uuid AND e.epoch = $2::int AND e.last_seq = $3::int AND e.inbox_seq = $4::int AND e.state = 'running'
 RETURNING e.run_id, e.last_seq, e.claims, e.namespace, e.task_queue, e.workflow, e.version),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT run_id, last_seq, $2::int, (SELECT now FROM t), 'ExecutionPaused', json_strip_nulls(json_build_object('wakeAt', 0, 'reason', $5::text))::text FROM paused),
consumed AS (DELETE FROM inbox WHERE run_id = (SELECT run_id FROM paused) AND message_id = 'pause'),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition, suspect)
 SELECT run_id, deadline_of(run_id), namespace, task_queue, workflow || '@' || version, claims >= ${suspectFromClaims} FROM paused WHERE deadline_of(run_id) IS NOT NULL)
SELECT run_id FROM paused`,
    parameters: [runId, epoch, expectedSeq, seenInbox, reason],
  };
}
