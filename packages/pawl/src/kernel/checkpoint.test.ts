import { describe, expect, test } from "vitest";
import { checkpointsOf, lostChildren, retryPrefix, viewPrefix } from "./checkpoint.ts";
import { deadlineOf } from "./deadline.ts";
import type { Event, ExecutionStarted, RecordedEvent } from "./event.ts";

const history = (...events: Event[]): RecordedEvent[] => events.map((event, index) => ({ seq: index + 1, at: (index + 1) * 1000, epoch: 1, event }));
const value = { value: 1 };
const failure = (message: string) => ({ name: "Error", message });
const started: ExecutionStarted = { type: "ExecutionStarted", input: value };
const completed = (position: number): Event => ({ type: "StepCompleted", position, name: `s${position}`, attempt: 1, result: value });
const attemptFailed = (position: number): Event => ({
  type: "StepAttemptFailed",
  position,
  name: `s${position}`,
  attempt: 1,
  failure: failure("no"),
  retryInMs: 1,
});
const failed = (position: number, message: string): Event => ({ type: "StepFailed", position, name: `s${position}`, attempt: 2, failure: failure(message) });
const childStarted = (position: number): Event => ({ type: "ChildStarted", position, workflow: "w", executionId: `x.${position}`, runId: "r" });
const ended = (causeSeq?: number, causeCalls?: number): Event => ({
  type: "ExecutionFailed",
  failure: failure("boom"),
  ...(causeSeq === undefined || causeCalls === undefined ? {} : { causeSeq, causeCalls }),
});

describe("checkpoints", () => {
  test("there is one for each completed step", () => {
    expect(checkpointsOf(history(started, attemptFailed(1), completed(1), failed(2, "no"), completed(3)))).toEqual([
      { seq: 3, position: 1, step: "s1", at: 3000 },
      { seq: 5, position: 3, step: "s3", at: 5000 },
    ]);
  });

  test("a step on another queue is one too, a child is not", () => {
    const remote: Event = { type: "ChildStarted", position: 1, workflow: "step:embed", executionId: "x.1", runId: "r" };
    const childCompleted = (position: number): Event => ({ type: "ChildCompleted", position, result: value });
    expect(checkpointsOf(history(started, remote, childStarted(2), childCompleted(2), childCompleted(1)))).toEqual([
      { seq: 5, position: 1, step: "embed", at: 5000 },
    ]);
  });

  test("a prefix says which children it has started, and what it has set", () => {
    const set: Event = { type: "AttributesSet", position: 2, attributes: { phase: "late" } };
    const named: Event = { type: "LabelsSet", position: 5, labels: { team: "red" } };
    const recorded = history(started, childStarted(1), childStarted(3), { type: "ChildCompleted", position: 1, result: value }, set, completed(4), named);
    const view = viewPrefix(recorded, { toSeq: 4, without: [3] });
    expect(view.children).toEqual([{ position: 1, seq: 2, executionId: "x.1", parentClosePolicy: undefined, ended: true }]);
    expect(view.searchValues).toEqual({ labels: undefined, attributes: undefined });
    expect(view.events.map(({ seq }) => seq)).toEqual([1, 2, 4]);
    expect(viewPrefix(recorded, { toSeq: 6, without: [] }).searchValues).toEqual({ labels: undefined, attributes: { phase: "late" } });
    expect(viewPrefix(recorded, { toSeq: 7, without: [5] }).searchValues).toEqual({ labels: { team: "red" }, attributes: undefined });
  });
});

test("the end of an execution takes along children that had not ended, unless they were to outlive it or their ids were chosen", () => {
  const child = (position: number, executionId: string): Event => ({ type: "ChildStarted", position, workflow: "w", executionId, runId: "r" });
  const recorded = history(
    started,
    child(1, "x.1"),
    child(2, "x.2"),
    { type: "ChildCompleted", position: 1, result: value },
    child(3, "mine"),
    child(4, "x.r12.4"),
    { ...child(5, "x.5"), parentClosePolicy: "abandon" } as Event,
    child(6, "x.r2.9.6"),
    child(7, "x.8"),
  );
  expect(lostChildren(recorded, "x", viewPrefix(recorded, { toSeq: 9, without: [] })).map(({ position }) => position)).toEqual([2, 4]);
  const continued = history({ ...started, continuedFrom: { runId: "r", count: 3 } }, child(1, "x.1"), child(2, "x:3.2"));
  expect(lostChildren(continued, "x", viewPrefix(continued, { toSeq: 3, without: [] })).map(({ position }) => position)).toEqual([2]);
});

