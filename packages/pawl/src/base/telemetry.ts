/** What the trace of an execution follows from; it is the same in all its runs. */
export interface TraceOrigin {
  readonly namespace: string;
  readonly executionId: string;
  /** W3C trace context of what started it; undefined: nobody traced that, its trace is derived from its id. */
  readonly traceparent: string | undefined;
}

/** An execution, as far as traces name it. */
export interface TracedExecution extends TraceOrigin {
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
}

/** What an execution that is being started comes from. */
export interface StartedFrom {
  /** It belongs to the trace of this one. */
  readonly parent?: TraceOrigin;
  /** It was forked from this one, whose trace is linked. */
  readonly forkOf?: TraceOrigin;
}

/** One try of a step. */
export interface TracedAttempt extends TracedExecution {
  readonly step: string;
  readonly attempt: number;
}

/** A signal in the history of its receiver that was sent within a span. */
export interface TracedSignal {
  readonly name: string;
  /** W3C trace context of its sender. */
  readonly sender: string;
  /** When it was recorded, milliseconds since 1970. */
  readonly at: number;
}

/** The span of an attempt that is running. */
export interface AttemptSpan {
  /** Calls the step's function inside the span, so that what it does belongs to it. */
  run<Result>(fn: () => Result): Result;
  /** @param error what it failed with; undefined: it is done */
  end(error: unknown): void;
}

/** What a process measures. Durations in milliseconds. */
export type Measure = "commit.executions" | "commit.duration" | "claim.executions" | "claim.duration" | "lease.lost" | "write.rejected";

/** What only the database knows. Each read may cost as much as counting every execution. */
export interface DatabaseGauges {
  executions(): Promise<readonly { readonly state: string; readonly count: number }[]>;
  /** Tasks that are due and not claimed, and for how long the oldest is, in milliseconds. */
  backlog(): Promise<readonly { readonly taskQueue: string; readonly definition: string; readonly tasks: number; readonly ageMs: number }[]>;
  stranded(): Promise<number>;
}

/** Where Pawl tells what it does. Without one, nothing is measured. `pawl/opentelemetry` makes one. */
export interface Telemetry {
  /** An execution is being started; gives the trace context that it and all it does belong to, if anybody traces. */
  started(execution: Omit<TracedExecution, "traceparent">, from?: StartedFrom): string | undefined;
  attempt(attempt: TracedAttempt): AttemptSpan;
  /** The trace context of whoever sends a signal now, if that is within a span. */
  sending(): string | undefined;
  received(execution: TracedExecution, signal: TracedSignal): void;
  /** A run has ended here. @param startedAt milliseconds since 1970 */
  ended(execution: TracedExecution, run: { readonly state: string; readonly startedAt: number; readonly endedAt: number }): void;
  measured(measure: Measure, value: number): void;
  /** Gives a function that ends it. */
  observe(gauges: DatabaseGauges): () => void;
}
