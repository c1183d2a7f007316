import type { ExecutionState } from "../kernel/execution-state.ts";

/** A chunk on its way into a stream, at the offset that its owner has given it. */
export interface NewChunk {
  readonly stream: string;
  readonly offset: number;
  /** The step that wrote it, and in which attempt; undefined: workflow code did. */
  readonly step: { readonly position: number; readonly attempt: number } | undefined;
  /** Encoded; null closes the stream. */
  readonly data: string | null;
}

/** A chunk as it stands in a stream. `at` is the database's time in milliseconds since 1970. */
export interface StoredChunk extends Omit<NewChunk, "stream"> {
  readonly runId: string;
  readonly at: number;
}

/** A chunk with all that is recorded of it. */
export interface WholeChunk extends NewChunk {
  readonly runId: string;
  /** The number of the claim under which it was written. */
  readonly epoch: number;
  readonly at: number;
}

export interface StreamRequest {
  readonly namespace: string;
  readonly executionId: string;
  readonly stream: string;
  readonly from: number;
  readonly limit: number;
}

/** Chunks in their order, and the execution as it was at the same moment. */
export interface StreamPage {
  readonly runId: string;
  readonly state: ExecutionState;
  readonly chunks: readonly StoredChunk[];
}

/** Reads what executions have written to their streams. Writing is part of a commit. */
export interface StreamStore {
  /** Undefined: there is no such execution. */
  read(request: StreamRequest): Promise<StreamPage | undefined>;
  /** How many chunks a stream has, marks of its end included; the next one has this offset. */
  length(namespace: string, executionId: string, stream: string): Promise<number>;
  /** Chunks of all streams of an execution, in the order of the streams' names and of their offsets, behind the one given. */
  readAll(
    namespace: string,
    executionId: string,
    after: { readonly stream: string; readonly offset: number } | undefined,
    limit: number,
  ): Promise<readonly WholeChunk[]>;
}