describe("where a retry goes on", () => {
  test("before the step that failed, without its earlier attempts", () => {
    expect(retryPrefix(history(started, completed(1), attemptFailed(2), failed(2, "boom"), ended(4, 2)))).toEqual({ toSeq: 3, without: [3] });
  });

  test("at the failure that ended it, not at one that was caught, nor behind what cleaned up", () => {
    const recorded = history(started, failed(1, "boom"), completed(2), failed(3, "boom"), completed(4), ended(4, 3));
    expect(retryPrefix(recorded)).toEqual({ toSeq: 3, without: [] });
  });

  test("with what calls that were under way gave after the failure, without those that failed as well", () => {
    const recorded = history(started, attemptFailed(3), failed(1, "boom"), failed(2, "boom"), completed(4), failed(3, "boom"), completed(5), ended(3, 4));
    expect(retryPrefix(recorded)).toEqual({ toSeq: 5, without: [2, 3, 4] });
  });

  test("without a request to cancel that came after the failure, and with the marks of patches", () => {
    const recorded = history(started, failed(1, "boom"), { type: "CancelRequested" }, { type: "PatchMarked", patchId: "p" }, completed(2), ended(2, 1));
    expect(retryPrefix(recorded)).toEqual({ toSeq: 4, without: [2, 3] });
  });

  test("before the start of a child that failed", () => {
    const childFailed: Event = { type: "ChildFailed", position: 1, state: "failed", failure: failure("boom") };
    expect(retryPrefix(history(started, childStarted(1), completed(2), childFailed, ended(4, 2)))).toEqual({ toSeq: 3, without: [2] });
  });

  test("behind everything, when the code failed by itself or took too long", () => {
    expect(retryPrefix(history(started, failed(1, "caught"), completed(2), ended()))).toEqual({ toSeq: 3, without: [] });
    expect(retryPrefix(history(started, completed(1), { type: "ExecutionTimedOut", timeoutMs: 1 }))).toEqual({ toSeq: 2, without: [] });
  });
});

const resumed = (operation?: "retry"): Event => ({
  type: "ExecutionResumed",
  fromRunId: "r",
  fromState: "failed",
  ...(operation === undefined ? {} : { operation }),
});

test("a deadline counts from the start, or from where it was rolled back or retried to", () => {
  expect(deadlineOf(history(started))).toBeUndefined();
  expect(deadlineOf(history({ ...started, timeoutMs: 500 }, resumed()))).toBe(1500);
  expect(deadlineOf(history({ ...started, timeoutMs: 500 }, resumed("retry")))).toBe(2500);
  expect(deadlineOf(history({ ...started, timeoutMs: 500, delayMs: 100 }, resumed()))).toBe(1600);
  expect(deadlineOf(history({ ...started, timeoutMs: 500, delayMs: 100 }, resumed("retry")))).toBe(2500);
  expect(deadlineOf(history({ ...started, timeoutMs: 5000, deadline: 3000 }, resumed("retry")))).toBe(3000);
  expect(deadlineOf(history({ ...started, deadline: 1500 }, resumed("retry")))).toBeUndefined();
});

test("a deadline that was over before the run began is its deadline", () => {
  expect(deadlineOf(history({ ...started, deadline: 900 }))).toBe(900);
  expect(deadlineOf(history({ ...started, timeoutMs: 500, deadline: 900 }))).toBe(900);
  expect(deadlineOf(history({ ...started, timeoutMs: 500, timeoutFrom: 400 }))).toBe(900);
  expect(deadlineOf(history({ ...started, deadline: 900 }, resumed()))).toBe(900);
  expect(deadlineOf(history({ ...started, deadline: 900 }, resumed("retry")))).toBeUndefined();
  expect(deadlineOf(history({ ...started, timeoutMs: 500, timeoutFrom: 400 }, resumed("retry")))).toBe(2500);
});
