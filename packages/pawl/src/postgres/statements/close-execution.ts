import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

export interface CloseRow {
  readonly run_id: string;
  /** State after this statement; null if it did not close anything. */
  readonly closed_state: string | null;
  /**
   * Null: a resume gave it or its parent a new run while the statement waited for it, or it started a child; nothing was done, send
   * it again.
   */
  readonly found_state: string | null;
  /** Of its parent and children that were told, those that a worker has, who is to read their inboxes. */
  readonly owned: string[] | null;
  /** The queues of the others: they have tasks now, or had some, which a claim may have skipped because of this lock. */
  readonly due_in: string[] | null;
}

/**
 * close-execution: ends an execution from outside, without its code (terminate; cancel of one that has not begun; ending a
 * quarantined one). Raises the epoch, so that its owner can write nothing more, and tells its parent. Its open children get what their
 * policies say, as they would if its code had ended: a message that asks them to cancel, or that ends them. One that was paused
 * before it began has not begun.
 *
 * Lock order: the execution, its parent and children by run_id, then history, tasks, inbox. Indexes: executions_id,
 * executions_children, executions_pkey.
 */
export function closeExecution(options: {
  readonly namespace: string;
  readonly executionId: string;
  readonly state: "terminated" | "cancelled";
  readonly onlyFrom: readonly string[];
  readonly event: { readonly type: string; readonly data: string };
  /** Fields of the parent's `ChildFailed` besides the position. */
  readonly childFailed: string;
  /** Data of the `CancelRequested` or `ExecutionTerminated` for its children: a JSON object with a field. */
  readonly toChildren: string;
}): Transaction<CloseRow> {
  return {
    name: "close-execution",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
target AS MATERIALIZED (SELECT run_id, parent_run_id FROM executions WHERE namespace = $1 AND execution_id = $2),
locked AS MATERIALIZED (
 SELECT e.run_id, CASE WHEN e.state = 'paused' AND e.started_at IS NULL THEN 'pending' ELSE e.state END AS state, e.parent_run_id FROM executions e
 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM target UNION ALL SELECT parent_run_id FROM target
  UNION ALL SELECT k.run_id FROM executions k WHERE k.parent_run_id = (SELECT run_id FROM target)))
 ORDER BY e.run_id FOR UPDATE),
found AS MATERIALIZED (
 SELECT l.run_id, l.state FROM locked l JOIN target g ON g.run_id = l.run_id AND g.parent_run_id IS NOT DISTINCT FROM l.parent_run_id
 WHERE count_children(l.run_id) = (SELECT count(*) FROM locked k WHERE k.parent_run_id = l.run_id)),
closed AS (
 UPDATE executions e SET state = $3, epoch = e.epoch + 1, worker_id = NULL, last_seq = e.last_seq + 1, finished_at = (SELECT now FROM t), waiting_for = NULL
 WHERE e.run_id = (SELECT run_id FROM found WHERE state = ANY($4::text[]))
 RETURNING e.run_id, e.epoch, e.last_seq, e.state, e.parent_run_id, e.parent_position),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data) SELECT run_id, last_seq, epoch, (SELECT now FROM t), $5, $6 FROM closed),
woken AS (
 UPDATE executions p SET inbox_seq = p.inbox_seq + 1
 WHERE p.run_id = (SELECT parent_run_id FROM closed) AND p.state IN ('pending', 'running', 'paused', 'quarantined')
 RETURNING p.run_id, p.worker_id, p.state, p.namespace, p.task_queue, p.workflow, p.version),
children AS (
 UPDATE executions k SET inbox_seq = k.inbox_seq + 1
 WHERE k.run_id = ANY(ARRAY(SELECT l.run_id FROM locked l WHERE l.parent_run_id = (SELECT run_id FROM closed)))
  AND k.state IN ('pending', 'running', 'paused', 'quarantined') AND k.parent_close_policy IS DISTINCT FROM 'abandon'
 RETURNING k.run_id, k.worker_id, k.state, k.namespace, k.task_queue, k.workflow, k.version, k.parent_close_policy),
asked AS (
 INSERT INTO inbox (run_id, message_id, type, data) SELECT run_id, coalesce(parent_close_policy, 'cancel'),
  CASE WHEN parent_close_policy IS NULL THEN 'CancelRequested' ELSE 'ExecutionTerminated' END,
  CASE WHEN parent_close_policy IS NULL THEN $8 ELSE '{"byParent":true,' || substr($8, 2) END FROM children ON CONFLICT DO NOTHING),
sent AS (
 INSERT INTO inbox (run_id, message_id, type, data)
 SELECT w.run_id, 'child:' || c.parent_position, 'ChildFailed', '{"position":' || c.parent_position || ',' || $7 || '}' FROM woken w, closed c
 ON CONFLICT DO NOTHING),
reached AS (
 SELECT *, false AS told FROM woken UNION ALL SELECT run_id, worker_id, state, namespace, task_queue, workflow, version, true FROM children),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version FROM reached
 WHERE worker_id IS NULL AND (state = 'running' OR (state = 'paused' AND told))
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT (SELECT count(drop_wakeups(run_id)) FROM closed) AS dropped, g.run_id, c.state AS closed_state, f.state AS found_state,
 (SELECT array_agg(run_id) FROM reached WHERE worker_id IS NOT NULL) AS owned, (SELECT array_agg(DISTINCT task_queue) FROM reached WHERE worker_id IS NULL) AS due_in
FROM target g LEFT JOIN found f ON f.run_id = g.run_id LEFT JOIN closed c ON c.run_id = g.run_id`,
    parameters: [
      options.namespace,
      options.executionId,
      options.state,
      texts(options.onlyFrom),
      options.event.type,
      options.event.data,
      options.childFailed,
      options.toChildren,
    ],
  };
}
