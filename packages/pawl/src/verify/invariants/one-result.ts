import { isCallResult, isCallStart, type CallEvent } from "../../kernel/call-events.ts";
import type { Invariant } from "../invariant.ts";
import { remoteStepName } from "../../definition/remote-step.ts";
import { about, resumedAt, type RunView } from "../rows.ts";

/** What a history has said about one durable call so far. */
interface CallSoFar {
  readonly call: string;
  /** The name of the step, if it runs on another queue: it fails as a step when nobody has begun it in time. */
  readonly remote: string | undefined;
  result: string | undefined;
  started: boolean;
  /** The highest attempt known, and whether it has an outcome. */
  attempt: number;
  attemptEnded: boolean;
}

/**
 * I3. A durable call has one result, recorded once: a position is one call, started once, and settled once; attempts count
 * upwards, each with one outcome, and none comes after the result. A patch is marked once.
 *
 * Not judged: the late end of a child in a run that was resumed. Its call may stand in the part that the run did not keep.
 */
export const oneResult: Invariant = {
  id: "I3",
  title: "A recorded result is written once",
  check: (tally) => ({
    run(view) {
      for (const detail of problemsOf(view, () => tally.looked())) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemsOf({ events }: RunView, looked: () => void): string[] {
  const problems: string[] = [];
  const calls = new Map<number, CallSoFar>();
  const resumed = resumedAt(events).seq;
  const patches = new Set<string>();
  for (const { seq, event } of events) {
    if (event?.type === "PatchMarked") {
      if (patches.has(event.patchId)) problems.push(`event ${seq}: patch "${event.patchId}" was marked already`);
      patches.add(event.patchId);
    }
    if (event === undefined || !("position" in event)) continue;
    const known = calls.get(event.position);
    const call = known !== undefined && "name" in event && known.remote === event.name ? known.call : describe(event);
    if (known === undefined) {
      if (isChildResult(event) && resumed > 0 && seq > resumed) continue;
      const remote = event.type === "ChildStarted" ? remoteStepName(event.workflow) : undefined;
      calls.set(event.position, next({ call, remote, result: undefined, started: false, attempt: 0, attemptEnded: false }, event));
    } else {
      const problem = problemOf(known, call, event);
      if (problem !== undefined) problems.push(`event ${seq}: ${problem}`);
      next(known, event);
    }
    if (calls.get(event.position)?.result === event.type) looked();
  }
  return problems;
}

function problemOf(known: CallSoFar, call: string, event: CallEvent): string | undefined {
  const where = `call ${event.position}`;
  // The results of children do not name the child.
  if (call !== known.call && !known.call.startsWith(`${call} `) && !call.startsWith(`${known.call} `)) return `${where} is ${known.call} and ${call}`;
  if (isCallResult(event)) {
    if (known.result !== undefined) return `${where} has the results ${known.result} and ${event.type}`;
  } else if (isCallStart(event)) {
    return known.started ? `${where} has ${event.type} twice` : undefined;
  } else if (known.result !== undefined) return `${where} has ${event.type} after its result`;
  if (!("attempt" in event)) return undefined;
  if (event.attempt < known.attempt) return `${where} has attempt ${event.attempt} after attempt ${known.attempt}`;
  const isRepeated = event.attempt === known.attempt && (known.attemptEnded || event.type === "StepStarted");
  return isRepeated ? `${where} has ${event.type} for attempt ${event.attempt} again` : undefined;
}

function next(known: CallSoFar, event: CallEvent): CallSoFar {
  if (isCallResult(event)) known.result ??= event.type;
  if (isCallStart(event)) known.started = true;
  if ("attempt" in event && event.attempt >= known.attempt) {
    known.attempt = event.attempt;
    known.attemptEnded = event.type !== "StepStarted" && event.type !== "StepHeartbeat";
  }
  return known;
}

function describe(event: CallEvent): string {
  switch (event.type) {
    case "ChildStarted":
      return `child ${event.executionId}`;
    case "ChildCompleted":
    case "ChildFailed":
      return "child";
    case "TimerStarted":
    case "TimerFired":
      return "timer";
    case "WaitStarted":
    case "WaitTimedOut":
      return "wait";
    case "ValueSet":
      return `set "${event.key}"`;
    case "LabelsSet":
      return "setLabels";
    case "AttributesSet":
      return "setAttributes";
    case "StreamWritten":
      return `stream "${event.stream}"`;
    default:
      return `step "${event.name}"`;
  }
}

function isChildResult(event: CallEvent): boolean {
  return event.type === "ChildCompleted" || event.type === "ChildFailed";
}
