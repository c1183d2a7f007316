/** A process dies around the commit of a user's transaction: its rows, its start and its signal are there together, or none of them. */
import { ExecutionNotFound } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, execute, query } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { counting, shipping } from "../support/programs/orders.mjs";

const template = crashTemplate(async (url) => {
  const pawl = await openPawl({ url, logger: silentLogger });
  await pawl.start(counting, undefined, { executionId: "counting" });
  await pawl.close();
  await execute(url, "CREATE TABLE public.orders (id text PRIMARY KEY)");
});

test.each([
  ["before the commit", false],
  ["after the commit", true],
])("killed %s", async (at, committed) => {
  const database = await template.copy();
  await runUntilKilled("orders.mjs", database.url, { at });
  expect(await query(database.url, "SELECT id FROM public.orders")).toHaveLength(committed ? 1 : 0);
  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  const handle = pawl.handle("counting", counting);
  await handle.signal("item", "last");
  if (!committed) await handle.signal("item", "one more");
  await pawl.worker({ workflows: [counting, shipping], pollInterval: 20 });
  expect(await handle.result({ timeout: "2 minutes" })).toEqual(committed ? ["order", "last"] : ["last", "one more"]);
  if (committed) expect(await pawl.handle("shipping").result({ timeout: "2 minutes" })).toBe("shipped");
  else await expect(pawl.handle("shipping").status()).rejects.toBeInstanceOf(ExecutionNotFound);
  await pawl.close();
  await checkInvariants(database.url);
  await database.drop();
});
