import type { Transaction } from "../transaction.ts";
import { suspectFromClaims } from "./claim.ts";

export interface UnpauseRow {
  readonly run_id: string;
  readonly state: string;
  /** What it did: ended the pause, took back a request to pause that had not been followed yet, or nothing. */
  readonly outcome: "unpaused" | "withdrawn" | "unchanged";
  /** The queue of its task, if it has one now. */
  readonly due_in: string | null;
}

/**
 * unpause: lets a paused execution go on: at once if it was in the middle of something or a message waits, or when its next
 * timer is due. A claimed one that has been asked to pause hears that it need not: whoever pauses checks `inbox_seq`.
 *
 * Lock order: the execution, then history, tasks, inbox. Indexes: executions_id, history_pkey.
 */
export function unpause(namespace: string, executionId: string): Transaction<UnpauseRow> {
  return {
    name: "unpause",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
locked AS MATERIALIZED (SELECT run_id, state, worker_id, last_seq FROM executions WHERE namespace = $1 AND execution_id = $2 FOR UPDATE),
withdrawn AS MATERIALIZED (SELECT run_id, withdraw_pause(run_id) AS yes FROM locked WHERE state = 'running'),
unpaused AS (
 UPDATE executions e SET state = CASE WHEN e.started_at IS NULL THEN 'pending' ELSE 'running' END, epoch = e.epoch + 1, last_seq = e.last_seq + 1
 WHERE e.run_id = (SELECT run_id FROM locked WHERE state = 'paused')
 RETURNING e.run_id, e.epoch, e.last_seq, e.claims, e.state, e.not_before, e.namespace, e.task_queue, e.workflow, e.version),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data) SELECT run_id, last_seq, epoch, (SELECT now FROM t), 'ExecutionUnpaused', '{}' FROM unpaused),
told AS (
 UPDATE executions e SET inbox_seq = e.inbox_seq + 1 WHERE e.run_id = (SELECT run_id FROM withdrawn WHERE yes) RETURNING e.run_id),
due AS MATERIALIZED (
 SELECT u.*, CASE WHEN state = 'pending' THEN coalesce(not_before, (SELECT now FROM t)) ELSE due_after_pause(run_id, last_seq - 1) END AS at FROM unpaused u),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition, suspect)
 SELECT run_id, greatest(at, (SELECT now FROM t)), namespace, task_queue, workflow || '@' || version, claims >= ${suspectFromClaims} FROM due WHERE at IS NOT NULL
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at) RETURNING task_queue)
SELECT l.run_id, l.state, CASE WHEN EXISTS (SELECT FROM unpaused) THEN 'unpaused' WHEN EXISTS (SELECT FROM told) THEN 'withdrawn' ELSE 'unchanged' END AS outcome,
 (SELECT task_queue FROM queued) AS due_in
FROM locked l`,
    parameters: [namespace, executionId],
  };
}
