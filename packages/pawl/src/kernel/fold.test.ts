import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeValue } from "../base/values.ts";
import type { Event, RecordedEvent } from "./event.ts";
import { fold, type ExecutionView } from "./fold.ts";
import type { Payload } from "./payload.ts";

const payload = (value: unknown): Payload => ({ text: encodeValue(value, "value") });
const failure = { name: "Error", message: "no" };
const started: Event = { type: "ExecutionStarted", input: payload(1) };

/** Numbers events from 1 and gives each a time: 1000, 1001, ... */
const history = (...events: Event[]): RecordedEvent[] => events.map((event, index) => ({ seq: index + 1, at: 1000 + index, epoch: 1, event }));

const endings: readonly [Event, Partial<ExecutionView>][] = [
  [
    { type: "ExecutionCompleted", result: payload(new Map([["a", 1n]])) },
    { state: "completed", result: new Map([["a", 1n]]), finishedAt: 1001 },
  ],
  [
    { type: "ExecutionFailed", failure },
    { state: "failed", failure, finishedAt: 1001 },
  ],
  [
    { type: "ExecutionCancelled", reason: "enough" },
    { state: "cancelled", reason: "enough", finishedAt: 1001 },
  ],
  [
    { type: "ExecutionContinuedAsNew", nextRunId: "r" },
    { state: "continued_as_new", finishedAt: 1001 },
  ],
  [{ type: "ExecutionTerminated" }, { state: "terminated", reason: undefined, finishedAt: 1001 }],
  [
    { type: "ExecutionQuarantined", failure },
    { state: "quarantined", failure, finishedAt: undefined },
  ],
];

