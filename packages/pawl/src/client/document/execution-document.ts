import type { ExecutionState } from "../../kernel/execution-state.ts";

export const documentFormat = "pawl.execution";
export const documentVersion = 1;

/**
 * An execution with everything that happened in it, as a JSON document. Times are in milliseconds since 1970 with
 * fractions, by the clock of the database it comes from.
 */
export interface ExecutionDocument {
  readonly format: typeof documentFormat;
  /** Raised when older versions of Pawl could no longer read it. */
  readonly formatVersion: typeof documentVersion;
  readonly namespace: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly taskQueue: string;
  /** Within its queue, if it has one. */
  readonly key?: string;
  readonly priority?: number;
  /** Oldest first; the last one says how the execution is. */
  readonly runs: readonly RunDocument[];
  /** What it has written to its streams, by their names; nothing if it has none. */
  readonly streams?: Readonly<Record<string, readonly ChunkDocument[]>>;
}

/** A chunk of a stream: the first one has the offset 0. It holds a value, encoded as text if JSON cannot hold it, or closes the stream. */
export interface ChunkDocument {
  readonly runId: string;
  /** The number of the claim it was written under. */
  readonly epoch: number;
  readonly at: number;
  /** The step that wrote it; nothing: workflow code did. */
  readonly step?: { readonly position: number; readonly attempt: number };
  readonly value?: unknown;
  readonly "value#"?: string;
  readonly closed?: true;
}

export interface RunDocument {
  readonly runId: string;
  /** Of the workflow: a run may continue in another one. */
  readonly version: string;
  readonly state: ExecutionState;
  readonly startedAt: number | null;
  /** In order; the first one is number 1. */
  readonly events: readonly EventDocument[];
}

export interface EventDocument {
  readonly type: string;
  readonly at: number;
  /** The number of the claim it was written under. */
  readonly epoch: number;
  /** The event's fields. What JSON or PostgreSQL cannot hold stands under a name that ends in `#`, encoded as text. */
  readonly data: Readonly<Record<string, unknown>>;
}
