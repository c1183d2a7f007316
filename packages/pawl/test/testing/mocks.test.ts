import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defineWorkflow, ExecutionCancelled, OptionInvalid, step, stepContext } from "pawl";
import { TestPawl } from "pawl/testing";
import { z } from "zod";

// The first in-memory database of a process takes long to make where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let pawl: TestPawl;

beforeEach(async () => {
  pawl = await TestPawl.open();
});

afterEach(async () => {
  await pawl.close({ drain: 0 });
});

const real: string[] = [];
const embed = step("embed", async (text: string, size: number): Promise<number[]> => {
  real.push(text);
  return Array.from({ length: size }, () => 0);
});
const charge = defineWorkflow({
  name: "charge",
  run: (ctx, { cents }: { cents: number }) => ctx.step("pay", () => ({ paid: cents, by: "the real one" })),
});
const order = defineWorkflow({
  name: "order",
  retry: { initialInterval: "1 hour", maximumAttempts: 3 },
  async run(ctx, { cents }: { cents: number }) {
    const stock = await ctx.step("reserve", () => "the real stock");
    await ctx.sleep("1 day");
    const vector = await embed(stock, 2);
    const { paid, by } = await ctx.child(charge, { cents });
    return { stock, vector, paid, by };
  },
});

test("a mock answers in the place of the step of that name, and counts", async () => {
  const reserve = pawl.mocks.step("reserve", (context) => `${context.executionId} attempt ${context.attempt}`);
  await pawl.worker({ workflows: [order, charge] });
  expect(await pawl.execute(order, { cents: 5 }, { executionId: "o-1" })).toEqual({ stock: "o-1 attempt 1", vector: [0, 0], paid: 5, by: "the real one" });
  // The replay after the sleep called nothing again.
  expect(reserve.calls).toMatchObject([{ executionId: "o-1", workflow: "order", attempt: 1, idempotencyKey: "o-1/reserve/1" }]);
});

test("a reusable step's mock gets its arguments and can reach its attempt", async () => {
  const mock = pawl.mocks.step(embed, (text, size) => [text.length, size, stepContext().attempt]);
  await pawl.worker({ workflows: [order, charge] });
  real.length = 0;
  expect(await pawl.execute(order, { cents: 5 })).toMatchObject({ vector: [14, 2, 1] });
  expect(mock.calls.map(({ args }) => args)).toEqual([["the real stock", 2]]);
  expect(real).toEqual([]);
});

test("what a mock throws is retried as the policy says, and a mock that is used up leaves the rest to the original", async () => {
  const failing = pawl.mocks.step(
    "reserve",
    () => {
      throw new Error("out of stock");
    },
    { times: 2 },
  );
  await pawl.worker({ workflows: [order, charge] });
  expect(await pawl.execute(order, { cents: 5 })).toMatchObject({ stock: "the real stock" });
  expect(failing.calls.map(({ attempt }) => attempt)).toEqual([1, 2]);
});

test("the newest mock wins, and restoring it brings back the one before", async () => {
  const older = pawl.mocks.step("reserve", () => "older");
  const newer = pawl.mocks.step("reserve", () => "newer");
  await pawl.worker({ workflows: [order, charge] });
  expect(await pawl.execute(order, { cents: 1 })).toMatchObject({ stock: "newer" });
  newer.restore();
  expect(await pawl.execute(order, { cents: 1 })).toMatchObject({ stock: "older" });
  pawl.mocks.restoreAll();
  expect(await pawl.execute(order, { cents: 1 })).toMatchObject({ stock: "the real stock" });
  expect([older.calls.length, newer.calls.length]).toEqual([1, 1]);
});

test("a mock can be for one workflow only", async () => {
  const other = defineWorkflow({ name: "other", run: (ctx) => ctx.step("reserve", () => "the other one's") });
  pawl.mocks.step("reserve", () => "mocked", { workflow: order });
  await pawl.worker({ workflows: [order, charge, other] });
  expect(await pawl.execute(order, { cents: 1 })).toMatchObject({ stock: "mocked" });
  expect(await pawl.execute(other, undefined)).toBe("the other one's");
});

