/**
 * A process that runs a saga is killed with SIGKILL at every commit, and before and after the effect of every step, doing and undoing. Who
 * goes on undoes all that was done, in the order of sagas, and no recorded step runs again.
 */
import { join } from "node:path";
import { openPawl, silentLogger } from "pawl/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { countByStep, readLedger, recordedSteps, temporaryDirectory } from "../support/ledger.ts";
import { Program } from "../support/program.ts";
import { bookings, makeTrip } from "../support/programs/trip.mjs";
import { inParallel } from "../support/wait.ts";

interface Kill {
  readonly boundary: string;
  readonly occurrence: number;
}

const cancels = bookings.map((what) => `cancel-${what}`);
const width = 3;
const template = crashTemplate();
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
});

afterAll(() => directory.remove());

/** Every boundary that a run without a kill meets, each time that it does. */
async function allKills(): Promise<readonly Kill[]> {
  const database = await template.copy();
  const program = new Program("saga.mjs", { url: database.url, ledger: join(directory.path, "record") });
  const counts = (await program.report("boundaries"))["counts"] as Record<string, number>;
  await program.exited;
  await database.drop();
  for (const step of [...bookings, ...cancels, "pay"]) expect(counts).toMatchObject({ [`${step}/before`]: 1, [`${step}/after`]: 1 });
  expect(counts["commit/before"]).toBeGreaterThanOrEqual(bookings.length * 2 + 1);
  return Object.entries(counts).flatMap(([boundary, count]) => Array.from({ length: count }, (_, index) => ({ boundary, occurrence: index + 1 })));
}

async function killAndFinish(kill: Kill, ledger: string): Promise<void> {
  const database = await template.copy();
  await runUntilKilled("saga.mjs", database.url, { ledger, kill });
  const before = await recordedSteps(database.url);
  const killedAt = (await readLedger(ledger)).length;

  const pawl = await openPawl({ url: database.url, migrate: false, poolSize: 2, logger: silentLogger });
  const trip = makeTrip(ledger, () => {});
  await pawl.worker({ workflows: [trip], pollInterval: 50 });
  // The start may have died with the process; one that was answered is the same.
  const handle = await pawl.start(trip, undefined, { executionId: "trip" });
  await expect(handle.result({ timeout: "2 minutes" })).rejects.toMatchObject({ code: "EXECUTION_FAILED", cause: { message: "no money" } });
  await pawl.close();
  await checkInvariants(database.url);

  const starts = await readLedger(ledger);
  const steps = starts.map(({ step }) => step);
  for (const what of bookings) expect(steps.lastIndexOf(`cancel-${what}`), `${what} is cancelled after it was booked`).toBeGreaterThan(steps.lastIndexOf(what));
  const undone = steps.filter((step) => step.startsWith("cancel-"));
  expect([...new Set(undone)], "the last that was booked is cancelled first").toEqual(cancels.toReversed());
  const again = starts.slice(killedAt).filter(({ execution, step }) => before.settled.has(`${execution}/${step}`));
  expect(again, "no recorded step runs again").toEqual([]);
  const repeated = [...countByStep(starts).values()].filter((count) => count > 1);
  expect(repeated.length, "only what ran when the process died runs twice").toBeLessThanOrEqual(1);
  await database.drop();
}

test("a saga whose process is killed at any boundary of doing and undoing undoes all that was done", async () => {
  const kills = await allKills();
  const failures: string[] = [];
  await inParallel(kills, width, async (kill, index) => {
    try {
      await killAndFinish(kill, join(directory.path, `kill-${index}.ledger`));
    } catch (error) {
      failures.push(`kill ${kill.occurrence} at ${kill.boundary}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  expect(failures).toEqual([]);
});
