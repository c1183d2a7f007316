import { expect, test } from "vitest";
import type { Event } from "../kernel/event.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import { dataRead, historyEntry, wholeEntry, type EntryRow } from "./history-entry.ts";

const rowOf = (type: string, data: string): EntryRow => ({ seq: 1, epoch: 1, at: 0, type, bytes: data.length, head: data.slice(0, dataRead) });
const entry = (event: Event) => {
  const data = encodeEvent(event);
  const row = rowOf(event.type, data);
  return historyEntry(row) ?? wholeEntry(row, data);
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
    { position: 4, state: "failed", failure: { name: "E", message: large } },
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
  [
    { type: "AttributesSet", position: 2, attributes: { a: "x".repeat(dataRead), b: 1 } },
    { position: 2, attributes: { a: "x".repeat(dataRead), b: 1 } },
  ],
  [
    { type: "StepAttemptFailed", position: 1, name: "a", attempt: 1, failure: { name: "E", message: large }, retryInMs: 5 },
    { position: 1, name: "a", attempt: 1, failure: { name: "E", message: large }, retryInMs: 5 },
  ],
  [
    { type: "ExecutionStarted", attributes: { a: "x".repeat(dataRead) }, input: { text: large }, timeoutMs: 7 },
    { attributes: { a: "x".repeat(dataRead) }, input: none, timeoutMs: 7 },
  ],
])("of a very large event everything but the payload is read: %#", (event, fields) => {
  expect(entry(event).event).toEqual({ type: event.type, ...fields });
});

test("a large event is read whole only where its payload does not begin soon enough", () => {
  const head = (event: Event) => historyEntry(rowOf(event.type, encodeEvent(event)));
  expect(head({ type: "StepCompleted", position: 1, name: "a", attempt: 1, result: { text: large } })).toBeDefined();
  expect(head({ type: "ExecutionStarted", input: { text: large }, timeoutMs: 7 })?.event).toMatchObject({ timeoutMs: 7 });
  expect(head({ type: "AttributesSet", position: 2, attributes: { a: large } })).toBeUndefined();
});

test("of other events everything but the payloads is read", () => {
  expect(entry({ type: "StepCompleted", position: 1, name: "a", attempt: 1, result: { text: "#-1" } }).event).toEqual({
    type: "StepCompleted",
    position: 1,
    name: "a",
    attempt: 1,
    result: none,
  });
  const failed = { type: "StepFailed", position: 1, name: "\ud800", attempt: 1, failure: { name: "E", message: "a\u0000" } } as const;
  expect(entry(failed).event).toEqual(failed);
  expect(entry({ type: "TimerStarted", position: 1, durationMs: 5 }).event).toEqual({ type: "TimerStarted", position: 1, durationMs: 5 });
});

test.each(["", "{", "[]", "null", '{"position":', "7"])("%j is no event", (data) => {
  expect(historyEntry(rowOf("TimerFired", data))).toMatchObject({ event: undefined, problem: "the data of event 1 cannot be read" });
});

test.each([
  ["TimerFird", '{"position":1}', "event 1 is TimerFird, which this version of Pawl does not know"],
  ["TimerFired", "{}", "event 1 (TimerFired): data.position must be a whole number from 1"],
  ["ChildCompleted", '{"position":1}', "event 1 (ChildCompleted): data.result must be a value"],
  ["ChildCompleted", '{"position":1,"result#":"#garbage["}', "event 1 (ChildCompleted): the value in data.result cannot be read"],
  ["StepStarted", '{"position":1,"attempt":1,"name#":7}', "event 1 (StepStarted): data.name must be a string"],
])("%s with %s is no event", (type, data, problem) => {
  expect(historyEntry(rowOf(type, data))).toMatchObject({ event: undefined, problem });
});
