/** A process dies before or after the commit that continues an execution as new, or deletes the run before: it happened whole or not at all, and once. */
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
  ["continue-as-new/before", { run: 1, past: 0, state: "running" }],
  ["continue-as-new/after", { run: 2, past: 1, state: "running" }],
  ["delete-continued/before", { run: 2, past: 1, state: "completed" }],
  ["delete-continued/after", { run: 2, past: 0, state: "completed" }],
] as const)("killed at %s", async (kill, { run, past, state }) => {
  const database = await template.copy();
  await runUntilKilled("continue-as-new.mjs", database.url, { kill });
  const [row] = await query<object>(
    database.url,
    "SELECT run_number, state, labels, attributes, (SELECT count(*)::int FROM pawl.past_runs) AS past FROM pawl.executions",
  );
  expect(row).toEqual({ run_number: run, state, labels: { of: "first" }, attributes: { size: 1 }, past });

  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: [workflow], pollInterval: 20, retentionInterval: "1h" });
  const handle = pawl.handle("first");
  const result = await handle.result({ timeout: "2 minutes" });
  const runs = await handle.runs();
  expect(runs.map((each) => each.state)).toEqual(kill === "delete-continued/after" ? ["completed"] : ["continued_as_new", "completed"]);
  // What had come before anyone wanted it reached the next run, in its order, once.
  expect(result).toEqual([1, 2, runs.at(-1)!.runId]);
  if (runs.length > 1) {
    const first = await handle.history({ runId: runs[0]!.runId });
    expect(first.filter(({ event }) => event.type === "UpdateCompleted")).toHaveLength(2);
  }
  await pawl.retention.set({ keep: 0 });
  await pawl.retention.run();
  expect(await query(database.url, "SELECT run_id FROM pawl.history UNION ALL SELECT run_id FROM pawl.past_runs")).toEqual([]);
  await pawl.close();
  await checkInvariants(database.url);
  await database.drop();
});
