/** A process dies before or after a commit that changes labels and attributes, deletes or imports: it happened whole or not at all. */
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
    await Promise.all([ctx.setAttributes({ phase: "done", size: 1 }), ctx.setLabels({ stage: "done", of: null })]);
  },
});
const template = crashTemplate();

const begun = { labels: { of: "first" }, attributes: { phase: "begun" } };
const done = { labels: { stage: "done" }, attributes: { phase: "done", size: 1 } };

/** What the dead process must have left: labels and attributes, the copy, and whether both are still there. */
const left: readonly (readonly [string, { readonly values?: object; readonly ids: readonly string[] }])[] = [
  ["commit/before", { values: begun, ids: ["first"] }],
  ["commit/after", { values: done, ids: ["first"] }],
  ["import-execution/before", { values: done, ids: ["first"] }],
  ["import-execution/after", { values: done, ids: ["copy", "first"] }],
  ["set-retention/after", { values: done, ids: ["copy", "first"] }],
  ["delete-ended/before", { values: done, ids: ["copy", "first"] }],
  ["delete-ended/after", { ids: [] }],
];

test.each(left)("killed at %s", async (kill, expected) => {
  const database = await template.copy();
  await runUntilKilled("search.mjs", database.url, { kill });
  const rows = await query<{ execution_id: string; labels: object; attributes: object }>(
    database.url,
    "SELECT execution_id, labels, attributes FROM pawl.executions ORDER BY execution_id",
  );
  expect(rows.map((row) => row.execution_id)).toEqual(expected.ids);
  for (const { labels, attributes } of rows) expect({ labels, attributes }).toEqual(expected.values);

  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: [workflow], pollInterval: 20, retentionInterval: "1h" });
  if (expected.ids.length > 0) await pawl.handle("first").result({ timeout: "2 minutes" });
  for (const execution of (await pawl.list()).executions) expect(execution).toMatchObject(done);
  expect((await pawl.count({ filter: 'labels.stage == "done" && !has(labels.of)' })).count).toBe(expected.ids.length);
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
