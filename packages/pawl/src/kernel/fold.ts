import type { Failure } from "../base/failure.ts";
import { readAttributes, type Attributes, type Labels } from "../base/search-values.ts";
import { remoteStepName } from "../definition/remote-step.ts";
import type { Event } from "./event.ts";
import type { ExecutionState } from "./execution-state.ts";
import { readPayload } from "./payload.ts";
import { endsRun } from "./run-end.ts";
import { noSearchValues, searchValuesAfter } from "./search-values.ts";

/** A step as the history shows it. `cancelled`: its run ended before it did. */
export interface StepView {
  readonly position: number;
  readonly name: string;
  readonly state: "running" | "completed" | "failed" | "cancelled";
  readonly attempt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** The read model of one run. `state` is `running` for every history without an end: claims are not part of what happened. */
export interface ExecutionView {
  readonly state: Extract<
    ExecutionState,
    "running" | "paused" | "completed" | "failed" | "cancelled" | "terminated" | "timed_out" | "continued_as_new" | "quarantined"
  >;
  readonly lastSeq: number;
  readonly finishedAt: number | undefined;
  readonly result: unknown;
  readonly failure: Failure | undefined;
  readonly reason: string | undefined;
  readonly labels: Labels;
  readonly attributes: Attributes;
  readonly steps: readonly StepView[];
}

/** An event as the store or `handle.history()` gives it. */
export interface FoldableEvent {
  readonly seq: number;
  readonly at: number | Date;
  readonly event: Event;
}

/** Folds a history, in `seq` order from 1, into what the execution's row must say. Pure; a property test compares the two. */
export function fold(history: Iterable<FoldableEvent>): ExecutionView {
  let state: ExecutionView["state"] = "running";
  let lastSeq = 0;
  let finishedAt: number | undefined;
  let result: unknown;
  let failure: Failure | undefined;
  let reason: string | undefined;
  let found = noSearchValues;
  const steps = new Map<number, StepView>();
  for (const { seq, at: time, event } of history) {
    const at = Number(time);
    lastSeq = seq;
    // Whatever comes after a pause shows that it is over.
    if (state === "paused") {
      state = "running";
      reason = undefined;
    }
    found = searchValuesAfter(found, event);
    switch (event.type) {
      case "ChildStarted": {
        const name = remoteStepName(event.workflow);
        if (name !== undefined) steps.set(event.position, openStep({ position: event.position, name, attempt: 1 }, at));
        break;
      }
      case "ChildCompleted":
      case "ChildFailed": {
        const step = steps.get(event.position);
        if (step !== undefined) steps.set(event.position, { ...step, state: event.type === "ChildCompleted" ? "completed" : "failed", endedAt: at });
        break;
      }
      case "StepStarted":
        steps.set(event.position, openStep(event, at));
        break;
      case "StepAttemptFailed":
        steps.set(event.position, openStep(event, steps.get(event.position)?.startedAt));
        break;
      case "StepCompleted":
      case "StepFailed":
        steps.set(event.position, {
          position: event.position,
          name: event.name,
          attempt: event.attempt,
          state: event.type === "StepCompleted" ? "completed" : "failed",
          startedAt: steps.get(event.position)?.startedAt,
          endedAt: at,
        });
        break;
      case "ExecutionPaused":
        state = "paused";
        reason = event.reason;
        break;
      case "ExecutionResumed":
        state = "running";
        finishedAt = undefined;
        failure = undefined;
        break;
      case "ExecutionCompleted":
        state = "completed";
        finishedAt = at;
        result = readPayload(event.result);
        break;
      case "ExecutionFailed":
        state = "failed";
        finishedAt = at;
        failure = event.failure;
        break;
      case "ExecutionCancelled":
      case "ExecutionTerminated":
        state = event.type === "ExecutionCancelled" ? "cancelled" : "terminated";
        finishedAt = at;
        reason = event.reason;
        break;
      case "ExecutionTimedOut":
        state = "timed_out";
        finishedAt = at;
        break;
      case "ExecutionContinuedAsNew":
        state = "continued_as_new";
        finishedAt = at;
        break;
      case "ExecutionQuarantined":
        state = "quarantined";
        failure = event.failure;
        break;
      default:
    }
    if (endsRun(event.type)) cancelOpen(steps, at);
  }
  const { labels = {}, attributes } = found;
  return { state, lastSeq, finishedAt, result, failure, reason, labels, attributes: readAttributes(attributes), steps: [...steps.values()] };
}

function openStep({ position, name, attempt }: Pick<StepView, "position" | "name" | "attempt">, startedAt: number | undefined): StepView {
  return { position, name, state: "running", attempt, startedAt, endedAt: undefined };
}

/** What has no result when its run ends gets none any more. */
function cancelOpen(steps: Map<number, StepView>, at: number): void {
  for (const [position, step] of steps) if (step.state === "running") steps.set(position, { ...step, state: "cancelled", endedAt: at });
}
