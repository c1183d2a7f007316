import { terminalStates } from "pawl";
import type { SimDatabase } from "./sim-database.ts";

export interface ExecutionRow {
  readonly run_id: string;
  readonly execution_id: string;
  readonly state: string;
  readonly run_number: number;
  readonly epoch: number;
  readonly last_seq: number;
  readonly inbox_seq: number;
  readonly claims: number;
  readonly worker_id: string | null;
  readonly parent_run_id: string | null;
  readonly parent_close_policy: string | null;
  readonly workflow: string;
  readonly version: string;
  readonly task_queue: string;
  readonly queue_key: string;
  readonly priority: number;
  readonly created_at: number;
  readonly finished_at: number | null;
  readonly not_before: number | null;
  readonly started_at: number | null;
  readonly tasks: number;
  readonly visible_at: number | null;
  readonly suspect: boolean;
  /** As JSON; null where there are none. */
  readonly messages: string | null;
  readonly worker_state: string | null;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly attributes: Readonly<Record<string, unknown>> | null;
}

export interface HistoryRow {
  /** The database's number of the transaction that wrote it. */
  readonly transaction: number;
  readonly run_id: string;
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly type: string;
  readonly data: string;
}

export interface ChunkRow {
  readonly execution_id: string;
  readonly stream: string;
  readonly chunk_offset: number;
  readonly run_id: string;
  readonly epoch: number;
  readonly step_position: number | null;
  readonly attempt: number | null;
  readonly data: string | null;
}

/** What the database holds between two transactions, and what is new since the transaction given. */
export interface Snapshot {
  readonly runIds: readonly string[];
  /** All that have not ended, those that have ended since, and those that have something although they have ended. */
  readonly executions: readonly ExecutionRow[];
  readonly added: readonly HistoryRow[];
  readonly chunks: readonly ChunkRow[];
}

const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::float8`;
const executionsSql = `SELECT e.run_id, e.execution_id, e.state, e.run_number, e.epoch, e.last_seq, e.inbox_seq, e.claims, e.worker_id, e.parent_run_id, e.parent_close_policy, e.workflow, e.version, e.labels, e.attributes,
 e.task_queue, coalesce(e.queue_key, '') AS queue_key, coalesce(e.priority, 0)::int AS priority,
 ${ms("e.created_at")} AS created_at, ${ms("e.finished_at")} AS finished_at, ${ms("e.not_before")} AS not_before, ${ms("e.started_at")} AS started_at,
 (t.run_id IS NOT NULL)::int AS tasks, ${ms("t.visible_at")} AS visible_at, coalesce(t.suspect, false) AS suspect, x.messages, w.state AS worker_state
FROM executions e LEFT JOIN tasks t ON t.run_id = e.run_id LEFT JOIN workers w ON w.id = e.worker_id LEFT JOIN
 (SELECT run_id, json_agg(json_build_object('type', type, 'data', data) ORDER BY ordinal)::text AS messages FROM inbox GROUP BY run_id) x ON x.run_id = e.run_id
WHERE NOT (e.state IN (${terminalStates.map((state) => `'${state}'`).join(", ")}) AND e.xmin::text::bigint <= $1::bigint
 AND t.run_id IS NULL AND x.run_id IS NULL AND e.worker_id IS NULL)`;
const addedSql = `SELECT h.xmin::text::float8 AS transaction, h.run_id, h.seq, h.epoch, ${ms("h.at")} AS at, h.type, h.data
FROM history h WHERE h.xmin::text::bigint > $1::bigint ORDER BY h.run_id, h.seq`;
const chunksSql = `SELECT execution_id, stream, chunk_offset, run_id, epoch, step_position, attempt, data FROM stream_chunks
ORDER BY execution_id, stream, chunk_offset`;

const rowsOf = (sql: string): string => `(SELECT coalesce(json_agg(r), '[]') FROM (${sql}) r)`;
const snapshotSql = `SELECT json_build_object('runIds', (SELECT coalesce(json_agg(run_id ORDER BY run_id), '[]') FROM executions), 'executions', ${rowsOf(executionsSql)}, 'added', ${rowsOf(addedSql)}, 'chunks', ${rowsOf(chunksSql)})::text AS snapshot`;

/** In one statement: reading it after every transaction is a good part of a simulation's time. */
export async function readSnapshot(database: SimDatabase, afterTransaction: number): Promise<Snapshot> {
  return JSON.parse(await database.readText(snapshotSql, [String(afterTransaction)])) as Snapshot;
}
