import type { StartOperation } from "../../store/operations.ts";

export interface StartedInTransactionRow {
  readonly run_id: string;
  readonly workflow: string;
  readonly version: string;
  readonly state: string;
  readonly parent_run_id: string | null;
  readonly parent_position: number | null;
  readonly execution_id: string;
  /** Whether it has the idempotency key of this start. */
  readonly has_key: boolean;
}

/**
 * start-in-transaction: a start as commit writes it, unclaimed, inside a transaction of the user's; the names are qualified, because the
 * search path is the user's. The row that comes back is the new one, or the one that holds the id or the key. No row: one that this
 * statement's snapshot does not show; send it again.
 *
 * The notification goes out when the transaction commits, so that a worker need not wait for its next poll.
 *
 * Lock order: the execution, then history, tasks. Indexes: unique indexes for the start.
 */
export function startInTransaction(schema: string, start: StartOperation): { readonly text: string; readonly values: readonly unknown[] } {
  const s = `"${schema}"`;
  const columns = "run_id, workflow, version, state, parent_run_id, parent_position, execution_id";
  const hint = JSON.stringify({ from: "transaction", hint: { kind: "tasks", namespace: start.namespace, taskQueue: start.taskQueue } });
  return {
    text: `WITH t AS MATERIALIZED (SELECT ${s}.current_time_of_pawl() AS now),
started AS (
 INSERT INTO ${s}.executions (run_id, namespace, execution_id, workflow, version, task_queue, idempotency_key, epoch, last_seq, state, created_at, not_before, labels, attributes, queue_key, priority)
 SELECT $1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, 0, 1, 'pending', now, now + $8::float8 * interval '1 millisecond', $9::text::jsonb, $10::text::jsonb, $13::text, $14::smallint FROM t
 ON CONFLICT DO NOTHING RETURNING ${columns}, not_before),
event AS (
 INSERT INTO ${s}.history (run_id, seq, epoch, at, type, data) SELECT run_id, 1, 0, (SELECT now FROM t), 'ExecutionStarted', $11::text FROM started),
queued AS (
 INSERT INTO ${s}.tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, coalesce(not_before, (SELECT now FROM t)), $2::text, $6::text, workflow || '@' || version FROM started),
told AS MATERIALIZED (SELECT pg_notify('pawl_${schema}', $12::text) FROM started)
SELECT ${columns}, true AS has_key FROM started WHERE (SELECT count(*) FROM told) = 1
UNION ALL
(SELECT ${columns}, (workflow = $4::text AND idempotency_key = $7::text) IS TRUE FROM ${s}.executions WHERE namespace = $2::text AND NOT EXISTS (SELECT FROM started)
 AND (execution_id = $3::text OR (workflow = $4::text AND idempotency_key = $7::text)) ORDER BY execution_id = $3::text DESC LIMIT 1)`,
    values: [
      start.runId,
      start.namespace,
      start.executionId,
      start.workflow,
      start.version,
      start.taskQueue,
      start.idempotencyKey,
      start.delayMs > 0 ? start.delayMs : null,
      start.labels ?? null,
      start.attributes ?? null,
      start.started,
      hint,
      start.queueKey ?? null,
      start.priority ?? null,
    ],
  };
}
