import type { Event } from "./event.ts";

const types: readonly Event["type"][] = [
  "StepStarted",
  "StepHeartbeat",
  "StepCompleted",
  "StepAttemptFailed",
  "StepFailed",
  "TimerStarted",
  "TimerFired",
  "ChildStarted",
  "WaitStarted",
  "WaitTimedOut",
  "ValueSet",
  "LabelsSet",
  "AttributesSet",
  "StreamWritten",
  "UpdateCompleted",
  "UpdateRejected",
  "ExecutionCompleted",
  "ExecutionFailed",
  "ExecutionContinuedAsNew",
];
const written: ReadonlySet<string> = new Set(types);

/** Whether an event shows that the code of its run ran: what is paused, and what has no time left, writes none of these. */
export function isWrittenByCode(type: string): boolean {
  return written.has(type);
}