describe("fold", () => {
  test("shows a run that has only begun as running", () => {
    expect(fold(history(started))).toEqual({
      state: "running",
      lastSeq: 1,
      finishedAt: undefined,
      result: undefined,
      failure: undefined,
      reason: undefined,
      labels: {},
      attributes: {},
      steps: [],
    });
  });

  test.each(endings)("shows how a run ended: %j", (event, view) => {
    expect(fold(history(started, event))).toMatchObject({ lastSeq: 2, ...view });
  });

  test("clears a quarantine when the run is resumed", () => {
    const view = fold(history(started, { type: "ExecutionQuarantined", failure }, { type: "ExecutionResumed", fromRunId: "r", fromState: "quarantined" }));
    expect(view).toMatchObject({ state: "running", failure: undefined, finishedAt: undefined, lastSeq: 3 });
  });

  test("knows labels and attributes: those of the start, changes in their order, and what a resume says they were", () => {
    const begun: Event = { ...started, labels: { team: "a" }, attributes: { size: 1, when: { time: 5 } } };
    const set = (attributes: Record<string, string | number | null>): Event => ({ type: "AttributesSet", position: 1, attributes });
    const named = (labels: Record<string, string | null>): Event => ({ type: "LabelsSet", position: 2, labels });
    expect(fold(history(begun))).toMatchObject({ labels: { team: "a" }, attributes: { size: 1, when: new Date(5) } });
    const changed = [begun, set({ size: 2, step: "x" }), set({ when: null, step: "y" })];
    expect(fold(history(...changed)).attributes).toEqual({ size: 2, step: "y" });
    const resumed: Event = { type: "ExecutionResumed", fromRunId: "r", fromState: "cancelled" };
    expect(fold(history(...changed, resumed)).attributes).toEqual({ size: 2, step: "y" });
    expect(fold(history(...changed, { ...resumed, attributes: { size: 3 } })).attributes).toEqual({ size: 3 });
    expect(fold(history(begun, set({ size: null, when: null }))).attributes).toEqual({});

    const renamed = [begun, named({ team: "b", "app/part": "x" }), set({ size: 2 }), named({ "app/part": null })];
    expect(fold(history(...renamed))).toMatchObject({ labels: { team: "b" }, attributes: { size: 2 } });
    expect(fold(history(...renamed, resumed)).labels).toEqual({ team: "b" });
    expect(fold(history(...renamed, { ...resumed, labels: { team: "c" } }))).toMatchObject({ labels: { team: "c" }, attributes: { size: 2 } });
    // All of them were taken away behind the prefix.
    expect(fold(history(...renamed, { ...resumed, labels: {}, attributes: {} }))).toMatchObject({ labels: {}, attributes: {} });
    expect(fold(history(begun, named({ team: null }))).labels).toEqual({});
  });

  test("follows a step from its announcement over failed attempts to its end", () => {
    const events: Event[] = [
      started,
      { type: "StepStarted", position: 1, name: "charge", attempt: 1 },
      { type: "StepAttemptFailed", position: 1, name: "charge", attempt: 1, failure, retryInMs: 10 },
      { type: "StepCompleted", position: 1, name: "charge", attempt: 2, result: payload("paid") },
    ];
    const at = (count: number) => fold(history(...events.slice(0, count))).steps;
    expect(at(2)).toMatchObject([{ position: 1, name: "charge", state: "running", attempt: 1, startedAt: 1001, endedAt: undefined }]);
    expect(at(3)).toMatchObject([{ state: "running", attempt: 1, startedAt: 1001, endedAt: undefined }]);
    expect(at(4)).toEqual([{ position: 1, name: "charge", state: "completed", attempt: 2, startedAt: 1001, endedAt: 1003 }]);
  });

  test("shows a step on another queue as a step, and no other child", () => {
    const child = (position: number, workflow: string): Event => ({ type: "ChildStarted", position, workflow, executionId: `x.${position}`, runId: "r" });
    const events: Event[] = [
      started,
      child(1, "step:embed"),
      child(2, "order"),
      child(3, "step:late"),
      { type: "ChildCompleted", position: 1, result: payload([1]) },
      { type: "ChildCompleted", position: 2, result: payload(1) },
      { type: "StepFailed", position: 3, name: "late", attempt: 1, failure },
    ];
    expect(fold(history(...events.slice(0, 2))).steps).toMatchObject([{ position: 1, name: "embed", state: "running", startedAt: 1001 }]);
    expect(fold(history(...events)).steps).toEqual([
      { position: 1, name: "embed", state: "completed", attempt: 1, startedAt: 1001, endedAt: 1004 },
      { position: 3, name: "late", state: "failed", attempt: 1, startedAt: 1003, endedAt: 1006 },
    ]);
  });

  const timedOut: Event = { type: "ExecutionTimedOut", timeoutMs: 5 };
  test.each([...endings.map(([event]) => event).filter(({ type }) => type !== "ExecutionQuarantined"), timedOut])(
    "ends the steps that are open when their run ends as cancelled: %j",
    (end) => {
      const events: Event[] = [
        started,
        { type: "StepStarted", position: 1, name: "charge", attempt: 1 },
        { type: "StepCompleted", position: 1, name: "charge", attempt: 1, result: payload("paid") },
        { type: "StepStarted", position: 2, name: "ship", attempt: 1 },
        { type: "StepAttemptFailed", position: 3, name: "mail", attempt: 4, failure, retryInMs: 10 },
        { type: "ChildStarted", position: 4, workflow: "step:embed", executionId: "x.4", runId: "r" },
        end,
      ];
      expect(fold(history(...events)).steps).toEqual([
        { position: 1, name: "charge", state: "completed", attempt: 1, startedAt: 1001, endedAt: 1002 },
        { position: 2, name: "ship", state: "cancelled", attempt: 1, startedAt: 1003, endedAt: 1006 },
        { position: 3, name: "mail", state: "cancelled", attempt: 4, startedAt: undefined, endedAt: 1006 },
        { position: 4, name: "embed", state: "cancelled", attempt: 1, startedAt: 1005, endedAt: 1006 },
      ]);
    },
  );

  test("leaves steps open where their run is only held", () => {
    const open: Event = { type: "StepStarted", position: 1, name: "ship", attempt: 1 };
    for (const held of [{ type: "ExecutionQuarantined", failure } as const, { type: "ExecutionPaused", wakeAt: 0 } as const])
      expect(fold(history(started, open, held)).steps).toMatchObject([{ state: "running", endedAt: undefined }]);
  });

  test("gives what a plain recount gives, for any interleaving of steps", () => {
    const outcomes = fc.array(
      fc.record({
        position: fc.integer({ min: 1, max: 6 }),
        kind: fc.constantFrom("StepStarted" as const, "StepAttemptFailed" as const, "StepCompleted" as const, "StepFailed" as const),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(outcomes, (list) => {
        const ended = new Set<number>();
        const attempts = new Map<number, number>();
        const events: Event[] = [started];
        for (const { position, kind } of list) {
          if (ended.has(position)) continue;
          const attempt = (attempts.get(position) ?? 0) + 1;
          const base = { position, name: `step-${position}`, attempt };
          if (kind === "StepStarted") events.push({ type: kind, ...base });
          else if (kind === "StepAttemptFailed") events.push({ type: kind, ...base, failure, retryInMs: 1 });
          else if (kind === "StepCompleted") events.push({ type: kind, ...base, result: payload(position) });
          else events.push({ type: kind, ...base, failure });
          if (kind !== "StepStarted") attempts.set(position, attempt);
          if (kind === "StepCompleted" || kind === "StepFailed") ended.add(position);
        }
        const view = fold(history(...events));
        expect(view.lastSeq).toBe(events.length);
        const of = (position: number) =>
          events.flatMap((event, index) => ("position" in event && event.position === position ? [{ event, at: 1000 + index }] : []));
        for (const shown of view.steps) {
          const own = of(shown.position);
          const last = own.at(-1)!;
          const expected = last.event.type === "StepCompleted" ? "completed" : last.event.type === "StepFailed" ? "failed" : "running";
          expect(shown.state).toBe(expected);
          expect(shown.endedAt).toBe(expected === "running" ? undefined : last.at);
          expect("attempt" in last.event && last.event.attempt).toBe(shown.attempt);
        }
        const positions = new Set(events.flatMap((event) => ("position" in event ? [event.position] : [])));
        expect(new Set(view.steps.map(({ position }) => position))).toEqual(positions);
        expect(view.steps).toHaveLength(positions.size);
      }),
    );
  });

  test("is paused for as long as nothing follows the pause", () => {
    const paused: Event = { type: "ExecutionPaused", wakeAt: 0, reason: "wait" };
    expect(fold(history(started, paused))).toMatchObject({ state: "paused", reason: "wait", finishedAt: undefined });
    expect(fold(history(started, paused, { type: "ExecutionUnpaused" }))).toMatchObject({ state: "running", reason: undefined });
    expect(fold(history(started, paused, { type: "CancelRequested" }))).toMatchObject({ state: "running" });
    expect(fold(history(started, paused, { type: "ExecutionTimedOut", timeoutMs: 5 }))).toMatchObject({ state: "timed_out" });
  });

  test("does not let the order of steps change what it says about each", () => {
    const a: Event[] = [
      { type: "StepStarted", position: 1, name: "a", attempt: 1 },
      { type: "StepCompleted", position: 1, name: "a", attempt: 1, result: payload(1) },
    ];
    const b: Event[] = [{ type: "StepFailed", position: 2, name: "b", attempt: 3, failure }];
    const states = (events: Event[]) => new Map(fold(history(started, ...events)).steps.map(({ name, state, attempt }) => [name, `${state} ${attempt}`]));
    expect(states([...a, ...b])).toEqual(states([...b, ...a]));
  });
});
