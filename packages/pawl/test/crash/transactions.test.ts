/** A process dies around the commit of a transaction: its effect is there exactly once, together with its result. */
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, execute, query } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { makeMover } from "../support/programs/mover.mjs";

const template = crashTemplate((url) => execute(url, "CREATE TABLE public.account (cents integer NOT NULL); INSERT INTO public.account VALUES (1000)"));

const look = async (url: string) => {
  const [row] = await query<{ cents: number; recorded: number }>(
    url,
    "SELECT cents, (SELECT count(*)::int FROM pawl.history WHERE type = 'StepCompleted' AND data LIKE '%\"move\"%') AS recorded FROM public.account",
  );
  return row!;
};

test.each([
  ["before the SQL", { cents: 1000, recorded: 0 }],
  ["after the SQL", { cents: 1000, recorded: 0 }],
  ["before the reply", { cents: 900, recorded: 1 }],
  ["after the reply", { cents: 900, recorded: 1 }],
])("killed %s", async (at, left) => {
  const database = await template.copy();
  await runUntilKilled("transactions.mjs", database.url, { at });
  expect(await look(database.url)).toEqual(left);
  const mover = makeMover();
  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: [mover], pollInterval: 20 });
  expect(await pawl.handle("moved").result({ timeout: "2 minutes" })).toBe(900);
  await pawl.close();
  await checkInvariants(database.url);
  expect(await look(database.url)).toEqual({ cents: 900, recorded: 1 });
  await database.drop();
});
