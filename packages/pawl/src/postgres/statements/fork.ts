import type { ForkOperation } from "../../store/store.ts";
import { integers, texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/**
 * fork: starts an execution with a copy of a part of another one's history, some of its events edited, if its id is free and that
 * history is there as far. A history is only ever added to, so the other execution is not locked. Sent twice, it starts once.
 *
 * Lock order: the new row, then history, tasks. Indexes: executions_id decides; history_pkey.
 */
export function fork(operation: ForkOperation): Transaction<{ readonly run_id: string }> {
  return {
    name: "fork",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
source AS MATERIALIZED (
 SELECT h.seq, h.epoch, h.at, h.type, h.data FROM history h WHERE h.run_id = $2::uuid AND h.seq <= $3::int AND NOT (h.seq = ANY($4::int[]))),
forked AS (
 INSERT INTO executions (run_id, namespace, execution_id, workflow, version, task_queue, labels, attributes, epoch, last_seq, state, created_at, started_at, queue_key, priority)
 SELECT $1::uuid, $5, $6, $7, $8, $9, $10::jsonb, $11::jsonb, $12::int, $13::int + 1, 'running', now, now, $17, $18::int FROM t
 WHERE (SELECT count(*) FROM source) = $13::int
 ON CONFLICT DO NOTHING RETURNING run_id, namespace, task_queue, workflow, version),
copied AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT $1::uuid, row_number() OVER (ORDER BY s.seq), s.epoch, s.at, coalesce(e.type, s.type), coalesce(e.data, s.data)
 FROM source s LEFT JOIN unnest($14::int[], $15::text[], $19::text[]) AS e(seq, data, type) ON e.seq = s.seq WHERE EXISTS (SELECT FROM forked)),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT run_id, $13::int + 1, $12::int, (SELECT now FROM t), 'ExecutionForked', $16 FROM forked),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version FROM forked)
SELECT run_id FROM forked`,
    parameters: [
      operation.runId,
      operation.fromRunId,
      operation.toSeq,
      integers(operation.without),
      operation.namespace,
      operation.executionId,
      operation.workflow,
      operation.version,
      operation.taskQueue,
      operation.labels,
      operation.attributes,
      operation.epoch,
      operation.kept,
      integers(operation.edits.map(({ seq }) => seq)),
      texts(operation.edits.map(({ data }) => data)),
      operation.forked,
      operation.key,
      operation.priority === 0 ? null : operation.priority,
      texts(operation.edits.map(({ type }) => type)),
    ],
  };
}
