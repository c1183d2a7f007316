import type { ExecutionState } from "../kernel/execution-state.ts";
import type { StoredChunk, StreamPage, StreamRequest, StreamStore, WholeChunk } from "../store/streams.ts";
import type { TransactionGateway } from "./gateway.ts";
import { readStream, readStreams, streamEnd, type ChunkRow, type WholeChunkRow } from "./statements/read-stream.ts";

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

  async length(namespace: string, executionId: string, stream: string): Promise<number> {
    const [last] = await this.#gateway.run(streamEnd(namespace, executionId, stream));
    return last === undefined ? 0 : last.chunk_offset + 1;
  }

  async readAll(...[namespace, executionId, after, limit]: Parameters<StreamStore["readAll"]>): Promise<readonly WholeChunk[]> {
    return (await this.#gateway.run(readStreams(namespace, executionId, after, limit))).map(wholeChunk);
  }
}

function chunk(row: ChunkRow): StoredChunk {
  return { offset: row.chunk_offset!, runId: row.run_id!, at: row.at!, step: stepOf(row), data: row.data };
}

function wholeChunk(row: WholeChunkRow): WholeChunk {
  return { stream: row.stream, offset: row.chunk_offset, runId: row.run_id, epoch: row.epoch, at: row.at, step: stepOf(row), data: row.data };
}

function stepOf(row: Pick<ChunkRow, "step_position" | "attempt">): StoredChunk["step"] {
  return row.step_position === null ? undefined : { position: row.step_position, attempt: row.attempt! };
}
