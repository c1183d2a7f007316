/** A process dies before or after the commit that ends a parent: its children go on with it, or get what their policies say. */
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, query } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { makeFamily } from "../support/programs/family.mjs";
import { waitFor } from "../support/wait.ts";

const template = crashTemplate();

const states = async (url: string) => {
  const rows = await query<{ id: string; state: string }>(url, "SELECT execution_id AS id, state FROM pawl.executions ORDER BY execution_id");
  return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
};

const ended = { parent: "completed", "parent-cancel": "cancelled", "parent-terminate": "terminated", "parent-abandon": "running" };

test.each([
  ["before", "running"],
  ["after", "completed"],
])("killed %s it", async (phase, parent) => {
  const database = await template.copy();
  await runUntilKilled("family.mjs", database.url, { phase });
  expect(await states(database.url)).toEqual({ parent, "parent-cancel": "running", "parent-terminate": "running", "parent-abandon": "running" });
  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: makeFamily(), pollInterval: 20 });
  await waitFor("everybody has what it should", async () => (JSON.stringify(await states(database.url)) === JSON.stringify(sorted(ended)) ? true : undefined));
  await pawl.close();
  await checkInvariants(database.url);
  await database.drop();
});

const sorted = (of: Readonly<Record<string, string>>) => Object.fromEntries(Object.entries(of).toSorted(([a], [b]) => (a < b ? -1 : 1)));
