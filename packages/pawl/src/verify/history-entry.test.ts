import { expect, test } from "vitest";
import type { Event } from "../kernel/event.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import { dataRead, historyEntry } from "./history-entry.ts";

const entry = (event: Event) => {
  const data = encodeEvent(event);
  return historyEntry({ seq: 1, epoch: 1, at: 0, type: event.type, bytes: data.length, head: data.slice(0, dataRead) }).event;
};
const large = `{"a":"\\"position\\":7,${"x".repeat(2 * dataRead)}"}`;
const none = { value: null };

test.each<[Event, object]>([
  [
    { type: "StepCompleted", position: 3, name: 'a "b" }', attempt: 2, result: { text: large } },
    { position: 3, name: 'a "b" }', attempt: 2, result: none },
  ],
  [
    { type: "StepCompleted", position: 3, name: "a", attempt: 2, result: { text: `#${large}` } },
    { position: 3, name: "a", attempt: 2, result: none },
  ],
  [
    { type: "ChildCompleted", position: 4, result: { text: large } },
    { position: 4, result: none },
  ],
  [
    { type: "ChildFailed", position: 4, state: "failed", failure: { name: "E", message: large } },
    { position: 4, state: "failed" },
  ],
  [
    { type: "ExecutionStarted", parent: { executionId: "p", runId: "r", position: 9 }, input: { text: large } },
    { parent: { executionId: "p", runId: "r", position: 9 }, input: none },
  ],
  [
    { type: "ExecutionStarted", schedule: { scheduleId: "s", at: "2026-01-01T00:00:00Z" }, input: { text: large } },
    { schedule: { scheduleId: "s", at: "2026-01-01T00:00:00Z" }, input: none },
  ],
  [{ type: "ExecutionCompleted", result: { text: large } }, { result: none }],
  [
    { type: "StepCompleted", position: 3, name: "\ud800", attempt: 2, result: { text: large } },
    { position: 3, name: "\ud800", attempt: 2, result: none },
  ],
])("of a very large event the leading fields are read: %#", (event, fields) => {
  expect(entry(event)).toEqual({ type: event.type, ...fields });
});

test("of other events everything but the payloads is read", () => {
  expect(entry({ type: "StepCompleted", position: 1, name: "a", attempt: 1, result: { text: "#-1" } })).toEqual({
    type: "StepCompleted",
    position: 1,
    name: "a",
    attempt: 1,
    result: none,
  });
  const failed = { type: "StepFailed", position: 1, name: "\ud800", attempt: 1, failure: { name: "E", message: "a\u0000" } } as const;
  expect(entry(failed)).toEqual(failed);
  expect(entry({ type: "TimerStarted", position: 1, durationMs: 5 })).toEqual({ type: "TimerStarted", position: 1, durationMs: 5 });
});

test.each(["", "{", "[]", "null", '{"position":', "7", '{"name#":7}'])("%j is no event", (head) => {
  expect(historyEntry({ seq: 1, epoch: 1, at: 0, type: "TimerFired", bytes: 1, head }).event).toBeUndefined();
});
