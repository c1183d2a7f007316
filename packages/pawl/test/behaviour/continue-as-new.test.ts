/** Executions that end a run and go on with the next one: what the next run gets, and what is left behind. */
import {
  defineWorkflow,
  ExecutionCancelled,
  ExecutionFailed,
  ExecutionTimedOut,
  fold,
  InputInvalid,
  update,
  type AnyWorkflow,
  type StepContext,
  type WorkflowContext,
} from "pawl";
import { recordHistory, replayHistory } from "pawl/internal";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually, failureOf, gate, harness, parkedSleep, refusalOf } from "./harness.ts";

const h = harness();

const keys: string[] = [];
const counter = defineWorkflow({
  name: "counter",
  input: z.object({ left: z.number(), sum: z.number() }),
  async run(ctx, { left, sum }): Promise<{ sum: number; uuids: string }> {
    const next = await ctx.step("add", (step) => {
      keys.push(step.idempotencyKey);
      return sum + left;
    });
    if (left > 1) return ctx.continueAsNew({ left: left - 1, sum: next });
    return { sum: next, uuids: ctx.uuid() };
  },
});

describe("the next run", () => {
  test("begins with its input and an empty history; the result is the last one's", async () => {
    const { pawl } = await h.run([counter]);
    const handle = await pawl.start(counter, { left: 4, sum: 0 }, { executionId: "four", labels: { of: "test" }, attributes: { size: 3 } });
    expect(await handle.result()).toMatchObject({ sum: 10 });
    const runs = await handle.runs();
    expect(runs.map(({ runNumber, state, events }) => [runNumber, state, events])).toEqual([
      [1, "continued_as_new", 3],
      [2, "continued_as_new", 3],
      [3, "continued_as_new", 3],
      [4, "completed", 3],
    ]);
    expect(await handle.status()).toMatchObject({ state: "completed", runNumber: 4, runId: runs[3]!.runId, labels: { of: "test" }, attributes: { size: 3 } });
    const second = await handle.history({ runId: runs[1]!.runId });
    expect(second.map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepCompleted", "ExecutionContinuedAsNew"]);
    expect(second[0]!.event).toMatchObject({ continuedFrom: { runId: runs[0]!.runId, count: 1 }, input: { value: { left: 3, sum: 4 } } });
    expect(second[2]!.event).toMatchObject({ nextRunId: runs[2]!.runId });
    expect(fold(second)).toMatchObject({ state: "continued_as_new", finishedAt: runs[1]!.finishedAt!.getTime() });
  });

  test("makes other numbers and idempotency keys than the run before", async () => {
    const { pawl } = await h.run([counter]);
    keys.length = 0;
    const first = await pawl.execute(counter, { left: 1, sum: 0 }, { executionId: "keys" });
    expect(keys).toEqual(["keys/add/1"]);
    const again = await pawl.execute(counter, { left: 2, sum: 0 }, { executionId: "keys2" });
    expect(new Set(keys).size).toBe(3);
    expect(again.uuids).not.toBe(first.uuids);
  });

  test("may be of another version, once a worker has it", async () => {
    const versions = (version: string) =>
      defineWorkflow({ name: "moving", version, run: (ctx, given: string) => (version === "1" ? ctx.continueAsNew(`${given}!`, { version: "2" }) : given) });
    const { pawl } = await h.run([versions("1")]);
    const handle = await pawl.start(versions("1"), "go");
    await eventually(async () => expect(await handle.status()).toMatchObject({ version: "2", state: "running", runNumber: 2 }));
    await pawl.worker({ workflows: [versions("2")], pollInterval: 10 });
    expect(await handle.result()).toBe("go!");
    expect((await handle.runs()).map(({ version }) => version)).toEqual(["1", "2"]);
  });

  test("has the time that is left of the execution's; a retry has all of it anew", async () => {
    const tired = defineWorkflow({
      name: "tired",
      timeout: "2 seconds",
      run: async (ctx, round: number): Promise<void> => (round === 1 ? ctx.continueAsNew(2) : ctx.sleep("1 hour")),
    });
    const { pawl } = await h.run([tired]);
    const handle = await pawl.start(tired, 1);
    const error = await refusalOf(handle.result(), ExecutionTimedOut);
    expect(error.message).toContain("did not end within 2000 ms");
    const [first, second] = await handle.runs();
    expect([first!.state, second!.state]).toEqual(["continued_as_new", "timed_out"]);
    const [started] = await handle.history({ runId: first!.runId });
    const [continued] = await handle.history({ runId: second!.runId });
    expect(continued!.event).toMatchObject({ timeoutMs: 2000, timeoutFrom: expect.closeTo(started!.at.getTime(), -1) });
    await handle.retry();
    await refusalOf(handle.result(), ExecutionTimedOut);
    const retried = await handle.history();
    const resumedAt = retried.findLast(({ event }) => event.type === "ExecutionResumed")!.at.getTime();
    expect(retried.at(-1)!.at.getTime()).toBeGreaterThanOrEqual(resumedAt + 2000);
  });

  test("has its parent's deadline too, and counts its time from the first run", async () => {
    const kept = defineWorkflow({
      name: "kept",
      async run(ctx, round: number): Promise<void> {
        await ctx.sleep(200);
        if (round === 1) ctx.continueAsNew(2);
      },
    });
    const parent = defineWorkflow({ name: "patient", timeout: "1 minute", run: (ctx) => ctx.child(kept, 1, { executionId: "kept" }) });
    const { pawl } = await h.run([parent, kept]);
    await pawl.execute(parent, undefined);
    const handle = pawl.handle("kept");
    const [first, second] = await handle.runs();
    const [started] = await handle.history({ runId: first!.runId });
    const [continued] = await handle.history({ runId: second!.runId });
    expect(started!.event).toMatchObject({ deadline: expect.any(Number) });
    expect(continued!.event).toMatchObject({
      deadline: (started!.event as { deadline: number }).deadline,
      timeoutFrom: expect.closeTo(started!.at.getTime(), -1),
    });
  });

  test("has no time at all when that was over before it began", async () => {
    const rounds: number[] = [];
    const late = defineWorkflow({
      name: "late",
      timeout: 300,
      async run(ctx, round: number): Promise<string> {
        rounds.push(round);
        if (round === 2) return "too late";
        // Nothing else runs in this process meanwhile: its deadline comes after it has asked for the next run.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
        return ctx.continueAsNew(2);
      },
    });
    const { pawl } = await h.run([late]);
    const handle = await pawl.start(late, 1);
    await refusalOf(handle.result(), ExecutionTimedOut);
    expect(rounds).not.toContain(2);
  });

  test("is begun by code that waited for it, parked and claimed again", async () => {
    const sleeper = defineWorkflow({
      name: "sleeper",
      async run(ctx, left: number): Promise<string> {
        await ctx.sleep(parkedSleep);
        return left === 0 ? "awake" : ctx.continueAsNew(left - 1);
      },
    });
    const { pawl } = await h.run([sleeper]);
    expect(await pawl.execute(sleeper, 2)).toBe("awake");
  });
});

describe("what is open when a run continues", () => {
  test("steps are aborted, and children go on by themselves", async () => {
    const aborted = gate();
    const released = gate();
    const child = defineWorkflow({ name: "lasting", run: (ctx) => ctx.step("last", () => released.opened.then(() => "done")) });
    const parent = defineWorkflow({
      name: "leaving",
      async run(ctx, round: number): Promise<string> {
        if (round > 0) return ctx.child(child, undefined, { executionId: "second-child" });
        void ctx.child(child, undefined, { executionId: "first-child" });
        const hanging = async (step: StepContext): Promise<void> => {
          await new Promise((resolve) => step.signal.addEventListener("abort", resolve));
          aborted.open();
        };
        void ctx.step("hang", hanging);
        await ctx.step("settle", () => {});
        return ctx.continueAsNew(1);
      },
    });
    const { pawl } = await h.run([child, parent]);
    const handle = await pawl.start(parent, 0, { executionId: "leaving" });
    await aborted.opened;
    await eventually(async () => expect(await pawl.handle("second-child").status()).toMatchObject({ state: "running" }));
    released.open();
    expect(await handle.result()).toBe("done");
    expect(await pawl.handle("first-child").result()).toBe("done");
    const children = await pawl.list({ parent: "leaving" });
    expect(children.executions.map(({ executionId }) => executionId).toSorted()).toEqual(["first-child", "second-child"]);
  });

  test("children get other ids than those of the run before", async () => {
    const child = defineWorkflow({ name: "numbered", run: (_ctx, n: number) => n });
    const parent = defineWorkflow({
      name: "numbering",
      async run(ctx, round: number): Promise<number> {
        const got = await ctx.child(child, round);
        return round < 2 ? ctx.continueAsNew(round + 1) : got;
      },
    });
    const { pawl } = await h.run([child, parent]);
    expect(await pawl.execute(parent, 0, { executionId: "numbering" })).toBe(2);
    const { executions } = await pawl.list({ parent: "numbering" });
    expect(executions.map(({ executionId }) => executionId).toSorted()).toEqual(["numbering.1", "numbering:1.1", "numbering:2.1"]);
  });

  test("whatever the code does afterwards is not recorded", async () => {
    const stubborn = defineWorkflow({
      name: "stubborn",
      async run(ctx, round: number): Promise<string> {
        if (round > 0) return "second";
        try {
          ctx.continueAsNew(1);
        } catch {
          // Kept from passing, to no effect.
        }
        await ctx.step("never", () => {});
        return "first";
      },
    });
    const { pawl } = await h.run([stubborn]);
    const handle = await pawl.start(stubborn, 0);
    expect(await handle.result()).toBe("second");
    expect((await handle.runs()).map(({ events }) => events)).toEqual([2, 2]);
  });

  /** Ends its first run when the first of two steps whose results are recorded together is delivered, with something that would be done on the way out. */
  const abrupt = (name: string, goOn: (ctx: WorkflowContext, leave: () => Promise<string>) => Promise<string>): AnyWorkflow =>
    defineWorkflow({
      name,
      signals: { late: z.string() },
      async run(ctx, round: number): Promise<string> {
        if (round > 0) return ctx.signal("late", { timeout: 1 }).then(String, () => "nothing");
        const leave = async (): Promise<string> => {
          await Promise.race([ctx.step("one", () => 1), ctx.step("two", () => 2)]);
          return ctx.continueAsNew(1);
        };
        return goOn(ctx, leave);
      },
    });
  const did: string[] = [];
  const ways = {
    compensations: abrupt("compensating", (ctx, leave) =>
      ctx.saga(async (saga) => {
        saga.compensate((undo) => undo.step("undo", () => void did.push("undo")));
        return leave();
      }),
    ),
    "a step in finally": abrupt("tidying", async (ctx, leave) => {
      try {
        return await leave();
      } finally {
        await ctx.step("tidy", () => void did.push("tidy"));
      }
    }),
    "a mark of a patch, a value and a child": abrupt("marking", async (ctx, leave) => {
      try {
        return await leave();
      } finally {
        ctx.patched("late");
        await Promise.all([ctx.set("left", true), ctx.sleep(1), ctx.child(counter, { left: 1, sum: 0 })]);
        did.push("marked");
      }
    }),
  };

  test.each(Object.entries(ways))("nor begun, although there are results that it has not heard of: %s", async (_what, workflow) => {
    const { pawl } = await h.run([workflow, counter]);
    did.length = 0;
    const handle = await pawl.start(workflow, 0);
    expect(await handle.result()).toBe("nothing");
    expect(did).toEqual([]);
    const [first] = await handle.runs();
    const types = (await handle.history({ runId: first!.runId })).map(({ event }) => event.type);
    expect(types).toEqual(["ExecutionStarted", "StepCompleted", "StepCompleted", "ExecutionContinuedAsNew"]);
    expect(await replayHistory(workflow, await recordHistory(handle, { runId: first!.runId }))).toMatchObject({ state: "continued_as_new", input: 1 });
  });

  test("nor begun while what is written to a stream waits for what is read of it", async () => {
    const streaming = defineWorkflow({
      name: "streaming",
      async run(ctx, round: number): Promise<string> {
        if (round > 0) return "second";
        await ctx.sleep(parkedSleep);
        void ctx.stream("lines").write("the last");
        try {
          return ctx.continueAsNew(1);
        } finally {
          await ctx.step("tidy", () => void did.push("tidy"));
        }
      },
    });
    const { pawl } = await h.run([streaming]);
    did.length = 0;
    const handle = await pawl.start(streaming, 0);
    expect(await handle.result()).toBe("second");
    expect(did).toEqual([]);
    const lines: unknown[] = [];
    for await (const { value } of handle.stream("lines")) lines.push(value);
    expect(lines).toEqual(["the last"]);
  });

  test("while what nobody waited for before is recorded and started, also where the code continues as soon as it wakes", async () => {
    const signals = { end: z.number() };
    const slow = defineWorkflow({ name: "slow", signals, run: async (ctx) => ctx.signal("end") });
    const report = defineWorkflow({ name: "report", run: async (ctx) => ctx.sleep("1h") });
    const hasty = defineWorkflow({
      name: "hasty",
      signals,
      async run(ctx, by: "child" | "signal" | "done"): Promise<string> {
        if (by === "done") return by;
        await (by === "child" ? ctx.child(slow, undefined) : ctx.signal("end"));
        void ctx.child(report, undefined, { executionId: `report-by-${by}`, parentClosePolicy: "abandon" });
        void ctx.set("reported", true);
        void ctx.setLabels({ stage: "reported" });
        void ctx.setAttributes({ reported: true });
        void ctx.stream("log").write("reported");
        void ctx.step("never begun", () => did.push(by));
        return ctx.continueAsNew("done");
      },
    });
    const { pawl } = await h.run([slow, report, hasty]);
    did.length = 0;
    for (const by of ["child", "signal"] as const) {
      const handle = await pawl.start(hasty, by);
      await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
      await pawl.handle(by === "signal" ? handle.executionId : `${handle.executionId}.1`).signal("end", 1);
      expect(await handle.result()).toBe("done");
      expect(await handle.status()).toMatchObject({ labels: { stage: "reported" }, attributes: { reported: true } });
      expect(await handle.runs()).toHaveLength(2);
      const [first] = await handle.runs();
      const types = (await handle.history({ runId: first!.runId })).map(({ event }) => event.type);
      expect(types.filter((type) => ["ChildStarted", "ValueSet", "LabelsSet", "AttributesSet", "StreamWritten"].includes(type)).toSorted()).toEqual(
        [...(by === "child" ? ["ChildStarted"] : []), "AttributesSet", "ChildStarted", "LabelsSet", "StreamWritten", "ValueSet"].toSorted(),
      );
      await pawl.handle(`report-by-${by}`).terminate();
    }
    expect(did).toEqual([]);
  });

  test("nor is a signal taken: it is the next run's", async () => {
    const workflow = abrupt("greedy", async (ctx, leave) => {
      await ctx.sleep(parkedSleep);
      try {
        return await leave();
      } finally {
        await ctx.signal("late");
      }
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, 0);
    await handle.signal("late", "kept");
    expect(await handle.result()).toBe("kept");
  });
});

describe("messages", () => {
  const inbox = defineWorkflow({
    name: "inbox",
    signals: { item: z.number() },
    state: () => ({ added: 0 }),
    updates: { add: update(z.number(), (state: { added: number }, by: number) => (state.added += by)) },
    async run(ctx, taken: readonly number[]): Promise<readonly number[]> {
      const got = [...taken, await ctx.signal("item")];
      return got.length === 6 ? got : ctx.continueAsNew(got);
    },
  });

  test("signals that nobody has taken go to the next run, in their order, and none twice", async () => {
    const { pawl } = await h.run([inbox]);
    const handle = await pawl.start(inbox, []);
    for (let n = 1; n <= 3; n++) await handle.signal("item", n, { signalId: `n${n}` });
    for (let n = 1; n <= 3; n++) await handle.signal("item", n, { signalId: `n${n}` });
    await eventually(async () => expect((await handle.status()).runNumber).toBe(4));
    // Known to an earlier run only.
    await handle.signal("item", 1, { signalId: "n1" });
    for (let n = 4; n <= 6; n++) await handle.signal("item", n);
    expect(await handle.result()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("an update is answered wherever it was read", async () => {
    const { pawl } = await h.run([inbox]);
    const handle = await pawl.start(inbox, []);
    const replies: number[] = [];
    for (let n = 1; n <= 6; n++) {
      replies.push(await handle.update("add", n));
      await handle.signal("item", n);
    }
    expect(await handle.result()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(replies.every((reply) => reply > 0)).toBe(true);
  });

  test("a repeated update gets its reply from whichever run has read it, and none that a rollback has left behind", async () => {
    let bonus = 0;
    const adding = defineWorkflow({
      name: "adding",
      signals: { next: z.number() },
      state: () => ({ sum: 0 }),
      updates: { add: update(z.number(), (state: { sum: number }, n) => (state.sum += n + bonus)) },
      async run(ctx, round: number): Promise<string> {
        await ctx.step("begin", () => round);
        await ctx.signal("next");
        return round === 7 ? "end" : ctx.continueAsNew(round + 1);
      },
    });
    const { pawl } = await h.run([adding]);
    const handle = await pawl.start(adding, 1);
    expect(await handle.update("add", 1, { updateId: "first" })).toBe(1);
    for (let round = 1; round <= 6; round++) await handle.signal("next", round);
    await eventually(async () => expect((await handle.status()).runNumber).toBe(7));
    expect(await handle.update("add", 1, { updateId: "first", timeout: "20 seconds" })).toBe(1);
    expect(await handle.update("add", 2, { updateId: "last" })).toBe(2);
    bonus = 100;
    await handle.rollback({ to: { step: "begin" } });
    expect(await handle.update("add", 2, { updateId: "last", timeout: "20 seconds" })).toBe(102);
    expect(await handle.update("add", 1, { updateId: "first", timeout: "20 seconds" })).toBe(1);
    await handle.signal("next", 7);
    expect(await handle.result()).toBe("end");
  });

  test("a cancel request reaches the run that is there", async () => {
    const spinning = defineWorkflow({
      name: "spinning",
      async run(ctx, round: number): Promise<void> {
        await ctx.sleep(5);
        ctx.continueAsNew(round + 1);
      },
    });
    const { pawl } = await h.run([spinning]);
    const handle = await pawl.start(spinning, 0);
    await eventually(async () => expect((await handle.status()).runNumber).toBeGreaterThan(3));
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
  });
});

describe("families", () => {
  const looping = defineWorkflow({
    name: "looping",
    async run(ctx, left: number): Promise<string> {
      await ctx.sleep(left > 100 ? 20 : 1);
      return left === 0 ? "through" : ctx.continueAsNew(left - 1);
    },
  });
  const parent = defineWorkflow({ name: "patient", run: (ctx, left: number) => ctx.child(looping, left, { executionId: `${ctx.executionId}-child` }) });

  test("a parent hears of the end of the last run", async () => {
    const { pawl } = await h.run([looping, parent]);
    const handle = await pawl.start(parent, 3, { executionId: "patient" });
    expect(await handle.result()).toBe("through");
    expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "ChildStarted", "ChildCompleted", "ExecutionCompleted"]);
  });

  test("a parent that is cancelled reaches its child in whichever run it is", async () => {
    const { pawl } = await h.run([looping, parent]);
    const handle = await pawl.start(parent, 1_000_000, { executionId: "impatient" });
    const child = pawl.handle("impatient-child", looping);
    await eventually(async () => expect((await child.status()).runNumber).toBeGreaterThan(2));
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    await refusalOf(child.result(), ExecutionCancelled);
  });

  test("a parent that is cancelled, and takes its time to clean up, reaches its child in whichever run it is at once", async () => {
    const cleaned = gate();
    const careful = defineWorkflow({
      name: "careful",
      async run(ctx) {
        try {
          return await ctx.child(looping, 1_000_000, { executionId: "careful-child" });
        } finally {
          await ctx.shield((shielded) => shielded.step("clean up", () => cleaned.opened));
        }
      },
    });
    const { pawl } = await h.run([looping, careful]);
    const handle = await pawl.start(careful, undefined);
    const child = pawl.handle("careful-child", looping);
    await eventually(async () => expect((await child.status()).runNumber).toBeGreaterThan(2));
    await handle.cancel();
    await refusalOf(child.result(), ExecutionCancelled);
    expect((await handle.status()).state).toBe("running");
    cleaned.open();
    await refusalOf(handle.result(), ExecutionCancelled);
  });

  test("one start by key finds the execution in any of its runs", async () => {
    const { pawl } = await h.run([looping]);
    const first = await pawl.start(looping, 2, { idempotencyKey: "loop" });
    await first.result();
    const second = await pawl.start(looping, 2, { idempotencyKey: "loop" });
    expect(second.executionId).toBe(first.executionId);
  });
});

test("an input that does not fit fails where it is given", async () => {
  const strict = defineWorkflow({ name: "strict", input: z.object({ n: z.number() }), run: (ctx) => ctx.continueAsNew({ n: "one" } as never) });
  const { pawl } = await h.run([strict]);
  const error = await refusalOf(pawl.execute(strict, { n: 1 }), ExecutionFailed);
  expect(error.cause).toMatchObject({ name: InputInvalid.name, message: expect.stringContaining("input.n") as string });
});

test("a cancelled execution does not continue", async () => {
  const waiting = defineWorkflow({
    name: "waiting",
    async run(ctx, round: number): Promise<void> {
      try {
        await ctx.sleep("1 hour");
      } finally {
        await ctx.shield(async (shielded) => {
          await shielded.step("tidy", () => {});
          shielded.continueAsNew(round + 1);
        });
      }
    },
  });
  const { pawl } = await h.run([waiting]);
  const handle = await pawl.start(waiting, 0);
  await eventually(async () => expect((await handle.history()).length).toBe(2));
  await handle.cancel();
  await refusalOf(handle.result(), ExecutionCancelled);
  expect((await handle.status()).runNumber).toBe(1);
});

test("a recorded run that continued is replayed to the same end", async () => {
  const { pawl } = await h.run([counter]);
  const handle = await pawl.start(counter, { left: 2, sum: 0 });
  await handle.result();
  const [first] = await handle.runs();
  const recorded = await recordHistory(handle, { runId: first!.runId });
  expect(await replayHistory(counter, JSON.stringify(recorded))).toMatchObject({ state: "continued_as_new", input: { left: 1, sum: 2 } });
  const changed = defineWorkflow({ name: "counter", run: (ctx) => ctx.step("add", () => 1) });
  expect((await failureOf(replayHistory(changed, recorded))).message).toContain("the end (continued_as_new)");
  expect((await failureOf(handle.history({ runId: "nonsense" }))).message).toContain("runs()");
});

test("is exported and imported with all its runs", async () => {
  const { pawl } = await h.run([counter]);
  const handle = await pawl.start(counter, { left: 3, sum: 0 }, { executionId: "exported" });
  await handle.result();
  const copy = await pawl.importExecution(await pawl.exportExecution("exported"), { executionId: "imported" });
  const runs = await copy.runs();
  expect(runs.map(({ state }) => state)).toEqual(["continued_as_new", "continued_as_new", "completed"]);
  expect((await copy.history({ runId: runs[0]!.runId })).at(-1)!.event).toMatchObject({ nextRunId: runs[1]!.runId });
  expect((await copy.history())[0]!.event).toMatchObject({ continuedFrom: { runId: runs[1]!.runId } });
});