test("a mocked child need not be in the worker's list, and is recorded as a child", async () => {
  const mock = pawl.mocks.workflow(charge, ({ cents }) => ({ paid: cents * 2, by: "the mock" }));
  await pawl.worker({ workflows: [order] });
  const handle = await pawl.start(order, { cents: 4 }, { executionId: "o-2" });
  expect(await handle.result()).toMatchObject({ paid: 8, by: "the mock" });
  expect(mock.calls).toMatchObject([{ executionId: "o-2.4", workflow: "charge", args: [{ cents: 4 }] }]);
  expect((await handle.history()).map(({ event }) => event.type)).toContain("ChildCompleted");
});

test("what a mocked child throws fails it at once, and mocks of steps work inside shields", async () => {
  const undone = pawl.mocks.step("release", () => "released");
  const careful = defineWorkflow({
    name: "careful",
    async run(ctx) {
      try {
        return await ctx.child(charge, { cents: 1 });
      } catch (error) {
        return [(error as Error).message, await ctx.shield((shielded) => shielded.step("release", () => "the real release"))];
      }
    },
  });
  const mock = pawl.mocks.workflow(charge, () => {
    throw new Error("declined");
  });
  await pawl.worker({ workflows: [careful] });
  expect(await pawl.execute(careful, undefined)).toEqual([expect.stringContaining("declined"), "released"]);
  expect([mock.calls.length, undone.calls.length]).toEqual([1, 1]);
});

test("mocks of reusable steps work inside shields and compensations, which a cancel request leaves alone", async () => {
  const release = step("release", (what: string) => `really ${what}`);
  const mock = pawl.mocks.step(release, (what) => `mocked ${what}`);
  const undone: unknown[] = [];
  const careful = defineWorkflow({
    name: "careful-with-steps",
    run: async (ctx) =>
      ctx.saga(async (saga) => {
        saga.compensate(async () => undone.push(await release("flight")));
        try {
          await ctx.sleep("1 day");
        } finally {
          undone.push(await ctx.shield(() => release("server")));
        }
      }),
  });
  await pawl.worker({ workflows: [careful] });
  const handle = await pawl.start(careful, undefined);
  await handle.cancel();
  await expect(handle.result()).rejects.toThrow(ExecutionCancelled);
  expect([...new Set(undone)]).toEqual(["mocked server", "mocked flight"]);
  expect(mock.calls.map(({ args }) => args)).toEqual([["server"], ["flight"]]);
});

test("an execution that began on a mock stays on it", async () => {
  const long = defineWorkflow({ name: "long", run: (ctx) => ctx.step("real", () => "real") });
  const mock = pawl.mocks.workflow(long, () => "mocked", { times: 1 });
  await pawl.worker({ workflows: [long] });
  expect([await pawl.execute(long, undefined), await pawl.execute(long, undefined)]).toEqual(["mocked", "real"]);
  expect(mock.calls).toHaveLength(1);
});

test("a schema still checks what a mocked workflow is given, which gets it as its callers pass it", async () => {
  const dated = defineWorkflow({
    name: "dated",
    input: z.object({ since: z.string().transform((text) => new Date(text)) }),
    run: (_ctx, { since }) => since.getUTCFullYear(),
  });
  const worker = await pawl.worker({ workflows: [dated] });
  expect(await pawl.execute(dated, { since: "2030-05-05" })).toBe(2030);
  pawl.mocks.workflow(dated, ({ since }) => since.length);
  expect(await pawl.execute(dated, { since: "2030-05-05" })).toBe(10);
  await expect(pawl.execute(dated, { since: 5 as unknown as string })).rejects.toThrow(/input.since/);
  await worker.stop();
});

test("what cannot be mocked is refused with the reason", () => {
  const { mocks } = pawl;
  expect(() => mocks.step((() => "x") as never, () => "y")).toThrow(/^mocks.step: takes a step made by step\(name, fn\)/);
  expect(() => mocks.step("", () => "y")).toThrow(OptionInvalid);
  expect(() => mocks.step("a", "y" as never)).toThrow(/^mocks.step "a": takes a function/);
  expect(() => mocks.step("a", () => "y", { times: 0 })).toThrow(/times: must be at least 1/);
  expect(() => mocks.workflow("charge" as never, async () => undefined as never)).toThrow(/takes a workflow made by defineWorkflow/);
});
