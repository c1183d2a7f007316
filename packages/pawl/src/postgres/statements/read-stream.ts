import type { StreamRequest } from "../../store/streams.ts";
import type { Transaction } from "../transaction.ts";

/** The execution, with one chunk; all fields of the chunk are null where there is none. */
export interface ChunkRow {
  readonly current_run_id: string;
  readonly state: string;
  readonly chunk_offset: number | null;
  readonly run_id: string | null;
  readonly at: number | null;
  readonly step_position: number | null;
  readonly attempt: number | null;
  /** Null for the mark that closes the stream. */
  readonly data: string | null;
}

/**
 * read-stream: chunks of one stream from an offset on, with the state of their execution at the same moment, so that who reads
 * nothing of an ended one has read all. Locks nothing. Indexes: executions_id, stream_chunks_pkey.
 */
export function readStream({ namespace, executionId, stream, from, limit }: StreamRequest): Transaction<ChunkRow> {
  return {
    name: "read-stream",
    text: `WITH found AS MATERIALIZED (SELECT run_id, state FROM executions WHERE namespace = $1 AND execution_id = $2),
page AS MATERIALIZED (
 SELECT chunk_offset, run_id, at, step_position, attempt, data FROM stream_chunks
 WHERE namespace = $1 AND execution_id = $2 AND stream = $3 AND chunk_offset >= $4::int ORDER BY chunk_offset LIMIT $5::int)
SELECT f.run_id AS current_run_id, f.state, p.chunk_offset, p.run_id, (extract(epoch FROM p.at) * 1000)::float8 AS at, p.step_position, p.attempt, p.data
FROM found f LEFT JOIN page p ON true ORDER BY p.chunk_offset`,
    parameters: [namespace, executionId, stream, from, limit],
  };
}

export interface WholeChunkRow {
  readonly stream: string;
  readonly chunk_offset: number;
  readonly run_id: string;
  readonly epoch: number;
  readonly at: number;
  readonly step_position: number | null;
  readonly attempt: number | null;
  readonly data: string | null;
}

/** read-streams: chunks of all streams of an execution, page by page. Locks nothing. Index: stream_chunks_pkey. */
export function readStreams(
  namespace: string,
  executionId: string,
  after: { readonly stream: string; readonly offset: number } | undefined,
  limit: number,
): Transaction<WholeChunkRow> {
  return {
    name: "read-streams",
    text: `SELECT stream, chunk_offset, run_id, epoch, (extract(epoch FROM at) * 1000)::float8 AS at, step_position, attempt, data FROM stream_chunks
WHERE namespace = $1 AND execution_id = $2 AND (stream, chunk_offset) > ($3, $4::int) ORDER BY stream, chunk_offset LIMIT $5::int`,
    parameters: [namespace, executionId, after?.stream ?? "", after?.offset ?? -1, limit],
  };
}

/** stream-end: the last chunk of a stream. Locks nothing. Index: stream_chunks_pkey, read backwards. */
export function streamEnd(namespace: string, executionId: string, stream: string): Transaction<{ readonly chunk_offset: number }> {
  return {
    name: "stream-end",
    text: `SELECT chunk_offset FROM stream_chunks
WHERE namespace = $1 AND execution_id = $2 AND stream = $3 ORDER BY chunk_offset DESC LIMIT 1`,
    parameters: [namespace, executionId, stream],
  };
}
