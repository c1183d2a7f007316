import { expect, test } from "vitest";
import { encodeValue } from "../base/values.ts";
import type { Event, RecordedEvent } from "./event.ts";
import { inputOf } from "./merged-input.ts";

const payload = (value: unknown) => ({ text: encodeValue(value, "input") });
const history = (...events: readonly Event[]): readonly RecordedEvent[] => events.map((event, index) => ({ seq: index + 1, at: index, epoch: 0, event }));
const merged = (value: unknown): Event => ({ type: "StartMerged", startId: "s", input: payload(value) });

test("the input is that of the start, the last of what was debounced, or the elements of a batch", () => {
  expect(inputOf(history({ type: "ExecutionStarted", input: payload({ n: 1 }) }))).toEqual({ n: 1 });
  const debounced: Event = { type: "ExecutionStarted", merge: "debounce", input: payload(1) };
  expect(inputOf(history(debounced))).toBe(1);
  expect(inputOf(history(debounced, merged(2), merged(3)))).toBe(3);
  const batch: Event = { type: "ExecutionStarted", merge: "batch", input: payload([1, [2]]) };
  expect(inputOf(history(batch))).toEqual([1, [2]]);
  expect(inputOf(history(batch, merged([]), merged([new Date(5)])))).toEqual([1, [2], new Date(5)]);
});
