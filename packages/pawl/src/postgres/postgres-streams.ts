import type { ExecutionState } from "../kernel/execution-state.ts";
import type { StoredChunk, StreamEnd, StreamPage, StreamRequest, StreamStore } from "../store/streams.ts";
import type { TransactionGateway } from "./gateway.ts";
import { readStream, streamEnd, type ChunkRow } from "./statements/read-stream.ts";

/** Streams on PostgreSQL. */
export class PostgresStreams implements StreamStore {
  readonly #gateway: TransactionGateway;

  constructor(gateway: TransactionGateway) {
    this.#gateway = gateway;
  }

  async read(request: StreamRequest): Promise<StreamPage | undefined> {
    const rows = await this.#gateway.run(readStream(request));
    const [first] = rows;
    if (first === undefined) return undefined;
    return {
      runId: first.current_run_id,
      state: first.state as ExecutionState,
      chunks: rows.flatMap((row) => (row.chunk_offset === null ? [] : [chunk(row)])),
    };
  }

  async end(namespace: string, executionId: string, stream: string): Promise<StreamEnd> {
    const [last] = await this.#gateway.run(streamEnd(namespace, executionId, stream));
    return last === undefined ? { length: 0, closed: false } : { length: last.chunk_offset + 1, closed: last.closed };
  }
}

function chunk(row: ChunkRow): StoredChunk {
  const step = row.step_position === null ? undefined : { position: row.step_position, attempt: row.attempt! };
  return { offset: row.chunk_offset!, runId: row.run_id!, at: row.at!, step, data: row.data };
}
