import type { StoredChanges } from "../base/search-values.ts";
import type { ChildOptions, StepFunction } from "../definition/context.ts";
import type { ResolvedRetryPolicy } from "../definition/retry-policy.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";

/** A durable call that workflow code has made, with what the history says about it so far. */
export type Call = StepCall | TimerCall | ChildCall | AttributesCall;

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
  /** The highest attempt the history knows, announced or failed. */
  lastAttempt: number;
  /** Attempts that failed; those that died with their worker do not count. */
  failures: number;
  /** Not before this time (database clock, milliseconds). */
  retryAt: number | undefined;
  lastHeartbeat: unknown;
}

export interface TimerCall extends CallBase {
  readonly kind: "timer";
  readonly durationMs: number;
  /** Due at (database clock, milliseconds); unknown until the start is recorded. */
  fireAt: number | undefined;
}

export interface ChildCall extends CallBase {
  readonly kind: "child";
  readonly workflow: AnyWorkflow;
  /** Encoded. */
  readonly input: string;
  readonly options: ChildOptions;
  executionId: string;
  /** Set when the start is recorded. */
  runId: string | undefined;
}

export interface AttributesCall extends CallBase {
  readonly kind: "attributes";
  readonly changes: StoredChanges;
}

/** As `NondeterminismDetected` names it. */
export function describeCall(call: Call): string {
  switch (call.kind) {
    case "step":
      return `step "${call.name}"`;
    case "timer":
      return `sleep(${call.durationMs} ms)`;
    case "child":
      return `child "${call.workflow.name}"`;
    case "attributes":
      return "setAttributes";
  }
}
