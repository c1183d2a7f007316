import { ExecutionCancelled, ExecutionTerminated, ExecutionTimedOut, NondeterminismDetected } from "../base/errors.ts";
import type { Failure } from "../base/failure.ts";
import { encodeValue, toFailure } from "../base/values.ts";
import type { ChildCall } from "../kernel/call.ts";
import type { Continuation } from "../kernel/continuation.ts";
import type { ChildCompleted, ChildFailed, Event, ExecutionTerminated as ExecutionTerminatedEvent } from "../kernel/event.ts";
import type { ExecutionState } from "../kernel/execution-state.ts";
import type { CallFailure } from "../kernel/failures.ts";
import { readPayload } from "../kernel/payload.ts";
import type { CancelState, CodeOutcome } from "../kernel/replay.ts";

/** How an execution ends, in its own history and for its parent. A quarantined one has not ended for its parent. */
export interface EndEvent {
  readonly state: Extract<ExecutionState, "completed" | "failed" | "cancelled" | "terminated" | "timed_out" | "continued_as_new" | "quarantined">;
  readonly event: Event;
  readonly toParent: ((position: number) => ChildCompleted | ChildFailed) | undefined;
  /** What the next run begins with, if the execution goes on as new: then it has not ended for its parent either. */
  readonly next?: NextRun;
}

export interface NextRun extends Continuation {
  readonly runId: string;
}

/** Code that no longer fits its history is held, not failed: it can be resumed once the code is right again. */
export function endEvent(
  outcome: Exclude<CodeOutcome, { readonly outcome: "continued" }>,
  executionId: string,
  cancelRequested: CancelState | undefined,
): EndEvent {
  if (outcome.outcome === "returned") {
    try {
      const result = { text: encodeValue(outcome.value, "result") };
      return {
        state: "completed",
        event: { type: "ExecutionCompleted", result },
        toParent: (position) => ({ type: "ChildCompleted", position, result }),
      };
    } catch (error) {
      return failed(toFailure(error));
    }
  }
  const { error } = outcome;
  if (error instanceof NondeterminismDetected) {
    return { state: "quarantined", event: { type: "ExecutionQuarantined", failure: toFailure(error) }, toParent: undefined };
  }
  if (cancelRequested !== undefined && error instanceof ExecutionCancelled && error.executionId === executionId) {
    const failure = toFailure(error);
    return {
      state: "cancelled",
      event: { type: "ExecutionCancelled", ...(cancelRequested.reason === undefined ? {} : { reason: cancelRequested.reason }) },
      toParent: (position) => ({ type: "ChildFailed", position, state: "cancelled", failure }),
    };
  }
  return failed(toFailure(error), outcome.cause);
}

function failed(failure: Failure, cause?: CallFailure): EndEvent {
  return {
    state: "failed",
    event: { type: "ExecutionFailed", failure, ...(cause === undefined ? {} : { causeSeq: cause.seq, causeCalls: cause.calls }) },
    toParent: (position) => ({ type: "ChildFailed", position, state: "failed", failure }),
  };
}

/** The end of a run that the next one follows. @param workflowVersion of the run that ends */
export function continuedAsNew(continuation: Continuation, runId: string, workflowVersion: string): EndEvent {
  const { version } = continuation;
  return {
    state: "continued_as_new",
    event: { type: "ExecutionContinuedAsNew", nextRunId: runId, ...(version === workflowVersion ? {} : { version }) },
    toParent: undefined,
    next: { ...continuation, runId },
  };
}

/**
 * The end of an execution whose time is over.
 *
 * @param deadline when it was over, milliseconds since 1970
 * @param from when it began to count; not before the deadline: the time was over before the execution was started
 */
export function timedOut(executionId: string, deadline: number, from: number): EndEvent {
  const allowedMs = Math.round(deadline - from);
  const timeoutMs = allowedMs > 0 ? allowedMs : undefined;
  const failure = toFailure(new ExecutionTimedOut(executionId, timeoutMs));
  return {
    state: "timed_out",
    event: { type: "ExecutionTimedOut", ...(timeoutMs === undefined ? {} : { timeoutMs }), deadline },
    toParent: (position) => ({ type: "ChildFailed", position, state: "timed_out", failure, deadline }),
  };
}

/** The end of a child that its parent's end terminates. */
export function terminated(executionId: string, event: ExecutionTerminatedEvent): EndEvent {
  const failure = toFailure(new ExecutionTerminated(executionId, event.reason));
  return { state: "terminated", event, toParent: (position) => ({ type: "ChildFailed", position, state: "terminated", failure }) };
}

/** What a parent is told about a child whose last event is already in its history. */
export function childEnding(last: Event, { position, executionId }: Pick<ChildCall, "position" | "executionId">): ChildCompleted | ChildFailed {
  switch (last.type) {
    case "ExecutionCompleted":
      return { type: "ChildCompleted", position, result: { text: encodeValue(readPayload(last.result), "result") } };
    case "ExecutionFailed":
      return { type: "ChildFailed", position, state: "failed", failure: last.failure };
    case "ExecutionCancelled":
      return { type: "ChildFailed", position, state: "cancelled", failure: toFailure(new ExecutionCancelled(executionId, last.reason)) };
    case "ExecutionTimedOut": {
      const failure = toFailure(new ExecutionTimedOut(executionId, last.timeoutMs));
      return { type: "ChildFailed", position, state: "timed_out", failure, ...(last.deadline === undefined ? {} : { deadline: last.deadline }) };
    }
    default: {
      const reason = last.type === "ExecutionTerminated" ? last.reason : undefined;
      return { type: "ChildFailed", position, state: "terminated", failure: toFailure(new ExecutionTerminated(executionId, reason)) };
    }
  }
}
