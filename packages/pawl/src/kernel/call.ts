import type { Failure } from "../base/failure.ts";
import type { Race } from "../definition/ambient.ts";
import type { ChildOptions, StepContext, StepFunction } from "../definition/context.ts";
import type { ResolvedRetryPolicy } from "../definition/retry-policy.ts";
import type { IsolationLevel, SqlClient } from "../definition/transaction.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { AttributesSet, LabelsSet } from "./event.ts";

/** A durable call that workflow code has made, with what the history says about it so far. */
export type Call = StepCall | TimerCall | ChildCall | WaitCall | ValueCall | SearchValuesCall | StreamCall;

interface CallBase {
  /** 1 for the first durable call of a run, in the order the code makes them. */
  readonly position: number;
  /** Settled calls ignore whatever is still recorded about them. */
  settled: boolean;
  /** Made through `ctx.shield`: a cancel request leaves it alone. */
  readonly shielded: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface StepCall extends CallBase {
  readonly kind: "step";
  readonly name: string;
  readonly fn: StepFunction<unknown>;
  readonly retry: ResolvedRetryPolicy;
  readonly timeoutMs: number | undefined;
  readonly heartbeatTimeoutMs: number | undefined;
  readonly totalTimeoutMs: number | undefined;
  /** When the first attempt started (database clock, milliseconds), as far as that is known. */
  startedAt: number | undefined;
  /** Set for `ctx.transaction`. */
  readonly transaction: TransactionCall | undefined;
  /** The highest attempt the history knows, announced or failed. */
  lastAttempt: number;
  /** Attempts that failed; those that died with their worker do not count. */
  failures: number;
  /** Not before this time (database clock, milliseconds). */
  retryAt: number | undefined;
  lastHeartbeat: unknown;
  /** What the latest attempt failed with. */
  lastFailure: Failure | undefined;
}

/** What makes a step a transaction; the step's own function is not called. */
export interface TransactionCall {
  readonly isolation: IsolationLevel;
  readonly run: (client: SqlClient, step: StepContext) => Promise<unknown>;
}

export interface TimerCall extends CallBase {
  readonly kind: "timer";
  readonly durationMs: number;
  /** Until when (database clock, milliseconds), if the code said that: where its start is recorded late, less is left. */
  readonly untilMs: number | undefined;
  /** Due at (database clock, milliseconds); unknown until the start is recorded. */
  fireAt: number | undefined;
}

export interface ChildCall extends CallBase {
  readonly kind: "child";
  readonly workflow: AnyWorkflow;
  /** Encoded. */
  readonly input: string;
  readonly options: ChildOptions;
  /** Set where the child is a step that runs on another queue. */
  readonly remote: RemoteStep | undefined;
  /** No worker having begun it by then (database clock, milliseconds), it fails; undefined once it is known to have begun. */
  startBy: number | undefined;
  /** How long the child may take; undefined: as long as its parent. */
  readonly executionTimeoutMs: number | undefined;
  executionId: string;
  /** Set when the start is recorded. */
  runId: string | undefined;
}

/** A step that runs on another queue. */
export interface RemoteStep {
  readonly name: string;
  readonly taskQueue: string;
  readonly scheduleToStartMs: number | undefined;
}

/** For a signal, or for the state to change. */
export interface WaitCall extends CallBase {
  readonly kind: "wait";
  /** The name of the signal; undefined: it waits for the state. */
  readonly signal: string | undefined;
  readonly isTrue: (() => boolean) | undefined;
  /** The race that it was called in: once that is over, it takes no signal. */
  readonly race: Race | undefined;
  readonly timeoutMs: number | undefined;
  /** Whether its start is recorded. */
  started: boolean;
  /** Given up at (database clock, milliseconds); unknown until the start is recorded, or without a timeout. */
  fireAt: number | undefined;
}

export interface ValueCall extends CallBase {
  readonly kind: "value";
  readonly key: string;
  /** Encoded. */
  readonly value: string;
}

/** Changes labels or attributes of the execution. */
export interface SearchValuesCall extends CallBase {
  readonly kind: "labels" | "attributes";
  readonly event: LabelsSet | AttributesSet;
}

/** As code calls them. */
export const setterOf: Readonly<Record<SearchValuesCall["kind"], string>> = { labels: "setLabels", attributes: "setAttributes" };

export interface StreamCall extends CallBase {
  readonly kind: "stream";
  readonly stream: string;
  /** Encoded; null closes the stream. */
  readonly data: string | null;
}

/** As `NondeterminismDetected` names it. */
export function describeCall(call: Call): string {
  switch (call.kind) {
    case "step":
      return `step "${call.name}"`;
    case "timer":
      return `sleep(${call.durationMs} ms)`;
    case "child":
      return call.remote === undefined ? `child "${call.workflow.name}"` : `step "${call.remote.name}" on another queue`;
    case "wait":
      return call.signal === undefined ? "a wait for the state" : `a wait for signal "${call.signal}"`;
    case "value":
      return `set("${call.key}")`;
    case "labels":
    case "attributes":
      return setterOf[call.kind];
    case "stream":
      return `${call.data === null ? "close of" : "write to"} stream "${call.stream}"`;
  }
}
