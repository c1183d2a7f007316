import { expect, test } from "vitest";
import { defineWorkflow } from "../definition/workflow.ts";
import type { Event, RecordedEvent } from "./event.ts";
import { replayEvents } from "./replay-events.ts";
import { Replay } from "./replay.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ignored = (): void => {};
const host = { called: ignored, abandoned: ignored, orphaned: ignored, replied: ignored, patched: ignored, logged: ignored, ended: ignored, unread: ignored };

/** When the total time of a step begins that has not ended; each event is one second after the one before. */
async function beginsAt(...events: readonly Event[]): Promise<number | undefined> {
  const history = [{ type: "ExecutionStarted", input: { value: null } } as const, ...events].map((event, index): RecordedEvent => ({
    seq: index + 1,
    at: (index + 1) * 1000,
    epoch: 1,
    event,
  }));
  const workflow = defineWorkflow({ name: "w", run: (ctx) => ctx.step("s", ignored, { totalTimeout: "1 minute" }) });
  const replay = new Replay(workflow, { executionId: "x", runId: "r" }, { first: "seed" }, host);
  await replayEvents(replay, history, turn);
  const call = replay.open.get(1);
  expect(call?.kind).toBe("step");
  return call?.kind === "step" ? call.startedAt : undefined;
}

test("the total time of a step counts from its first attempt, and where time is given anew from the first after that", async () => {
  const attempt = (n: number): Event => ({ type: "StepStarted", position: 1, name: "s", attempt: n });
  const resumed: Event = { type: "ExecutionResumed", fromRunId: "q", fromState: "failed", runNumber: 2 };
  expect(await beginsAt(attempt(1), attempt(2))).toBe(2000);
  expect(await beginsAt(attempt(1), resumed, attempt(2))).toBe(2000);
  for (const anew of [
    { ...resumed, operation: "retry" },
    { ...resumed, operation: "rollback" },
    { type: "ExecutionForked", executionId: "x", fromExecutionId: "y", fromRunId: "q", fromSeq: 2 },
  ] satisfies Event[]) {
    expect(await beginsAt(attempt(1), anew)).toBeUndefined();
    expect(await beginsAt(attempt(1), anew, attempt(2), attempt(3))).toBe(4000);
  }
});

test("children that were not started before a resume get ids with the number of the run, and those that were keep theirs", async () => {
  const child = defineWorkflow({ name: "child", run: async () => {} });
  const workflow = defineWorkflow({ name: "parent", run: (ctx) => Promise.all([ctx.child(child, undefined), ctx.child(child, undefined)]) });
  const idsAfter = async (resumed: Event): Promise<readonly string[]> => {
    const events: readonly Event[] = [
      { type: "ExecutionStarted", input: { value: null } },
      { type: "ChildStarted", position: 1, workflow: "child", executionId: "x.1", runId: "c" },
      resumed,
    ];
    const replay = new Replay(workflow, { executionId: "x", runId: "r" }, { first: "seed" }, host);
    await replayEvents(
      replay,
      events.map((event, index): RecordedEvent => ({ seq: index + 1, at: 1000, epoch: 1, event })),
      turn,
    );
    return [...replay.open.values()].flatMap((call) => (call.kind === "child" ? [call.executionId] : []));
  };
  const ofCancelled: Event = { type: "ExecutionResumed", fromRunId: "q", fromState: "cancelled", runNumber: 2 };
  expect(await idsAfter(ofCancelled)).toEqual(["x.1", "x.r2.2"]);
  expect(await idsAfter({ ...ofCancelled, operation: "rollback" })).toEqual(["x.1", "x.r2.2"]);
  expect(await idsAfter({ type: "ExecutionResumed", fromRunId: "q", fromState: "quarantined" })).toEqual(["x.1", "x.2"]);
});

test("a wait that lost its race is open no more, whatever is recorded about it, and a cancel or its timeout still lets the code behind it go on", async () => {
  const lostBy = async (options: { readonly timeout?: string }, ...later: readonly Event[]): Promise<readonly string[]> => {
    const workflow = defineWorkflow({
      name: "w",
      signals: { s: { "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) } } },
      run: async (ctx) => {
        const loser = async (): Promise<unknown> => {
          try {
            return await ctx.signal("s", options);
          } finally {
            await ctx.shield((shielded) => shielded.step("behind", ignored));
          }
        };
        await ctx.race([loser, () => ctx.step("wins", ignored)]);
        await ctx.shield((shielded) => shielded.sleep("1 day"));
      },
    });
    const timeoutMs = options.timeout === undefined ? {} : { timeoutMs: 60_000 };
    const events: readonly Event[] = [
      { type: "ExecutionStarted", input: { value: null } },
      { type: "StepCompleted", position: 2, name: "wins", attempt: 1, result: { value: 1 } },
      { type: "TimerStarted", position: 3, durationMs: 86_400_000 },
      { type: "WaitStarted", position: 1, signal: "s", ...timeoutMs },
      { type: "SignalReceived", signalId: "1", name: "s", payload: { value: 1 } },
      ...later,
    ];
    const replay = new Replay(workflow, { executionId: "x", runId: "r" }, { first: "seed" }, host);
    const history = events.map((event, index): RecordedEvent => ({ seq: index + 1, at: 1000, epoch: 1, event }));
    await replayEvents(replay, history, turn);
    return [...replay.open.values()].map(({ kind, position }) => `${kind} ${position}`);
  };
  expect(await lostBy({})).toEqual(["timer 3"]);
  expect(await lostBy({}, { type: "CancelRequested" })).toEqual(["timer 3", "step 4"]);
  // Recorded when the wait still was one of the open calls.
  expect(await lostBy({}, { type: "CancelRequested" }, { type: "StepCompleted", position: 4, name: "behind", attempt: 1, result: { value: 1 } })).toEqual([
    "timer 3",
  ]);
  expect(await lostBy({ timeout: "1 minute" })).toEqual(["wait 1", "timer 3"]);
  expect(await lostBy({ timeout: "1 minute" }, { type: "WaitTimedOut", position: 1 })).toEqual(["timer 3", "step 4"]);
});
