/** A process dies before or after a commit that merges a start into another, or that signals whom it starts: it is part of it once, or not at all. */
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, query } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { gathered, requests, settled, signalled } from "../support/programs/shared-starts.mjs";

const template = crashTemplate();

/** What has arrived of what was asked for, in the order of `requests`: starts, as inputs of histories, and signals, which wait in the inbox. */
const arrivedSql = `SELECT e.workflow AS "of", h.data::jsonb ->> 'input' AS what FROM pawl.history h JOIN pawl.executions e USING (run_id)
 WHERE e.workflow <> 'signalled' AND h.type IN ('ExecutionStarted', 'StartMerged')
UNION ALL
SELECT e.workflow, x.data::jsonb ->> 'payload' FROM pawl.inbox x JOIN pawl.executions e USING (run_id) ORDER BY 1, 2`;
const asked = ["gathered [1]", "gathered [2]", "gathered [3]", "settled a", "settled b", "signalled first", "signalled second"];

// Before each of them is as after the one before it.
test.each([
  ["merge-start/before", 1, 1],
  ["merge-start/after", 1, 2],
  ["merge-start/after", 2, 3],
  ["signal-with-start/before", 1, 5],
  ["signal-with-start/after", 1, 6],
  ["signal-with-start/after", 2, 7],
])("killed at %s, time %i", async (boundary, occurrence, arrived) => {
  const database = await template.copy();
  await runUntilKilled("shared-starts.mjs", database.url, { kill: { boundary, occurrence } });
  const rows = await query<{ of: string; what: string }>(database.url, arrivedSql);
  expect(rows.map(({ of, what }) => `${of} ${what}`)).toEqual(asked.slice(0, arrived));

  const pawl = await openPawl({ url: database.url, migrate: false, poolSize: 2, logger: silentLogger });
  // Signals are asked for again, whether they have arrived or not: they have ids. Starts that are merged have none.
  for (const [index, request] of requests.entries()) if (index >= Math.min(arrived, 5)) await request(pawl);
  await pawl.worker({ workflows: [gathered, settled, signalled], pollInterval: 20 });
  const { executions } = await pawl.list();
  const results = await Promise.all(
    executions.map(async ({ workflow, executionId }) => [workflow, await pawl.handle(executionId).result({ timeout: "1 minute" })]),
  );
  expect(results).toHaveLength(3);
  expect(Object.fromEntries(results)).toEqual({ gathered: [1, 2, 3], settled: "b", signalled: ["first", "second"] });
  await pawl.close();
  await checkInvariants(database.url);
  await database.drop();
});
