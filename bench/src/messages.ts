import type { Counts } from "./counters.ts";
import type { EngineOptions, System } from "./engine.ts";

/** What the processes of the benchmark say to each other over Node's IPC channel. */

/** First argument of `worker-process.ts`, as JSON. */
export interface WorkerArguments {
  readonly system: System;
  readonly options: EngineOptions;
  /** Hold every second step of `recoverable` for ever. */
  readonly hold: boolean;
}

export type WorkerRequest = "listen" | "unlisten" | "usage" | "collect" | "close";

export interface Memory {
  readonly resident: number;
  /** JavaScript objects and what buffers hold outside the heap. */
  readonly heap: number;
}

export interface WorkerAnswer {
  /** What `Engine.listen` gave; 0 for other requests. */
  readonly idleMs: number;
  readonly cpuMs: number;
  readonly peakMemory: number;
  /** Now, in bytes; after "collect", without garbage. */
  readonly memory: Memory;
}

export type WorkerMessage =
  | { readonly type: "ready" }
  | { readonly type: "counts"; readonly counts: Counts }
  | { readonly type: "done"; readonly request: WorkerRequest; readonly answer: WorkerAnswer }
  | { readonly type: "failed"; readonly message: string };

/** First argument of `case-process.ts`, as JSON. */
export interface CaseArguments {
  /** A case's id, or null to measure the raw limit of the machine. */
  readonly caseId: string | null;
  readonly system: System;
  readonly url: string;
  readonly quick: boolean;
}

/** By metric key. */
export type Values = Readonly<Record<string, number>>;

export type CaseMessage = { readonly type: "result"; readonly values: Values } | { readonly type: "failed"; readonly message: string };
