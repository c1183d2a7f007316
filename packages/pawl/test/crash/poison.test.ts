/** An execution that kills its worker is held after three deaths, and takes no other one with it. */
import { join } from "node:path";
import { ExecutionQuarantined } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { countByStep, readLedger, temporaryDirectory } from "../support/ledger.ts";
import { killPrograms, Program } from "../support/program.ts";
import { makeCases } from "../support/programs/cases.mjs";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 60_000 });

let database: FreshDatabase;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let ledger: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  ledger = join(directory.path, "ledger");
  database = await freshDatabase();
  await (await openPawl({ url: database.url, logger: silentLogger })).close();
  await installTerminalGuard(database.url);
});

afterEach(async () => {
  await killPrograms();
  await database.drop();
  await directory.remove();
});

const innocents = Array.from({ length: 12 }, (_, n) => `innocent-${n}`);

async function stateOf(executionId: string): Promise<string> {
  const [row] = await query<{ state: string }>(database.url, "SELECT state FROM pawl.executions WHERE execution_id = $1", [executionId]);
  return row!.state;
}

/** Starts a worker again and again, as a supervisor does, until the poison is held. Gives the number of deaths. */
async function superviseUntilQuarantined(options: object): Promise<number> {
  for (let deaths = 0; ; deaths++) {
    if (deaths > 10) throw new Error("the poison still kills workers after 10 deaths");
    const program = new Program("worker.mjs", { pawl: { url: database.url }, ledger, temper: { deadly: true }, ...options });
    const held = waitFor("the poison is quarantined or the worker dead", async () => program.hasEnded || (await stateOf("poison")) === "quarantined");
    await held;
    if (!program.hasEnded && (await stateOf("poison")) === "quarantined") {
      await waitFor("the others have completed", async () => {
        const states = await Promise.all(innocents.map(stateOf));
        return states.every((state) => state !== "pending" && state !== "running");
      });
      await program.ask("close");
      await program.exited;
      return deaths;
    }
  }
}

test("a workflow that kills its worker is quarantined after exactly 3 deaths, and resumes once it is harmless", async () => {
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  const { poison, steady } = makeCases(ledger);
  // Queued together, so that one claim takes them all: whatever was claimed together dies together.
  await Promise.all([
    ...innocents.slice(0, 6).map((executionId) => pawl.start(steady, { steps: 2, ms: 100 }, { executionId })),
    pawl.start(poison, undefined, { executionId: "poison" }),
    ...innocents.slice(6).map((executionId) => pawl.start(steady, { steps: 2, ms: 100 }, { executionId })),
  ]);
  const deaths = await superviseUntilQuarantined({ worker: { lease: "5s" } });
  expect(deaths).toBe(3);
  expect(countByStep(await readLedger(ledger)).get("poison/deadly")).toBe(3);
  expect(countByStep(await readLedger(ledger)).get("poison/harmless")).toBe(1);
  for (const executionId of innocents) expect(await stateOf(executionId), executionId).toBe("completed");
  await checkInvariants(database.url);

  const handle = pawl.handle("poison");
  await expect(handle.result({ timeout: "2 minutes" })).rejects.toBeInstanceOf(ExecutionQuarantined);
  await pawl.worker({ workflows: [poison, steady] });
  const resumed = await handle.resume();
  expect(await resumed.result({ timeout: "2 minutes" })).toBe("survived");
  expect(countByStep(await readLedger(ledger)).get("poison/harmless")).toBe(1);
  await pawl.close();
  await checkInvariants(database.url);
});

test("executions that ran beside it in all three deaths are not quarantined with it", async () => {
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  const { poison, steady } = makeCases(ledger);
  // Their first steps take longer than the poison needs to kill: none of them gets on beside it.
  await Promise.all([
    ...innocents.map((executionId) => pawl.start(steady, { steps: 1, ms: 400 }, { executionId })),
    pawl.start(poison, undefined, { executionId: "poison" }),
  ]);
  const deaths = await superviseUntilQuarantined({ worker: { lease: "5s" } });
  for (const executionId of innocents) expect(await stateOf(executionId), executionId).toBe("completed");
  expect(deaths).toBe(3);
  await pawl.close();
  await checkInvariants(database.url);
});

test("deaths are counted from the claim that followed a long back-off", async () => {
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  const { steady, stubborn } = makeCases(ledger);
  // The first attempt fails, the second one comes after a park and kills.
  await pawl.start(stubborn, { failures: 1, initialInterval: 700, maximumAttempts: 5 }, { executionId: "poison" });
  for (let deaths = 0; deaths < 3; deaths++) {
    expect(await stateOf("poison")).not.toBe("quarantined");
    const program = new Program("worker.mjs", { pawl: { url: database.url }, ledger, temper: { killAtAttempt: 2 } });
    await waitFor("the worker is dead or the execution held", async () => program.hasEnded || (await stateOf("poison")) === "quarantined");
    expect(program.hasEnded, `held after ${deaths} deaths`).toBe(true);
  }
  await pawl.worker({ workflows: [steady] });
  await waitFor("it is quarantined", async () => (await stateOf("poison")) === "quarantined");
  await pawl.close();
  await checkInvariants(database.url);
});

test("a worker that is stopped in order counts as no death", async () => {
  const client = await openPawl({ url: database.url, logger: silentLogger });
  const { steady } = makeCases(ledger);
  const handle = await client.start(steady, { steps: 1, ms: 60_000 }, { executionId: "long" });
  const startsInLedger = async (): Promise<number> => (await readLedger(ledger)).length;
  for (let stop = 1; stop <= 3; stop++) {
    const pawl = await openPawl({ url: database.url, logger: silentLogger });
    await pawl.worker({ workflows: [steady] });
    await waitFor("its step runs", async () => (await startsInLedger()) === stop);
    await pawl.close({ drain: 0 });
  }
  const program = new Program("worker.mjs", { pawl: { url: database.url }, ledger });
  await waitFor("its step runs", async () => (await startsInLedger()) === 4);
  await program.kill();
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  await pawl.worker({ workflows: [steady] });
  await waitFor("its step runs again, or it is held", async () => (await startsInLedger()) === 5 || (await stateOf("long")) === "quarantined");
  expect(await stateOf("long")).toBe("running");
  const claims = await query<{ claims: number }>(database.url, "SELECT (data::jsonb ->> 'claims')::int AS claims FROM pawl.history WHERE type = 'WorkerLost'");
  expect(claims).toEqual([{ claims: 1 }]);
  await handle.terminate();
  await pawl.close({ drain: 0 });
  await client.close();
  await checkInvariants(database.url);
});
