import type { Failure } from "../base/failure.ts";
import type { StoredAttributes } from "../base/search-values.ts";
import type { Event, RecordedEvent } from "./event.ts";
import { searchValuesOf } from "./search-values.ts";

/** A point in the history to which an execution can be rolled back, or from which it can be forked. */
export interface CheckpointView {
  /** Of the event that recorded the step's result. */
  readonly seq: number;
  /** Of the step's call, from 1. */
  readonly position: number;
  readonly step: string;
  readonly at: number;
}

/** One for every completed step, in order. */
export function checkpointsOf(history: readonly RecordedEvent[]): readonly CheckpointView[] {
  return history.flatMap(({ seq, at, event }) => (event.type === "StepCompleted" ? [{ seq, at, position: event.position, step: event.name }] : []));
}

/** What the next run keeps of a history: everything up to `toSeq` but the events `without`. */
export interface Prefix {
  readonly toSeq: number;
  readonly without: readonly number[];
}

/** What stands in a prefix that the one who goes on from it has to know. */
export interface PrefixView {
  readonly events: readonly RecordedEvent[];
  /** Children that it has started. */
  readonly children: readonly { readonly position: number; readonly executionId: string; readonly ended: boolean }[];
  readonly attributes: StoredAttributes | undefined;
}

export function viewPrefix(history: readonly RecordedEvent[], { toSeq, without }: Prefix): PrefixView {
  const left = new Set(without);
  const events = history.filter(({ seq }) => seq <= toSeq && !left.has(seq));
  const children = new Map<number, { position: number; executionId: string; ended: boolean }>();
  for (const { event } of events) {
    if (event.type === "ChildStarted") children.set(event.position, { position: event.position, executionId: event.executionId, ended: false });
    else if (event.type === "ChildCompleted" || event.type === "ChildFailed") {
      const child = children.get(event.position);
      if (child !== undefined) child.ended = true;
    }
  }
  return { events, children: [...children.values()], attributes: searchValuesOf(events.map(({ event }) => event)).attributes };
}

/**
 * The prefix from which a failed or timed-out run is tried again: up to the failure that ended it, without what was recorded
 * about the call that failed, so that it begins anew with all its attempts. If no call failed, the code itself did: then
 * everything is kept but the end.
 */
export function retryPrefix(history: readonly RecordedEvent[]): Prefix {
  const end = history.at(-1)!;
  const before = end.seq - 1;
  if (end.event.type !== "ExecutionFailed") return { toSeq: before, without: [] };
  const causes = chainOf(end.event.failure);
  const failed =
    history.findLast(({ event }) => {
      const failure = failureOf(event);
      return failure !== undefined && causes.some((cause) => cause.name === failure.name && cause.message === failure.message);
    }) ?? lastOutcome(history);
  if (failed === undefined) return { toSeq: before, without: [] };
  const { position } = failed.event as Event & { readonly position: number };
  const toSeq = failed.seq - 1;
  const isAbout = ({ event }: RecordedEvent): boolean => "position" in event && event.position === position;
  return { toSeq, without: history.filter((recorded) => recorded.seq <= toSeq && isAbout(recorded)).map(({ seq }) => seq) };
}

/** The outcome of the last call, if that is a failure. */
function lastOutcome(history: readonly RecordedEvent[]): RecordedEvent | undefined {
  const last = history.findLast(
    ({ event }) => event.type === "StepCompleted" || event.type === "ChildCompleted" || event.type === "TimerFired" || isFailure(event),
  );
  return last !== undefined && isFailure(last.event) ? last : undefined;
}

function isFailure({ type }: Event): boolean {
  return type === "StepFailed" || type === "ChildFailed" || type === "WaitTimedOut";
}

function failureOf(event: Event): Failure | undefined {
  return event.type === "StepFailed" || event.type === "ChildFailed" ? event.failure : undefined;
}

function chainOf(failure: Failure): readonly Failure[] {
  return failure.cause === undefined ? [failure] : [failure, ...chainOf(failure.cause)];
}
