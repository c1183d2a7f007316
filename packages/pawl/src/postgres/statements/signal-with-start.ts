import type { StartOperation } from "../../store/operations.ts";
import type { OutsideMessage } from "../../store/store.ts";
import type { Transaction } from "../transaction.ts";
import { reachedDueIn } from "./due-in.ts";
import { impatience } from "./impatience.ts";

export interface SignalWithStartRow {
  readonly run_id: string;
  readonly workflow: string;
  readonly state: string;
  /** False in a state that still takes messages, of the same workflow: a resume gave it a new run meanwhile; send it again. */
  readonly reached: boolean;
  /** Whether a worker has it, who is to read its inbox. */
  readonly owned: boolean;
  /** The queue of its task: it was started or parked, or has not begun, and a claim may have skipped it because of this lock. */
  readonly due_in: string | null;
}

/**
 * signal-with-start: starts an execution that has the signal in its inbox from the beginning, or puts the signal into the inbox of
 * the one that has the id, if it is of the same workflow and has not ended. No row: somebody started it after this statement had
 * begun; send it again.
 *
 * Lock order: the execution, then history, tasks, inbox. Indexes: executions_id, executions_pkey.
 */
export function signalWithStart(start: StartOperation, message: OutsideMessage): Transaction<SignalWithStartRow> {
  return {
    name: "signal-with-start",
    ...(start.chosen === true ? { shape: "chosen" } : {}),
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now${start.chosen === true ? impatience.alone : ""}),
started AS (
 INSERT INTO executions (run_id, namespace, execution_id, workflow, version, task_queue, epoch, last_seq, inbox_seq, state, created_at, not_before, labels, attributes, queue_key, priority)
 SELECT $1::uuid, $2, $3, $4, $5, $6, 0, 1, 1, 'pending', now, now + $7::float8 * interval '1 millisecond', $8::text::jsonb, $9::text::jsonb, $14::text, $15::smallint FROM t
 ON CONFLICT DO NOTHING RETURNING run_id, namespace, workflow, version, task_queue, state, not_before),
picked AS MATERIALIZED (
 SELECT e.run_id, e.workflow, e.state FROM executions e
 WHERE e.namespace = $2 AND e.execution_id = $3 AND NOT EXISTS (SELECT FROM started) FOR UPDATE),
touched AS (
 UPDATE executions e SET inbox_seq = e.inbox_seq + 1
 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM picked)) AND e.state IN ('pending', 'running', 'paused', 'quarantined') AND e.workflow = $4
 RETURNING e.run_id, e.namespace, e.workflow, e.version, e.task_queue, e.state, e.worker_id, e.not_before),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data) SELECT run_id, 1, 0, (SELECT now FROM t), 'ExecutionStarted', $10 FROM started),
sent AS (
 INSERT INTO inbox (run_id, message_id, type, data)
 SELECT run_id, $11, $12, $13 FROM (SELECT run_id FROM started UNION ALL SELECT run_id FROM touched) AS reached ON CONFLICT DO NOTHING),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, coalesce(not_before, (SELECT now FROM t)), namespace, task_queue, workflow || '@' || version FROM started
 UNION ALL
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version FROM touched WHERE worker_id IS NULL AND state = 'running'
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT run_id, workflow, state, true AS reached, false AS owned, task_queue AS due_in FROM started
UNION ALL
SELECT p.run_id, p.workflow, p.state, t.run_id IS NOT NULL, t.worker_id IS NOT NULL,
 ${reachedDueIn}
FROM picked p LEFT JOIN touched t ON t.run_id = p.run_id`,
    parameters: [
      start.runId,
      start.namespace,
      start.executionId,
      start.workflow,
      start.version,
      start.taskQueue,
      start.delayMs > 0 ? String(start.delayMs) : null,
      start.labels ?? null,
      start.attributes ?? null,
      start.started,
      message.messageId,
      message.type,
      message.data,
      start.queueKey ?? null,
      start.priority ?? null,
    ],
  };
}
