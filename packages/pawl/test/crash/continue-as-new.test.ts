/** A process dies before or after the commit that continues an execution as new: it happened whole or not at all, and once. */
import { defineWorkflow, update } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { z } from "zod";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, query } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";

const workflow = defineWorkflow({
  name: "continuing",
  signals: { item: z.number() },
  state: () => ({ added: 0 }),
  updates: { add: update(z.number(), (state: { added: number }, by: number) => (state.added += by)) },
  run: async (ctx, round: number): Promise<unknown> => {
    if (round > 0) return [await ctx.signal("item"), await ctx.signal("item"), ctx.runId];
    await ctx.until(() => ctx.state.added > 0);
    void ctx.step("aside", () => {});
    return ctx.continueAsNew(1);
  },
});
const template = crashTemplate();

test.each([
  ["continue-as-new/before", 1],
  ["continue-as-new/after", 2],
] as const)("killed at %s", async (kill, run) => {
  const database = await template.copy();
  await runUntilKilled("continue-as-new.mjs", database.url, { kill });
  const [row] = await query<object>(
    database.url,
    "SELECT run_number, state, labels, attributes, (SELECT count(*)::int FROM pawl.past_runs) AS past FROM pawl.executions",
  );
  expect(row).toEqual({ run_number: run, state: "running", labels: { of: "first" }, attributes: { size: 1 }, past: run - 1 });

  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: [workflow], pollInterval: 20 });
  const handle = pawl.handle("first");
  const result = await handle.result({ timeout: "2 minutes" });
  const runs = await handle.runs();
  expect(runs.map(({ state }) => state)).toEqual(["continued_as_new", "completed"]);
  // What had come before anyone wanted it reached the next run, in its order, once.
  expect(result).toEqual([1, 2, runs[1]!.runId]);
  const first = await handle.history({ runId: runs[0]!.runId });
  expect(first.filter(({ event }) => event.type === "UpdateCompleted")).toHaveLength(2);
  await pawl.close();
  await checkInvariants(database.url);
  await database.drop();
});
