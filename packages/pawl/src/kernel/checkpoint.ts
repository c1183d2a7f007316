import { remoteStepName } from "../definition/remote-step.ts";
import { familyName, isMadeChildId } from "./continuation.ts";
import type { ChildCompleted, ChildFailed, ChildStarted, Event, ExecutionStarted, RecordedEvent, StepFailed, WaitTimedOut } from "./event.ts";
import { searchValuesOf, type SearchValuesOfRun } from "./search-values.ts";

/** A point in the history to which an execution can be rolled back, or from which it can be forked. */
export interface CheckpointView {
  /** Of the event that recorded the step's result. */
  readonly seq: number;
  /** Of the step's call, from 1. */
  readonly position: number;
  readonly step: string;
  readonly at: number;
}

/** One for every completed step, in order, wherever it ran. */
export function checkpointsOf(history: readonly RecordedEvent[]): readonly CheckpointView[] {
  const remote = new Map<number, string>();
  return history.flatMap(({ seq, at, event }) => {
    if (event.type === "StepCompleted") return [{ seq, at, position: event.position, step: event.name }];
    if (event.type === "ChildStarted") {
      const name = remoteStepName(event.workflow);
      if (name !== undefined) remote.set(event.position, name);
    }
    const step = event.type === "ChildCompleted" ? remote.get(event.position) : undefined;
    return step === undefined ? [] : [{ seq, at, position: (event as ChildCompleted).position, step }];
  });
}

/** What the next run keeps of a history: everything up to `toSeq` but the events `without`. */
export interface Prefix {
  readonly toSeq: number;
  readonly without: readonly number[];
}

export interface StartedChild {
  readonly position: number;
  /** Of the event that recorded its start. */
  readonly seq: number;
  readonly executionId: string;
  readonly parentClosePolicy: ChildStarted["parentClosePolicy"];
  readonly ended: boolean;
}

/** What stands in a prefix that the one who goes on from it has to know. */
export interface PrefixView {
  readonly events: readonly RecordedEvent[];
  /** Children that it has started. */
  readonly children: readonly StartedChild[];
  readonly searchValues: SearchValuesOfRun;
}

export function viewPrefix(history: readonly RecordedEvent[], { toSeq, without }: Prefix): PrefixView {
  const left = new Set(without);
  const events = history.filter(({ seq }) => seq <= toSeq && !left.has(seq));
  const children = new Map<number, StartedChild>();
  for (const { seq, event } of events) {
    if (event.type === "ChildStarted") {
      const { position, executionId, parentClosePolicy } = event;
      children.set(position, { position, seq, executionId, parentClosePolicy, ended: false });
    } else if (event.type === "ChildCompleted" || event.type === "ChildFailed") {
      const child = children.get(event.position);
      if (child !== undefined) children.set(event.position, { ...child, ended: true });
    }
  }
  return { events, children: [...children.values()], searchValues: searchValuesOf(events.map(({ event }) => event)) };
}

/**
 * Children in a prefix of a run that has ended which its end took along: had not ended by then, were not to outlive it, and have an id
 * that a new one would not have too. They begin anew, unless it turns out that they have completed.
 */
export function lostChildren(history: readonly RecordedEvent[], executionId: string, { children }: PrefixView): readonly StartedChild[] {
  const family = familyName(executionId, (history[0]!.event as ExecutionStarted).continuedFrom);
  return children.filter((child) => !child.ended && child.parentClosePolicy !== "abandon" && isMadeChildId(child.executionId, family, child.position));
}

/**
 * The prefix from which a failed or timed-out run is tried again: without the failure of a call that ended it, and without all that the
 * code called once it had got that. Calls that had failed by then or did so later begin anew, with all their attempts; what others gave
 * is kept, also if it came later. If no call failed, the code itself did: then everything is kept but the end.
 */
export function retryPrefix(history: readonly RecordedEvent[]): Prefix {
  const { seq, event: end } = history.at(-1)!;
  if (end.type !== "ExecutionFailed" || end.causeSeq === undefined || end.causeCalls === undefined) return { toSeq: seq - 1, without: [] };
  const { causeSeq, causeCalls } = end;
  const failed = new Set(history.flatMap((recorded) => (recorded.seq >= causeSeq && isFailure(recorded.event) ? [recorded.event.position] : [])));
  const isKept = (event: Event): boolean => ("position" in event ? event.position <= causeCalls && !failed.has(event.position) : event.type === "PatchMarked");
  // Messages behind that come again.
  const toSeq = history.findLast((recorded) => recorded.seq < causeSeq || isKept(recorded.event))!.seq;
  const isLeftOut = (recorded: RecordedEvent): boolean => {
    const { event } = recorded;
    return "position" in event ? !isKept(event) : event.type === "CancelRequested" && recorded.seq > causeSeq;
  };
  return { toSeq, without: history.filter((recorded) => recorded.seq <= toSeq && isLeftOut(recorded)).map((recorded) => recorded.seq) };
}

function isFailure(event: Event): event is StepFailed | ChildFailed | WaitTimedOut {
  return event.type === "StepFailed" || event.type === "ChildFailed" || event.type === "WaitTimedOut";
}
