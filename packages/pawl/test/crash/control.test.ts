/** A process dies before or after a commit that pauses, resumes, rolls back or forks: it happened whole or not at all. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openPawl, silentLogger } from "pawl/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, query } from "../support/database.ts";
import { temporaryDirectory } from "../support/ledger.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { makeControlled } from "../support/programs/controlled.mjs";
import { waitFor } from "../support/wait.ts";

const template = crashTemplate();
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
});

afterAll(() => directory.remove());

/** What the dead process must have left: state and run of each execution, in the order of their ids. */
const left: readonly (readonly [kill: string, expected: readonly string[]])[] = [
  ["pause/before", ["first running 1"]],
  ["pause/after", ["first paused 1"]],
  ["unpause/before", ["first paused 1"]],
  ["unpause/after", ["first running 1"]],
  ["pause-claimed/before", ["busy running 1", "first running 1"]],
  ["pause-claimed/after", ["busy paused 1", "first running 1"]],
  ["next-run/before", ["busy paused 1", "first running 1"]],
  ["next-run/after", ["busy paused 1", "first running 2"]],
  ["fork/before", ["busy paused 1", "first running 2"]],
  ["fork/after", ["busy paused 1", "copy running 1", "first running 2"]],
];

test.each(left)("killed at %s", async (kill, expected) => {
  const database = await template.copy();
  const ledger = join(directory.path, kill.replace("/", "-"));
  await runUntilKilled("control.mjs", database.url, { ledger, kill });
  const rows = await query<{ row: string }>(
    database.url,
    "SELECT execution_id || ' ' || state || ' ' || run_number AS row FROM pawl.executions ORDER BY execution_id",
  );
  expect(rows.map(({ row }) => row)).toEqual(expected);

  const pawl = await openPawl({ url: database.url, migrate: false, logger: silentLogger });
  await pawl.worker({ workflows: [makeControlled(ledger, Promise.resolve())], pollInterval: 20 });
  const ids = expected.map((row) => row.split(" ")[0]!);
  // The request to pause outlives the process that was asked.
  if (kill === "pause-claimed/before") await waitFor("the next worker pauses it", async () => (await pawl.handle("busy").status()).state === "paused");
  for (const id of ids) {
    const handle = pawl.handle(id);
    await handle.signal("go", id, { signalId: "go" });
    if ((await handle.status()).state === "paused") await handle.resume();
    expect(await handle.result({ timeout: "2 minutes" })).toEqual([1, id, 2]);
  }
  await pawl.close();
  await checkInvariants(database.url);
  const steps = (await readFile(ledger, "utf8")).trim().split("\n").toSorted();
  // The step that the process was in the middle of may have been lost with it; none that was recorded runs again, and a fork runs none of the part it has.
  const lost = kill === "pause-claimed/before" ? ["busy one"] : [];
  const ones = ids.filter((id) => id !== "copy").map((id) => `${id} one`);
  const twos = ids.map((id) => `${id} two`);
  const withoutLost = steps.length > ones.length + twos.length ? [...ones, ...twos, ...lost] : [...ones, ...twos];
  expect(steps).toEqual(withoutLost.toSorted());
  await database.drop();
});
