import type { Transaction } from "../transaction.ts";

export interface PauseRow {
  readonly run_id: string;
  /** Before this statement. */
  readonly state: string;
  readonly outcome: "paused" | "asked" | "ending" | "unchanged";
}

/**
 * pause: holds an execution that nobody has claimed, at once, and asks the owner of one that is claimed to do so. One that is
 * to be cancelled, or to end with its parent, is left alone. Its task is taken away, and its time kept in the event; at its deadline it wakes all the same.
 * A request to pause that nobody has read, such as one to an owner who gave it back, goes with it: it would pause it again after its resume.
 *
 * `unchanged` in a state that can be paused: a resume gave it a new run while the statement waited for it; send it again.
 * Sent twice, it pauses once. Lock order: the execution, then history, tasks, inbox. Indexes: executions_id, history_pkey.
 */
export function pause(namespace: string, executionId: string, reason: string | null): Transaction<PauseRow> {
  return {
    name: "pause",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
locked AS MATERIALIZED (SELECT run_id, state, worker_id FROM executions WHERE namespace = $1 AND execution_id = $2 FOR UPDATE),
judged AS MATERIALIZED (
 SELECT run_id, state, worker_id, CASE WHEN state IN ('pending', 'running') THEN is_asked_to_end(run_id) END AS ending FROM locked),
paused AS (
 UPDATE executions e SET state = 'paused', epoch = e.epoch + 1, last_seq = e.last_seq + 1, merge_key = NULL
 WHERE e.run_id = (SELECT run_id FROM judged WHERE NOT ending AND worker_id IS NULL)
 RETURNING e.run_id, e.epoch, e.last_seq, e.namespace, e.task_queue, e.workflow, e.version),
taken AS MATERIALIZED (SELECT p.*, take_task(run_id) AS wake_at, withdraw_pause(run_id), deadline_of(run_id) AS deadline FROM paused p),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT run_id, last_seq, epoch, (SELECT now FROM t), 'ExecutionPaused',
  json_strip_nulls(json_build_object('wakeAt', ceil(extract(epoch FROM wake_at) * 1000)::bigint, 'reason', $3::text))::text FROM taken),
asked AS (
 UPDATE executions e SET inbox_seq = e.inbox_seq + 1
 WHERE e.run_id = (SELECT run_id FROM judged WHERE NOT ending AND worker_id IS NOT NULL) RETURNING e.run_id),
sent AS (
 INSERT INTO inbox (run_id, message_id, type, data)
 SELECT run_id, 'pause', 'PauseRequested', json_strip_nulls(json_build_object('reason', $3::text))::text FROM asked ON CONFLICT DO NOTHING),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, deadline, namespace, task_queue, workflow || '@' || version FROM taken WHERE deadline IS NOT NULL)
SELECT j.run_id, j.state, CASE WHEN EXISTS (SELECT FROM paused) THEN 'paused' WHEN EXISTS (SELECT FROM asked) THEN 'asked'
 WHEN j.ending THEN 'ending' ELSE 'unchanged' END AS outcome FROM judged j`,
    parameters: [namespace, executionId, reason],
  };
}
