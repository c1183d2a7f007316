/** A process dies before or after a commit that changes attributes, deletes or imports: it happened whole or not at all. */
import { openPawl, silentLogger } from "pawl/internal";
import { defineWorkflow } from "pawl";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, query } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";

const workflow = defineWorkflow({
  name: "searchable",
  run: async (ctx) => {
    await ctx.setAttributes({ phase: "begun" });
    await ctx.setAttributes({ phase: "done", size: 1 });
  },
});
const template = crashTemplate();

/** What the dead process must have left: attributes, the copy, and whether both are still there. */
const left: readonly (readonly [string, { readonly attributes?: object; readonly ids: readonly string[] }])[] = [
  ["commit/before", { attributes: { phase: "begun" }, ids: ["first"] }],
  ["commit/after", { attributes: { phase: "done", size: 1 }, ids: ["first"] }],
  ["import-execution/before", { attributes: { phase: "done", size: 1 }, ids: ["first"] }],
  ["import-execution/after", { attributes: { phase: "done", size: 1 }, ids: ["copy", "first"] }],
  ["set-retention/after", { attributes: { phase: "done", size: 1 }, ids: ["copy", "first"] }],
  ["delete-ended/before", { attributes: { phase: "done", size: 1 }, ids: ["copy", "first"] }],
  ["delete-ended/after", { ids: [] }],
];

test.each(left)("killed at %s", async (kill, expected) => {
  const database = await template.copy();
  await runUntilKilled("search.mjs", database.url, { kill });
  const rows = await query<{ execution_id: string; attributes: object }>(
    database.url,
    "SELECT execution_id, attributes FROM pawl.executions ORDER BY execution_id",
  );
  expect(rows.map((row) => row.execution_id)).toEqual(expected.ids);
  for (const { attributes } of rows) expect(attributes).toEqual(expected.attributes);

  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: [workflow], pollInterval: 20, retentionInterval: "1h" });
  if (expected.ids.length > 0) await pawl.handle("first").result({ timeout: "2 minutes" });
  for (const { attributes } of (await pawl.list()).executions) expect(attributes).toEqual({ phase: "done", size: 1 });
  await pawl.retention.set({ keep: 0 });
  await pawl.retention.run();
  await pawl.close();
  await checkInvariants(database.url);
  const [count] = await query<{ n: number }>(
    database.url,
    "SELECT (SELECT count(*) FROM pawl.executions)::int + (SELECT count(*) FROM pawl.history)::int AS n",
  );
  expect(count!.n).toBe(0);
  await database.drop();
});
