import { expect, test } from "vitest";
import type { Event, RecordedEvent } from "../kernel/event.ts";
import { nextDue } from "./next-due.ts";

const none = { text: "1" };
/** One event every millisecond, the first at 1. */
const history = (...events: readonly Event[]): RecordedEvent[] =>
  [{ type: "ExecutionStarted", input: none } as const, ...events].map((event, index) => ({ seq: index + 1, at: index + 1, epoch: 1, event }));
const failed: Event = { type: "StepAttemptFailed", position: 1, name: "a", attempt: 1, failure: { name: "E", message: "no" }, retryInMs: 50 };
const wait = (position: number, timeoutMs?: number): Event => ({
  type: "WaitStarted",
  position,
  signal: "go",
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
});
const go: Event = { type: "SignalReceived", signalId: "s", name: "go", payload: none };
const sleep = (position: number, durationMs: number): Event => ({ type: "TimerStarted", position, durationMs });

test("the first of what is due at a time counts", () => {
  expect(nextDue(history())).toBeUndefined();
  expect(nextDue(history(sleep(1, 100), sleep(2, 50), sleep(3, 200)))).toEqual({ at: 53, what: "its sleep (call 2)" });
  expect(nextDue(history(failed))).toEqual({ at: 52, what: 'the next attempt of step "a" (call 1)' });
  expect(nextDue(history(wait(4, 10)))).toEqual({ at: 12, what: 'the end of its wait for signal "go" (call 4)' });
  const started: RecordedEvent = { seq: 1, at: 1, epoch: 0, event: { type: "ExecutionStarted", timeoutMs: 5, input: none } };
  expect(nextDue([started])).toEqual({ at: 6, what: "its deadline" });
});

test.each<[string, readonly Event[]]>([
  ["a timer that has fired", [sleep(1, 5), { type: "TimerFired", position: 1 }]],
  ["an attempt that has begun", [failed, { type: "StepStarted", position: 1, name: "a", attempt: 2 }]],
  ["a step that failed", [failed, { type: "StepFailed", position: 1, name: "a", attempt: 2, failure: { name: "E", message: "no" } }]],
  ["a wait that was given up", [wait(1, 5), { type: "WaitTimedOut", position: 1 }]],
  ["a wait that a signal has ended", [wait(1, 5), go]],
  ["a wait that was on its way into the history when its signal came", [go, wait(1, 5)]],
  ["a wait for the state, whose end only its code knows", [{ type: "WaitStarted", position: 1, timeoutMs: 5 }]],
  ["what a cancel request has ended, or what was on its way then", [sleep(1, 5), { type: "CancelRequested" }, sleep(2, 5)]],
])("%s does not", (_name, events) => {
  expect(nextDue(history(...events))).toBeUndefined();
});

test("of several waits for one name only the code knows which a signal ends: the first may have lost a race", () => {
  expect(nextDue(history(wait(1), wait(2, 5), go))).toBeUndefined();
  expect(nextDue(history(wait(1), wait(2, 5), go, go))).toBeUndefined();
  expect(nextDue(history(wait(1), go, wait(2, 5)))).toMatchObject({ at: 9 });
});
