/** A process dies around the commits that end a parent, and tell its children of that: they go on with it, or get what their policies say. */
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

const toldSql = `SELECT e.execution_id AS id, x.type FROM pawl.inbox x JOIN pawl.executions e USING (run_id) WHERE x.type <> 'ChildFailed' ORDER BY 1`;
const told = [
  { id: "parent-cancel", type: "CancelRequested" },
  { id: "parent-terminate", type: "ExecutionTerminated" },
];
const running = { "parent-cancel": "running", "parent-terminate": "running", "parent-abandon": "running" };

/** The next worker goes on until everybody is in one of these states, and no message is left. */
async function finish(url: string, ended: Readonly<Record<string, RegExp>>): Promise<void> {
  const pawl = await openPawl({ url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: makeFamily(), pollInterval: 20 });
  await waitFor("everybody has what it should", async () => {
    const now = await states(url);
    return Object.entries(ended).every(([id, state]) => state.test(now[id] ?? ""));
  });
  const handle = pawl.handle("parent-abandon");
  expect((await handle.history()).map(({ event }) => event.type)).not.toContain("CancelRequested");
  await pawl.close();
  expect(await query(url, "SELECT FROM pawl.inbox")).toEqual([]);
  await checkInvariants(url);
}

test.each([
  ["commit/before", "running"],
  ["commit/after", "completed"],
  ["tell-children/before", "running"],
  ["tell-children/after", "running"],
])("killed at %s as it ends by itself", async (boundary, parent) => {
  const database = await template.copy();
  await runUntilKilled("family.mjs", database.url, { kill: { boundary, occurrence: 1 }, cancels: false });
  expect(await states(database.url)).toEqual({ parent, ...running });
  if (boundary.startsWith("tell")) expect(await query(database.url, toldSql)).toEqual(boundary.endsWith("before") ? [] : told);
  await finish(database.url, { parent: /completed/, "parent-cancel": /cancelled/, "parent-terminate": /terminated/, "parent-abandon": /running/ });
  await database.drop();
});

/** Asked to cancel with their parent, in whatever run they are by now, while its code cleans up. */
test.each(["tell-children/before", "tell-children/after"])("killed at %s as it is cancelled", async (boundary) => {
  const database = await template.copy();
  await runUntilKilled("family.mjs", database.url, { kill: { boundary, occurrence: 1 }, cancels: true });
  expect(await states(database.url)).toMatchObject({ parent: "running", "parent-abandon": "running" });
  // Asked to cancel, too, the third may end before it is terminated.
  await finish(database.url, { parent: /cancelled/, "parent-cancel": /cancelled/, "parent-terminate": /cancelled|terminated/, "parent-abandon": /running/ });
  await database.drop();
});
