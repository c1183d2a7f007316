import type { Event } from "./event.ts";

/** An event about one durable call. */
export type CallEvent = Extract<Event, { readonly position: number }>;

const resultTypes = [
  "StepCompleted",
  "StepFailed",
  "TimerFired",
  "WaitTimedOut",
  "ValueSet",
  "LabelsSet",
  "AttributesSet",
  "StreamWritten",
  "ChildCompleted",
  "ChildFailed",
] as const;

type CallResult = Extract<Event, { readonly type: (typeof resultTypes)[number] }>;

const results: ReadonlySet<string> = new Set(resultTypes);

/** Whether it is what the call waited for: a call has one, and nothing comes after it. */
export function isCallResult(event: Event): event is CallResult {
  return results.has(event.type);
}

/** Whether it says that a call has begun which goes on without its code; steps announce attempts instead. */
export function isCallStart(event: Event): event is Extract<Event, { readonly type: "TimerStarted" | "ChildStarted" | "WaitStarted" }> {
  return event.type === "TimerStarted" || event.type === "ChildStarted" || event.type === "WaitStarted";
}
