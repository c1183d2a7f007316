import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { defineWorkflow, HistoryInvalid, NondeterminismDetected, OptionInvalid, type AnyWorkflow, type WorkflowContext } from "pawl";
import { recordHistory, replayHistory, TestPawl, type RecordedHistory } from "pawl/testing";

// The first in-memory database of a process takes long to make where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

interface Order {
  readonly cents: number;
}

const child = defineWorkflow({ name: "receipt", run: (ctx, input: Order) => ctx.step("print", () => `paid ${input.cents}`) });

/** A version of the workflow "order" with this code. */
const orderBy = <Out>(run: (ctx: WorkflowContext, input: Order) => Promise<Out>) => defineWorkflow({ name: "order", retry: { initialInterval: 1 }, run });

const order = orderBy(async (ctx, input) => {
  const [token] = await Promise.all([
    ctx.step("charge", ({ attempt }) => {
      if (attempt === 1) throw new Error("busy");
      return new Map([["cents", BigInt(input.cents)]]);
    }),
    ctx.step("reserve", () => "b"),
  ]);
  await ctx.sleep("1 day");
  return { token, lot: ctx.random(), id: ctx.uuid(), receipt: await ctx.child(child, input) };
});

let pawl: TestPawl;
let whole: RecordedHistory;
let result: unknown;

beforeAll(async () => {
  pawl = await TestPawl.open();
  await pawl.worker({ workflows: [order, child] });
  const handle = await pawl.start(order, { cents: 7 }, { executionId: "order-7" });
  result = await handle.result();
  whole = await recordHistory(handle);
});

afterAll(() => pawl.close());

/** As it was when an event of this type had just been recorded. */
const until = (type: string): RecordedHistory => ({ ...whole, events: whole.events.slice(0, whole.events.findIndex((event) => event.type === type) + 1) });
const misfit = async (workflow: AnyWorkflow, history: RecordedHistory | string = whole): Promise<NondeterminismDetected> =>
  replayHistory(workflow, history).then(
    () => expect.unreachable("it fits"),
    (error: unknown) => {
      expect(error).toBeInstanceOf(NondeterminismDetected);
      return error as NondeterminismDetected;
    },
  );

describe("code that still fits", () => {
  test("gives the recorded result again, with rich values and the same chance, also from the text of a file", async () => {
    const outcome = await replayHistory(order, JSON.stringify(whole, undefined, 2));
    expect(outcome).toEqual({ executionId: "order-7", events: whole.events.length, state: "completed", result });
  });

  test("says what an unfinished execution waits for", async () => {
    expect(await replayHistory(order, until("ExecutionStarted"))).toMatchObject({ state: "running", waitingFor: ['step "charge"', 'step "reserve"'] });
    expect(await replayHistory(order, until("TimerStarted"))).toMatchObject({ state: "running", waitingFor: ["sleep(86400000 ms)"] });
    expect(await replayHistory(order, until("ChildStarted"))).toMatchObject({ state: "running", waitingFor: ['child "receipt"'] });
  });

  test("runs no step and reads no clock", async () => {
    const clock = orderBy(async (ctx) => {
      await ctx.step("charge", () => expect.unreachable("a step ran"));
      Date.now();
    });
    const outcome = await replayHistory(clock, { ...whole, events: until("ExecutionStarted").events });
    expect(outcome).toMatchObject({ state: "running" });
  });

  test("a failed execution may go on in mended code; one that was cancelled must end so again", async () => {
    const fragile = defineWorkflow({
      name: "fragile",
      async run(ctx) {
        await ctx.step("a", () => 1);
        throw new Error("a mistake");
      },
    });
    const waiting = defineWorkflow({ name: "waiting", run: (ctx) => ctx.sleep("9 days") });
    const worker = await pawl.worker({ workflows: [fragile, waiting] });
    const failed = await pawl.start(fragile, undefined);
    await failed.result().catch(() => {});
    const mended = defineWorkflow({ name: "fragile", run: (ctx) => ctx.step("a", () => 1) });
    expect(await replayHistory(fragile, await recordHistory(failed))).toMatchObject({ state: "failed", error: { message: "a mistake" } });
    expect(await replayHistory(mended, await recordHistory(failed))).toMatchObject({ state: "completed", result: 1 });

    const cancelled = await pawl.start(waiting, undefined);
    await pawl.time.advance("1 day");
    await cancelled.cancel({ reason: "enough" });
    await cancelled.result().catch(() => {});
    const history = await recordHistory(cancelled);
    expect(await replayHistory(waiting, history)).toMatchObject({ state: "cancelled" });
    const stubborn = defineWorkflow({ name: "waiting", run: (ctx) => ctx.sleep("9 days").catch(() => {}) });
    expect(await misfit(stubborn, history)).toMatchObject({ recorded: "the end (cancelled)", called: "the end: it returned" });
    await worker.stop();
  });
});

