/** Workers that are not dead but do not act: stopped by a signal, blocked by their own code, hung for ever. */
import { join } from "node:path";
import type { Pawl } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { countByStep, readLedger, recordedSteps, temporaryDirectory } from "../support/ledger.ts";
import { killPrograms, Program } from "../support/program.ts";
import { makeCases } from "../support/programs/cases.mjs";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 60_000 });

let database: FreshDatabase;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let ledger: string;
let client: Pawl;

beforeEach(async () => {
  directory = await temporaryDirectory();
  ledger = join(directory.path, "ledger");
  database = await freshDatabase();
  client = await openPawl({ url: database.url, logger: silentLogger });
  await installTerminalGuard(database.url);
});

afterEach(async () => {
  await client.close();
  await killPrograms();
  await checkInvariants(database.url);
  await database.drop();
  await directory.remove();
});

function startWorker(options: Readonly<Record<string, unknown>>): Program {
  return new Program("worker.mjs", { pawl: { url: database.url }, ledger, ...options });
}

async function lostWorkers(): Promise<number> {
  const [row] = await query<{ n: number }>(database.url, "SELECT count(*)::int AS n FROM pawl.history WHERE type = 'WorkerLost'");
  return row!.n;
}

const { steady, heavy, hanging } = makeCases("/dev/null");

test("a worker stopped past its lease can write nothing any more, and goes on under a new lease", async () => {
  const fewestRounds = 2;
  const mostRounds = 12;
  const short = 20;
  const long = 5;
  const zombie = startWorker({ worker: { lease: "1s", pollInterval: 50 } });
  await zombie.report("ready");
  const cases = makeCases(ledger);
  const ended = (): Promise<unknown[]> =>
    query(database.url, "SELECT run_id, last_seq, epoch, finished_at FROM pawl.executions WHERE execution_id LIKE 'short%' ORDER BY run_id");
  let rejected = 0;
  let rounds = 0;
  // It may learn that its lease is over before it has tried anything; then this round has shown nothing.
  while (rounds < fewestRounds || (rejected === 0 && rounds < mostRounds)) {
    const round = ++rounds;
    const before = (await readLedger(ledger)).length;
    const startedBy = async (pid: number): Promise<Set<string>> =>
      new Set(
        (await readLedger(ledger))
          .slice(before)
          .filter((start) => start.pid === pid)
          .map(({ execution }) => execution),
      );
    // Of different pace, so that some step is running whenever the signal comes.
    for (let n = 0; n < short; n++) await client.start(steady, { steps: 25, ms: 20 + n }, { executionId: `short-${round}-${n}` });
    for (let n = 0; n < long; n++) await client.start(steady, { steps: 150, ms: 20 + n }, { executionId: `long-${round}-${n}` });
    await waitFor("it runs all of them", async () => (await startedBy(zombie.pid)).size === short + long);
    zombie.signal("SIGSTOP");
    const rescue = await openPawl({ url: database.url, logger: silentLogger, poolSize: 2 });
    const worker = await rescue.worker({ workflows: Object.values(cases), pollInterval: 50 });
    for (let n = 0; n < short; n++) expect(await rescue.handle(`short-${round}-${n}`).result({ timeout: "2 minutes" })).toBe(325);
    await waitFor("the other worker runs all of them", async () => (await startedBy(process.pid)).size === short + long);
    await checkInvariants(database.url);
    // The stopped one comes back to executions that have ended and to some that run elsewhere.
    expect(worker.health().active).toBe(long);
    const endings = await ended();
    zombie.signal("SIGCONT");
    await waitFor("it has a lease again and no old execution", async () => {
      const report = await zombie.ask("health");
      return report["leaseValid"] === true && report["active"] === 0;
    });
    for (let n = 0; n < long; n++) expect(await rescue.handle(`long-${round}-${n}`).result({ timeout: "2 minutes" })).toBe(11_325);
    expect(await ended()).toEqual(endings);
    // Nothing of what it tried disturbed the one that had taken over.
    expect(worker.health().staleWritesRejected).toBe(0);
    await rescue.close();
    rejected = Number((await zombie.ask("health"))["staleWritesRejected"]);
  }
  const recorded = await recordedSteps(database.url);
  expect(recorded.settled.size).toBe(rounds * (short * 25 + long * 150));
  const handle = await client.start(steady, { steps: 2, ms: 1 }, { executionId: "afterwards" });
  expect(await handle.result({ timeout: "2 minutes" })).toBe(3);
  expect((await readLedger(ledger)).filter(({ execution }) => execution === "afterwards").map(({ pid }) => pid)).toEqual([zombie.pid, zombie.pid]);
  console.log(`${rejected} stale writes rejected in ${rounds} rounds`);
  expect(rejected).toBeGreaterThan(0);
});

test("a loop that is blocked for three leases loses nothing to others", async () => {
  const first = startWorker({ worker: { lease: "1s" }, temper: { blockMs: 3000 } });
  await first.report("ready");
  const handle = await client.start(heavy, undefined, { executionId: "heavy" });
  const other = await client.start(steady, { steps: 3, ms: 50 }, { executionId: "beside" });
  await waitFor("it blocks", async () => (await readLedger(ledger)).some(({ execution }) => execution === "heavy"));
  const second = startWorker({ worker: { lease: "1s" } });
  await second.report("ready");
  expect(await handle.result({ timeout: "2 minutes" })).toBe(1);
  expect(await other.result({ timeout: "2 minutes" })).toBe(6);
  expect(await lostWorkers()).toBe(0);
  for (const [key, count] of countByStep(await readLedger(ledger))) expect(count, key).toBe(1);
  expect((await first.ask("health"))["staleWritesRejected"]).toBe(0);
});

describe("a loop that hangs for ever", () => {
  async function isTakenOver(worker: Readonly<Record<string, unknown>>): Promise<Program> {
    const first = startWorker({ worker, temper: { hang: true } });
    await first.report("ready");
    const handle = await client.start(hanging, undefined, { executionId: "hanging" });
    await waitFor("it hangs", async () => (await readLedger(ledger)).length === 1);
    const second = startWorker({ worker: { lease: "1s" } });
    await second.report("ready");
    expect(await handle.result({ timeout: "2 minutes" })).toBe(1);
    expect((await readLedger(ledger)).map(({ pid }) => pid)).toEqual([first.pid, second.pid]);
    expect(await lostWorkers()).toBe(1);
    return first;
  }

  test("loses its lease, and another worker takes over", async () => {
    const hung = await isTakenOver({ lease: "1s", hangTimeout: "1500ms" });
    expect(hung.hasEnded).toBe(false);
  });

  test("is noticed too when hangTimeout is much shorter than the lease", async () => {
    await isTakenOver({ lease: "6s", hangTimeout: "1s" });
  });

  test("is killed where killOnHang says so", async () => {
    const hung = await isTakenOver({ lease: "3s", hangTimeout: "1s", killOnHang: true });
    expect((await hung.exited).signal).toBe("SIGKILL");
  });
});
