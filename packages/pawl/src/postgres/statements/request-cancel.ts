import type { Transaction } from "../transaction.ts";

export interface CancelRequestedRow {
  readonly run_id: string;
  readonly state: string;
  /** The queue of its task; null: a worker has it, who is to read its inbox. */
  readonly due_in: string | null;
}

/**
 * request-cancel: puts a cancel request into the inbox of an execution that has begun, and wakes it if it is parked or
 * paused. Sent twice, it arrives once. Lock order: the execution, then its task. Index: executions_id.
 */
export function requestCancel(namespace: string, executionId: string, data: string): Transaction<CancelRequestedRow> {
  return {
    name: "request-cancel",
    text: `WITH touched AS (
 UPDATE executions e SET inbox_seq = e.inbox_seq + 1
 WHERE e.namespace = $1 AND e.execution_id = $2 AND (e.state = 'running' OR (e.state = 'paused' AND e.started_at IS NOT NULL))
 RETURNING e.run_id, e.state, e.namespace, e.task_queue, e.workflow, e.version, e.worker_id),
sent AS (
 INSERT INTO inbox (run_id, message_id, type, data) SELECT run_id, 'cancel', 'CancelRequested', $3 FROM touched ON CONFLICT DO NOTHING),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, current_time_of_pawl(), namespace, task_queue, workflow || '@' || version FROM touched WHERE worker_id IS NULL
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT run_id, state, CASE WHEN worker_id IS NULL THEN task_queue END AS due_in FROM touched`,
    parameters: [namespace, executionId, data],
  };
}
