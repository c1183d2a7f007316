import { instantText } from "../../kernel/schedule/execution-id.ts";
import type { Fire } from "../../store/schedules.ts";
import { booleans, integers, texts, timestamps, uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

export interface FireRow {
  readonly fired: number;
  readonly task_queues: string[] | null;
}

/**
 * fire-schedules: advances schedules and starts their executions, in one transaction: an instant is passed if and only if its
 * execution is there. A schedule is changed only if its revision is the expected one; its executions hang on that. An
 * execution whose id exists (a backfill came before) is not started again. Sent twice, it happens once.
 *
 * Lock order: schedules by id, skipping what others hold, who are advancing or changing it just now; then executions by id,
 * as in commit; then history, tasks. Indexes: schedules_pkey; unique indexes for the starts.
 */
export function fireSchedules(fires: readonly Fire[]): Transaction<FireRow> {
  const sorted = fires.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const starts = sorted.flatMap((fire) => fire.starts.map((start) => ({ id: fire.id, ...start }))).toSorted((a, b) => (a.executionId < b.executionId ? -1 : 1));
  return {
    name: "fire-schedules",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
free AS MATERIALIZED (SELECT id FROM schedules WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED),
fired AS (
 UPDATE schedules s SET revision = i.revision, state = i.state, next_fire_at = i.next_fire_at, waiting = i.waiting, open = i.open::text[]
 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::bool[], $7::text[])
  AS i(id, expected, revision, state, next_fire_at, waiting, open)
 WHERE s.id = i.id AND s.id = ANY(ARRAY(SELECT id FROM free)) AND s.revision = i.expected
 RETURNING s.id, s.namespace, s.schedule_id, s.workflow, s.version, s.task_queue, s.started, s.labels, s.attributes, s.queue_key, s.priority),
wanted AS MATERIALIZED (
 SELECT n.ord, n.run_id, n.execution_id, n.link, f.namespace, f.workflow, f.version, f.task_queue, f.started, f.labels, f.attributes, f.queue_key, f.priority
 FROM unnest($8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::int[]) AS n(id, run_id, execution_id, link, ord) JOIN fired f ON f.id = n.id),
begun AS (
 INSERT INTO executions (run_id, namespace, execution_id, workflow, version, task_queue, epoch, last_seq, state, created_at, labels, attributes, queue_key, priority)
 SELECT w.run_id, w.namespace, w.execution_id, w.workflow, w.version, w.task_queue, 0, 1, 'pending', (SELECT now FROM t), w.labels, w.attributes, w.queue_key, w.priority
 FROM wanted w ORDER BY w.ord
 ON CONFLICT DO NOTHING RETURNING run_id, namespace, task_queue, workflow, version),
recorded AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT w.run_id, 1, 0, (SELECT now FROM t), 'ExecutionStarted', '{"schedule":' || w.link || ',' || substr(w.started, 2)
 FROM wanted w WHERE (w.run_id IN (SELECT run_id FROM begun)) IS TRUE),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition)
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version FROM begun)
SELECT (SELECT count(*)::int FROM fired) AS fired, (SELECT array_agg(DISTINCT task_queue) FROM begun) AS task_queues`,
    parameters: [
      uuids(sorted.map((fire) => fire.id)),
      uuids(sorted.map((fire) => fire.expected)),
      uuids(sorted.map((fire) => fire.revision)),
      texts(sorted.map((fire) => JSON.stringify(fire.state))),
      timestamps(sorted.map((fire) => fire.nextFireAt)),
      booleans(sorted.map((fire) => fire.waiting)),
      // Ids hold nothing that means something in the text of an array.
      texts(sorted.map((fire) => `{${fire.open.join(",")}}`)),
      uuids(starts.map((start) => start.id)),
      uuids(starts.map((start) => start.runId)),
      texts(starts.map((start) => start.executionId)),
      texts(starts.map((start) => JSON.stringify({ scheduleId: start.scheduleId, at: instantText(start.at) }))),
      integers(starts.map((_, index) => index)),
    ],
  };
}
