import { AsyncLocalStorage } from "node:async_hooks";
import { defineWorkflow, step, update, workflowContext } from "pawl";
import { expect, test } from "vitest";
import { z } from "zod";
import { harness, parkedSleep, quickly } from "./harness.ts";

const h = harness();
const tenant = new AsyncLocalStorage<string>();

/** Requests of others go on starting things, and waiting for them, until it settles. */
async function amongOthers<Result>(of: string, request: () => Promise<unknown>, fn: () => Promise<Result>): Promise<Result> {
  const over = new AbortController();
  const others = async (): Promise<void> => {
    while (!over.signal.aborted) await tenant.run(of, request);
  };
  const [result] = await Promise.all([fn().finally(() => over.abort()), others()]);
  return result;
}

test("workflow code and steps see nothing of who started the execution, nor of whom the worker serves meanwhile", async () => {
  const seen: Record<string, string | undefined> = {};
  const see = (place: string): void => void (seen[place] = tenant.getStore());
  const look = step("a reusable step", () => see("a reusable step"));
  const quick = defineWorkflow({ name: "quick", run: (ctx) => ctx.step("s", () => 1) });
  const workflow = defineWorkflow({
    name: "looks",
    retry: quickly,
    input: z.string().refine(() => (see("the schema in the end"), true)),
    state: () => (see("the state"), { changed: false }),
    updates: {
      change: update(z.boolean(), (state: { changed: boolean }, changed) => {
        see("an update");
        state.changed = changed;
      }),
    },
    async run(ctx) {
      see("the code");
      await ctx.step("the first step", async ({ attempt }) => {
        see(`attempt ${attempt}`);
        await Promise.resolve();
        see(`attempt ${attempt}, later`);
        if (attempt < 6) throw new Error("again");
      });
      see("the code after a step");
      await Promise.all([ctx.step("one lane", () => see("one lane")), ctx.step("another", () => see("another lane"))]);
      await ctx.sleep(20);
      await ctx.step("after a sleep", () => see("after a sleep in memory"));
      await ctx.until(() => (see("a condition"), ctx.state.changed));
      await ctx.step("after an update", () => see("after an update"));
      await ctx.sleep(parkedSleep);
      await look();
      see("the code after a replay");
      return workflowContext().executionId;
    },
  });
  const { pawl } = await tenant.run("opened by", () => h.run([workflow, quick]));
  const handle = await tenant.run("started by", () => pawl.start(workflow, "x"));
  const result = amongOthers(
    "another",
    () => pawl.execute(quick, undefined),
    async () => {
      await tenant.run("updated by", () => handle.update("change", true));
      return handle.result();
    },
  );
  expect(await result).toBe(handle.executionId);
  expect(Object.entries(seen).filter(([, by]) => by !== undefined)).toEqual([]);
  expect(Object.keys(seen)).toHaveLength(24);
});

test("what a step enters for good does not reach another", async () => {
  const workflow = defineWorkflow({
    name: "enters",
    run: async (ctx) => {
      await ctx.step("enters", () => tenant.enterWith("entered"));
      await ctx.sleep(1);
      return ctx.step("looks", () => tenant.getStore() ?? null);
    },
  });
  const { pawl } = await h.run([workflow]);
  expect(await Promise.all([1, 2, 3].map(() => pawl.execute(workflow, undefined)))).toEqual([null, null, null]);
});
