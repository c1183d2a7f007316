import { texts, uuids } from "../parameters.ts";
import type { ChildMessage } from "../../store/operations.ts";
import type { Transaction } from "../transaction.ts";

export interface ToldRow {
  readonly execution_id: string;
  readonly run_id: string;
  /** False: it ended, went on in another run, or got another parent, while the statement waited; send it again for this child. */
  readonly reached: boolean;
  /** Its queue if nobody has claimed it: it has a task now, or had one, which a claim may have skipped because of this lock. */
  readonly due_in: string | null;
}

const alive = "e.state IN ('pending', 'running', 'paused', 'quarantined')";

/**
 * tell-children: puts into the inboxes of children that have not ended what their policies say, and wakes those that are parked or
 * paused. A run that is cancelled or about to end sends it: children that have gone on in another run since they were started are found
 * by their parent only. One that has another parent by now, or none, because its parent was rolled back meanwhile, is told nothing.
 *
 * Lock order: executions by run_id, then inbox, then tasks. Index: executions_children.
 */
export function tellChildren(parentRunId: string, messages: readonly ChildMessage[]): Transaction<ToldRow> {
  return {
    name: "tell-children",
    text: `WITH wanted AS MATERIALIZED (
 SELECT e.run_id, e.execution_id FROM executions e WHERE e.parent_run_id = $1::uuid AND (e.execution_id = ANY($2::text[])) IS TRUE
  AND (e.run_id = ANY($6::uuid[])) IS NOT TRUE AND ${alive}),
picked AS MATERIALIZED (
 SELECT run_id FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM wanted)) ORDER BY run_id FOR UPDATE),
touched AS (
 UPDATE executions e SET inbox_seq = e.inbox_seq + 1 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM picked)) AND e.parent_run_id = $1::uuid AND ${alive}
 RETURNING e.run_id, e.execution_id, e.state, e.namespace, e.task_queue, e.workflow, e.version, e.worker_id),
sent AS (
 INSERT INTO inbox (run_id, message_id, type, data)
 SELECT t.run_id, m.message_id, m.type, m.data FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS m(execution_id, message_id, type, data)
 JOIN touched t ON t.execution_id = m.execution_id ON CONFLICT DO NOTHING),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, current_time_of_pawl(), namespace, task_queue, workflow || '@' || version FROM touched WHERE worker_id IS NULL AND state IN ('running', 'paused')
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT w.execution_id, w.run_id, t.run_id IS NOT NULL AS reached,
 CASE WHEN t.worker_id IS NULL THEN t.task_queue END AS due_in
FROM wanted w LEFT JOIN touched t ON t.run_id = w.run_id`,
    parameters: [
      parentRunId,
      texts(messages.map(({ executionId }) => executionId)),
      texts(messages.map(({ messageId }) => messageId)),
      texts(messages.map(({ type }) => type)),
      texts(messages.map(({ data }) => data)),
      uuids(messages.flatMap(({ reachedRunId }) => reachedRunId ?? [])),
    ],
  };
}
