/** Workers that are killed while a limit is full: the limit holds all the time, and nothing stands still. */
import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { openPawl, silentLogger } from "pawl/internal";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { temporaryDirectory } from "../support/ledger.ts";
import { killPrograms, Program } from "../support/program.ts";
import { makeCases } from "../support/programs/cases.mjs";

vi.setConfig({ testTimeout: 120_000 });

let database: FreshDatabase;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  directory = await temporaryDirectory();
  database = await freshDatabase();
  await (await openPawl({ url: database.url, logger: silentLogger })).close();
  await installTerminalGuard(database.url);
});

afterEach(async () => {
  await killPrograms();
  await database.drop();
  await directory.remove();
});

interface Load {
  readonly claimed: number;
  readonly mostOfKey: number;
  readonly open: number;
}

async function look(): Promise<Load> {
  const [row] = await query<Load & Record<string, unknown>>(
    database.url,
    `SELECT (SELECT count(*)::int FROM pawl.executions WHERE worker_id IS NOT NULL) AS claimed,
 (SELECT coalesce(max(n), 0)::int FROM (SELECT count(*) AS n FROM pawl.executions WHERE worker_id IS NOT NULL GROUP BY queue_key) AS k) AS "mostOfKey",
 (SELECT count(*)::int FROM pawl.executions WHERE state NOT IN ('completed')) AS open`,
  );
  return row!;
}

test("workers killed one after the other while a limit is full neither exceed it nor leave its places taken", async () => {
  const ledger = join(directory.path, "ledger");
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  await pawl.queues.set("default", { concurrency: 4, perKey: { concurrency: 2 } });
  const { steady } = makeCases(ledger);
  await Promise.all(Array.from({ length: 60 }, (_, n) => pawl.start(steady, { steps: 3, ms: 40 }, { key: `key-${n % 5}`, priority: n % 3 })));
  const spawn = (): Program => new Program("worker.mjs", { pawl: { url: database.url }, ledger, worker: { lease: "2s", pollInterval: 100 } });
  const programs = [spawn(), spawn(), spawn()];
  await Promise.all(programs.map((program) => program.report("ready")));
  let looks = 0;
  let full = 0;
  let killed = 0;
  let killAt = Date.now() + 300;
  for (;;) {
    const { claimed, mostOfKey, open } = await look();
    expect(claimed).toBeLessThanOrEqual(4);
    expect(mostOfKey).toBeLessThanOrEqual(2);
    looks++;
    if (claimed === 4) full++;
    if (open === 0) break;
    if (killed < 5 && claimed === 4 && Date.now() >= killAt) {
      await programs[killed % 3]!.kill();
      programs[killed % 3] = spawn();
      killed++;
      killAt = Date.now() + 700;
    }
    await delay(5);
  }
  expect(killed).toBeGreaterThanOrEqual(3);
  expect(full).toBeGreaterThan(looks / 10);
  expect(await pawl.queues.get("default")).toMatchObject({ claimed: 0, due: 0 });
  await pawl.close();
  await checkInvariants(database.url);
});