describe("code that no longer fits", () => {
  test("another call in the place of a recorded one is named with both sides", async () => {
    const renamed = orderBy(async (ctx) => {
      await ctx.step("pay", () => 1);
    });
    expect(await misfit(renamed)).toMatchObject({ position: 1, recorded: 'step "charge"', called: 'step "pay"' });
    const reordered = orderBy(async (ctx) => {
      await ctx.sleep("1 day");
      await ctx.step("charge", () => 1);
    });
    expect(await misfit(reordered)).toMatchObject({ position: 1, recorded: 'step "charge"', called: "sleep(86400000 ms)" });
  });

  test("a call that is gone is named, with how the code ended", async () => {
    const short = orderBy(async (ctx) => {
      await ctx.all([() => ctx.step("charge", () => 1), () => ctx.step("reserve", () => 1)]);
      return "done";
    });
    expect(await misfit(short)).toMatchObject({ position: 3, recorded: "sleep", called: "the end: it returned" });
  });

  test("a call after the recorded end is named", async () => {
    const longer = orderBy(async (ctx, input) => {
      await ctx.all([() => ctx.step("charge", () => 1), () => ctx.step("reserve", () => 1)]);
      await ctx.sleep("1 day");
      await ctx.child(child, input);
      await ctx.step("thank", () => 1);
    });
    expect(await misfit(longer)).toMatchObject({ position: 5, recorded: "the end (completed)", called: 'step "thank"' });
  });

  test("what the guard refuses makes an end that was not recorded", async () => {
    const clock = orderBy(async (ctx) => {
      await Promise.all([ctx.step("charge", () => 1), ctx.step("reserve", () => 1)]);
      return Date.now();
    });
    expect((await misfit(clock)).called).toMatch(/^the end: it threw NondeterministicCall: Workflow code called Date.now\(\)/);
  });

  test("a schema that refuses the recorded input says so", async () => {
    const strict = defineWorkflow({ name: "order", input: z.object({ cents: z.number(), currency: z.string() }), run: () => {} });
    await expect(replayHistory(strict, whole)).rejects.toThrow(/input.currency/);
  });

  test("an execution whose input the schema has refused fits where it is refused again", async () => {
    const strict = defineWorkflow({ name: "strict", input: z.object({ cents: z.number() }), run: async (ctx, { cents }) => ctx.step("pay", () => cents) });
    const lenient = defineWorkflow({ name: "strict", run: async (ctx) => ctx.step("pay", () => 0) });
    await pawl.worker({ workflows: [strict] });
    const handle = await pawl.start(lenient, undefined);
    await expect(handle.result()).rejects.toThrow(/input/);
    const history = await recordHistory(handle);
    const outcome = await replayHistory(strict, history);
    expect(outcome).toMatchObject({ state: "failed", events: 2, error: { code: "INPUT_INVALID" } });
    expect(await replayHistory(lenient, history)).toMatchObject({ state: "running", waitingFor: ['step "pay"'] });
  });
});

describe("what is no history of the workflow", () => {
  test.each([
    ["not json", /^history: is not JSON/],
    ["[]", /^history: must be an object/],
    ["{}", /^events: must be a list/],
    [{ format: "pawl.execution", runs: [] }, /^format: is an exported execution.*`pawl replay` takes its file/],
    [{ events: [{}] }, /^events\[0\].seq: must be 1/],
    [{ events: [{ seq: 1, at: "now", type: "ExecutionStarted" }] }, /^events\[0\].at: must be a time/],
    [{ events: [{ seq: 1, at: "2030-01-01T00:00:00Z", type: "StepCompleted" }] }, /^events\[0\].type: must be ExecutionStarted/],
    [{ events: [{ seq: 1, at: "2030-01-01T00:00:00Z", type: "ExecutionStarted" }] }, /^executionId: must be a text. Record it with/],
    [{ events: [{ seq: 1, at: "2030-01-01T00:00:00Z", type: "ExecutionStarted", "input#": "#[" }] }, /^events\[0\]: holds a value that cannot be decoded/],
  ])("%j is refused with the path and the reason", async (history, message) => {
    const error = await replayHistory(order, history as never).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(HistoryInvalid);
    expect((error as Error).message).toMatch(message);
  });

  test("so is the history of another workflow, and what is no workflow", async () => {
    await expect(replayHistory(child, whole)).rejects.toThrow(/is "receipt", but the history of order-7 is of workflow "order"/);
    await expect(replayHistory({} as AnyWorkflow, whole)).rejects.toThrow(OptionInvalid);
  });
});
