import type { QueueLimits } from "../../store/queues.ts";
import type { Transaction } from "../transaction.ts";

export interface QueueRow {
  readonly name: string;
  readonly concurrency: number | null;
  readonly rate_limit: number | null;
  readonly rate_ms: number | null;
  readonly key_concurrency: number | null;
  readonly key_rate_limit: number | null;
  readonly key_rate_ms: number | null;
  readonly created_at: number;
  readonly updated_at: number;
}

/**
 * set-queue: gives a queue limits, or others. Executions that are claimed when it gets its first limits count from then on. Lock
 * order: the queue, then executions by run_id. Indexes: queues_pkey, executions_claimed.
 */
export function setQueue(namespace: string, name: string, limits: QueueLimits): Transaction<{ readonly name: string }> {
  return {
    name: "set-queue",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
changed AS (
 INSERT INTO queues (namespace, name, concurrency, rate_limit, rate_ms, key_concurrency, key_rate_limit, key_rate_ms, created_at, updated_at)
 SELECT $1, $2, $3::int, $4::int, $5::float8, $6::int, $7::int, $8::float8, now, now FROM t
 ON CONFLICT (namespace, name) DO UPDATE SET concurrency = excluded.concurrency, rate_limit = excluded.rate_limit, rate_ms = excluded.rate_ms,
  key_concurrency = excluded.key_concurrency, key_rate_limit = excluded.key_rate_limit, key_rate_ms = excluded.key_rate_ms, updated_at = excluded.updated_at
 RETURNING name),
claimed AS MATERIALIZED (
 SELECT e.run_id FROM executions e
 WHERE e.worker_id >= '00000000-0000-0000-0000-000000000000'::uuid AND e.namespace = $1 AND e.task_queue = (SELECT name FROM changed) AND e.queue_key IS NULL),
held AS MATERIALIZED (
 SELECT e.run_id FROM executions e WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM claimed)) AND e.worker_id IS NOT NULL ORDER BY e.run_id FOR UPDATE),
counted AS (UPDATE executions e SET queue_key = '' WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM held)) AND e.queue_key IS NULL)
SELECT name FROM changed`,
    parameters: [
      namespace,
      name,
      limits.concurrency ?? null,
      limits.rate?.limit ?? null,
      limits.rate?.perMs ?? null,
      limits.keyConcurrency ?? null,
      limits.keyRate?.limit ?? null,
      limits.keyRate?.perMs ?? null,
    ],
  };
}

/**
 * delete-queue: takes the limits away. What was in order is claimed like all else again. Lock order: the queue, then tasks, which
 * only those change meanwhile who wait for nothing. Indexes: queues_pkey, tasks_ordered.
 */
export function deleteQueue(namespace: string, name: string): Transaction<{ readonly name: string }> {
  return {
    name: "delete-queue",
    text: `WITH gone AS (DELETE FROM queues WHERE namespace = $1 AND name = $2 RETURNING name),
freed AS (SELECT forget_limits($1, name) FROM gone)
SELECT name, (SELECT count(*) FROM freed) AS freed FROM gone`,
    parameters: [namespace, name],
  };
}

const milliseconds = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8 AS ${column}`;

/** list-queues: by name; the one named, or all. Index: queues_pkey. */
export function listQueues(namespace: string, name: string | undefined): Transaction<QueueRow> {
  return {
    name: "list-queues",
    text: `SELECT name, concurrency, rate_limit, rate_ms, key_concurrency, key_rate_limit, key_rate_ms, ${milliseconds("created_at")}, ${milliseconds("updated_at")}
FROM queues WHERE namespace = $1 AND ($2::text IS NULL OR name = $2) ORDER BY name`,
    parameters: [namespace, name ?? null],
  };
}

/** queue-load: how many are claimed, and how many tasks are due. Indexes: executions_limited, tasks_claim, tasks_suspects, tasks_ordered. */
export function queueLoad(namespace: string, name: string): Transaction<{ readonly claimed: number; readonly due: number }> {
  const due = (which: string): string =>
    `(SELECT count(*)::int FROM tasks WHERE namespace = $1 AND task_queue = $2 AND visible_at <= (SELECT current_time_of_pawl()) AND ${which})`;
  return {
    name: "queue-load",
    text: `SELECT (SELECT count(*)::int FROM executions WHERE namespace = $1 AND task_queue = $2 AND worker_id IS NOT NULL AND queue_key IS NOT NULL) AS claimed,
 ${due("NOT suspect AND queue_key IS NULL")} + ${due("suspect AND queue_key IS NULL")} + ${due("queue_key IS NOT NULL")} AS due`,
    parameters: [namespace, name],
  };
}
