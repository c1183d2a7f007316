import type { ImportOperation } from "../../store/import.ts";
import { integers, texts, timestamps, uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/**
 * import-execution: writes an execution with all its runs, histories and streams, if its id is free; otherwise nothing. It is ended or
 * held, so no task goes with it. Locks nothing that exists; a start of the same id waits for it, or it for the start. Indexes:
 * executions_id decides.
 */
export function importExecution(operation: ImportOperation): Transaction<{ readonly run_id: string }> {
  const latest = operation.runs.at(-1)!;
  const earlier = operation.runs.slice(0, -1);
  const events = operation.runs.flatMap(({ runId, events: list }) => list.map((event, index) => ({ runId, seq: index + 1, ...event })));
  const { chunks } = operation;
  const own = earlier.map(({ runId }) => runId);
  return {
    name: "import-execution",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
imported AS (
 INSERT INTO executions (run_id, namespace, execution_id, workflow, version, task_queue, labels, attributes, epoch, last_seq, run_number, state, created_at, started_at, finished_at, queue_key, priority)
 VALUES ($1::uuid, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb, $9::int, $10::int, $11::int, $12, ($13::timestamptz[])[1], ($13::timestamptz[])[2], ($13::timestamptz[])[3], $27, $28::int)
 ON CONFLICT DO NOTHING RETURNING run_id),
earlier AS (
 INSERT INTO past_runs (run_id, namespace, execution_id, run_number, workflow, version, state, last_seq, created_at, started_at, finished_at)
 SELECT p.run_id, $2, $3, p.run_number, $4, p.version, p.state, p.last_seq, p.created_at, p.started_at, p.finished_at
 FROM unnest($14::uuid[], $15::int[], $16::text[], $17::int[], $18::timestamptz[], $19::timestamptz[], $20::timestamptz[], $37::text[])
  AS p(run_id, run_number, state, last_seq, created_at, started_at, finished_at, version)
 WHERE EXISTS (SELECT FROM imported)),
events AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT v.run_id, v.seq, v.epoch, coalesce(v.at, (SELECT now FROM t)), v.type, v.data
 FROM unnest($21::uuid[], $22::int[], $23::int[], $24::timestamptz[], $25::text[], $26::text[]) AS v(run_id, seq, epoch, at, type, data)
 WHERE EXISTS (SELECT FROM imported)),
chunks AS (
 INSERT INTO stream_chunks (namespace, execution_id, stream, chunk_offset, run_id, epoch, at, step_position, attempt, data)
 SELECT $2, $3, c.stream, c.chunk_offset, c.run_id, c.epoch, c.at, nullif(c.step_position, 0), nullif(c.attempt, 0), c.data
 FROM unnest($29::text[], $30::int[], $31::uuid[], $32::int[], $33::timestamptz[], $34::int[], $35::int[], $36::text[])
  AS c(stream, chunk_offset, run_id, epoch, at, step_position, attempt, data)
 WHERE EXISTS (SELECT FROM imported))
SELECT run_id FROM imported`,
    parameters: [
      latest.runId,
      operation.namespace,
      operation.executionId,
      operation.workflow,
      latest.version,
      operation.taskQueue,
      operation.labels,
      operation.attributes,
      latest.events.at(-1)!.epoch + 1,
      latest.events.length,
      operation.runs.length,
      latest.state,
      timestamps([latest.createdAt, latest.startedAt, latest.finishedAt]),
      uuids(own),
      integers(own.map((_, index) => index + 1)),
      texts(earlier.map(({ state }) => state)),
      integers(earlier.map(({ events: list }) => list.length)),
      timestamps(earlier.map(({ createdAt }) => createdAt)),
      timestamps(earlier.map(({ startedAt }) => startedAt)),
      timestamps(earlier.map(({ finishedAt }) => finishedAt)),
      uuids(events.map(({ runId }) => runId)),
      integers(events.map(({ seq }) => seq)),
      integers(events.map(({ epoch }) => epoch)),
      timestamps(events.map(({ at }) => at)),
      texts(events.map(({ type }) => type)),
      texts(events.map(({ data }) => data)),
      operation.key,
      operation.priority,
      texts(chunks.map(({ stream }) => stream)),
      integers(chunks.map(({ offset }) => offset)),
      uuids(chunks.map(({ runId }) => runId)),
      integers(chunks.map(({ epoch }) => epoch)),
      timestamps(chunks.map(({ at }) => at)),
      integers(chunks.map(({ step }) => step?.position ?? 0)),
      integers(chunks.map(({ step }) => step?.attempt ?? 0)),
      texts(chunks.map(({ data }) => data)),
      texts(earlier.map(({ version }) => version)),
    ],
  };
}
