import type { ExecutionState } from "../kernel/execution-state.ts";
import type { NewEvent } from "./operations.ts";
import type { WholeChunk } from "./streams.ts";

/** An event of an imported history. Times are in milliseconds since 1970; null: now. */
export interface ImportedEvent extends NewEvent {
  readonly epoch: number;
  readonly at: number | null;
}

export interface ImportedRun {
  readonly runId: string;
  readonly version: string;
  readonly state: ExecutionState;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** Numbered from 1. */
  readonly events: readonly ImportedEvent[];
}

/** A whole execution to be written at once, if its id is free. */
export interface ImportOperation {
  readonly namespace: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly taskQueue: string;
  readonly labels: string | null;
  readonly attributes: string | null;
  readonly key: string | null;
  readonly priority: number;
  /** Oldest first; the last one is the latest. At least one. */
  readonly runs: readonly ImportedRun[];
  /** Of all its streams: each stream's from offset 0 on, in order. */
  readonly chunks: readonly WholeChunk[];
}
