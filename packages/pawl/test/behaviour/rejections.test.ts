/** Promises that reject while nobody waits for them, which would end the process of the worker, and of every one that replays. */
import { defineWorkflow, step, type WorkflowContext } from "pawl";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually, gate, harness, parkedSleep } from "./harness.ts";

const h = harness();

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", note);
});

afterEach(() => {
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

const once = { retry: { maximumAttempts: 1 } } as const;
const throws = (): never => {
  throw new Error("bad");
};
const bad = step("bad", throws, once);

class Methods {
  @step(once)
  async bad(): Promise<void> {
    throws();
  }
}

const failing: readonly [string, (ctx: WorkflowContext) => Promise<unknown>][] = [
  ["a step", (ctx) => ctx.step("bad", throws, once)],
  ["a transaction", (ctx) => ctx.transaction("bad", async () => throws(), once)],
  ["a reusable step", () => bad()],
  ["a decorated step", () => new Methods().bad()],
  ["ctx.map", (ctx) => ctx.map([1, 2], () => bad())],
  ["ctx.all", (ctx) => ctx.all([() => bad()])],
  ["ctx.race", (ctx) => ctx.race([() => bad()])],
  ["ctx.saga", (ctx) => ctx.saga(async () => bad())],
  ["ctx.shield", (ctx) => ctx.shield(async () => bad())],
];

test.each(failing)("%s that fails while the code waits for another call is caught when the code comes to wait for it", async (_, fail) => {
  const released = gate();
  const run = defineWorkflow({
    name: "waits-one-by-one",
    run: async (ctx) => {
      const first = ctx.step("slow", () => released.opened);
      const second = fail(ctx);
      let caught = "nothing";
      try {
        await first;
        await second;
      } catch (error) {
        caught = (error as Error).message;
      }
      await ctx.sleep(parkedSleep);
      return caught;
    },
  });
  const { pawl } = await h.run([run]);
  const handle = await pawl.start(run, undefined);
  await eventually(async () => expect((await handle.history()).some(({ event }) => event.type === "StepFailed")).toBe(true));
  await new Promise(setImmediate);
  released.open();
  expect(await handle.result()).toBe("bad");
});

const waiting: readonly [string, (ctx: WorkflowContext) => Promise<unknown>][] = [
  ["a sleep", (ctx) => ctx.sleep("1 hour")],
  ["ctx.map", (ctx) => ctx.map([1, 2], () => ctx.sleep("1 hour"))],
  ["ctx.all", (ctx) => ctx.all([() => ctx.sleep("1 hour")])],
  ["ctx.race", (ctx) => ctx.race([() => ctx.sleep("1 hour")])],
  ["ctx.saga", (ctx) => ctx.saga(async () => ctx.sleep("1 hour"))],
];

test.each(waiting)("%s that nobody waits for yet is cancelled together with the one that is waited for", async (_, wait) => {
  const run = defineWorkflow({
    name: "cancelled-side-by-side",
    run: async (ctx) => {
      const [first, second] = [wait(ctx), wait(ctx)];
      await first;
      await second;
    },
  });
  const { pawl } = await h.run([run]);
  const handle = await pawl.start(run, undefined);
  await eventually(async () => expect((await handle.history()).some(({ event }) => event.type === "TimerStarted")).toBe(true));
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ name: "ExecutionCancelled" });
});

test("calls after a cancel request that nobody waits for end nothing, whoever makes them", async () => {
  const begun = gate();
  const report = defineWorkflow({ name: "report", run: async () => {} });
  const run = defineWorkflow({
    name: "swallows",
    run: async (ctx) => {
      const aborted = ctx.step("slow", ({ signal }) => {
        begun.open();
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
      });
      await aborted.catch(() => {});
      void ctx.child(report, undefined, { parentClosePolicy: "abandon" });
      void bad();
      void new Methods().bad();
      void ctx.map([1], () => ctx.set("phase", "over"));
      return "done";
    },
  });
  const { pawl } = await h.run([run, report]);
  const handle = await pawl.start(run, undefined);
  await begun.opened;
  await handle.cancel();
  expect(await handle.result()).toBe("done");
});

test("a query, a state and a condition that give a promise end nothing", async () => {
  const rejects = (): Promise<never> => Promise.reject(new Error("too late"));
  const run = defineWorkflow({
    name: "asynchronous",
    // As plain JavaScript may have it: what these give is not waited for.
    state: rejects,
    queries: { total: () => rejects() },
    run: async (ctx) => {
      return ctx.until(rejects as unknown as () => boolean).catch((error: Error) => error.message);
    },
  });
  const { pawl } = await h.run([run]);
  const handle = await pawl.start(run, undefined);
  // It would always be so.
  expect(await handle.result()).toMatch(/^ctx.until: takes a function that says at once whether it is so/);
  await expect(handle.query("total")).rejects.toMatchObject({ name: "ValueNotSerializable" });
});

test("a race in which a task throws at once leaves none of the others behind unhandled", async () => {
  const run = defineWorkflow({
    name: "race-throws",
    run: async (ctx) => {
      const late = async (): Promise<void> => {
        await ctx.sleep(1);
        throws();
      };
      const caught = await ctx.race([late, () => ctx.step("", throws)]).catch((error: Error) => error.name);
      await ctx.sleep(50);
      return caught;
    },
  });
  const { pawl } = await h.run([run]);
  expect(await pawl.execute(run, undefined)).toBe("OptionInvalid");
});
