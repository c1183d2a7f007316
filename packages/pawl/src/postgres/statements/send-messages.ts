import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";
import type { OutsideMessage } from "../../store/store.ts";
import { reachedDueIn } from "./due-in.ts";

export interface SentRow {
  readonly execution_id: string;
  readonly run_id: string;
  readonly state: string;
  /** False in a state that still takes messages: a resume gave it a new run while the statement waited; send it again. */
  readonly reached: boolean;
  /** Whether a worker has it, who is to read its inbox. */
  readonly owned: boolean;
  /** The queue of its task, if that is due now: it was parked, or has not begun, and a claim may have skipped it because of this lock. */
  readonly due_in: string | null;
}

/**
 * send-messages: puts signals and updates into the inboxes of executions that have not ended, and wakes those that are parked.
 * A message that is there already is left alone; one that its execution has read already is recognised there. Those of one
 * execution arrive in the order of the batch.
 *
 * Lock order: executions by run_id, then inbox, then tasks. Index: executions_id.
 */
export function sendMessages(namespace: string, messages: readonly OutsideMessage[]): Transaction<SentRow> {
  const ids = [...new Set(messages.map(({ executionId }) => executionId))];
  return {
    name: "send-messages",
    text: `WITH picked AS MATERIALIZED (
 SELECT e.run_id, e.execution_id, e.state FROM executions e WHERE e.namespace = $1 AND e.execution_id = ANY($2::text[]) ORDER BY e.run_id FOR UPDATE),
touched AS (
 UPDATE executions e SET inbox_seq = e.inbox_seq + 1
 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM picked)) AND e.state IN ('pending', 'running', 'paused', 'quarantined')
 RETURNING e.run_id, e.execution_id, e.state, e.namespace, e.task_queue, e.workflow, e.version, e.worker_id, e.not_before),
sent AS (
 INSERT INTO inbox (run_id, message_id, type, data)
 SELECT t.run_id, m.message_id, m.type, m.data
 FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS m(execution_id, message_id, type, data, ord)
 JOIN touched t ON t.execution_id = m.execution_id ORDER BY m.ord
 ON CONFLICT DO NOTHING),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, current_time_of_pawl(), namespace, task_queue, workflow || '@' || version FROM touched WHERE worker_id IS NULL AND state = 'running'
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT p.execution_id, p.run_id, coalesce(t.state, p.state) AS state, t.run_id IS NOT NULL AS reached, t.worker_id IS NOT NULL AS owned,
 ${reachedDueIn} AS due_in
FROM picked p LEFT JOIN touched t ON t.run_id = p.run_id`,
    parameters: [
      namespace,
      texts(ids),
      texts(messages.map(({ executionId }) => executionId)),
      texts(messages.map(({ messageId }) => messageId)),
      texts(messages.map(({ type }) => type)),
      texts(messages.map(({ data }) => data)),
    ],
  };
}
