import { expect, test } from "vitest";
import type { Event } from "../kernel/event.ts";
import { Outbox } from "./outbox.ts";

const childFailed: Event = { type: "ChildFailed", position: 3, state: "failed", failure: { name: "ExecutionConflict", message: "taken" } };

/** Whether the result of the call at position 4 has to wait for what is put into the outbox. */
function waits(put: (outbox: Outbox) => void): boolean {
  const outbox = new Outbox();
  put(outbox);
  return outbox.mustStandBefore(4);
}

test("a result may overtake what other calls have to say", () => {
  expect(waits((outbox) => outbox.add({ type: "StepStarted", position: 3, name: "s", attempt: 1 }))).toBe(false);
});

test("it does not overtake what is about its own call", () => {
  expect(waits((outbox) => outbox.add({ type: "StepStarted", position: 4, name: "t", attempt: 1 }))).toBe(true);
});

test("it does not overtake the mark of a patch, which its call may hang on", () => {
  expect(waits((outbox) => outbox.add({ type: "PatchMarked", patchId: "p" }))).toBe(true);
});

test("it does not overtake that a child's id was taken, unless a message says so, which stays until it is recorded", () => {
  expect(waits((outbox) => outbox.add(childFailed))).toBe(true);
  const message = { messageId: "child:3", ordinal: 1, type: "ChildFailed" as const, data: "{}" };
  expect(waits((outbox) => outbox.addMessage(message, childFailed))).toBe(false);
});
