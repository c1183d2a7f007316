/** The database dies, cuts connections, or gives no hints: nothing acknowledged is lost, everything completes. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openEmbedded, openPawl, silentLogger } from "pawl/internal";
import pg from "pg";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query } from "../support/database.ts";
import { checkEveryStartRecorded, countByStep, readLedger, readLines, recordedSteps, temporaryDirectory } from "../support/ledger.ts";
import { killPrograms, Program } from "../support/program.ts";
import { drive, makeWorkflows, mixedCount, mixedResult } from "../support/programs/workload.mjs";
import { makeCases } from "../support/programs/cases.mjs";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 90_000 });

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(async () => {
  await killPrograms();
  await directory.remove();
});

test("PostgreSQL killed with SIGKILL under load comes back by itself, and no acknowledged start is missing", async () => {
  const data = join(directory.path, "pawl");
  const ledger = join(directory.path, "ledger");
  const embedded = await openEmbedded({ directory: data });
  try {
    await (await openPawl({ directory: data, logger: silentLogger })).close();
    await installTerminalGuard(embedded.url);
    const acknowledgements = ["a", "b"].map((name) => join(directory.path, `acks-${name}`));
    const programs = ["a", "b"].map(
      (name, index) => new Program("load.mjs", { name, ledger, acknowledgements: acknowledgements[index], pawl: { directory: data } }),
    );
    for (const program of programs) await program.report("ready");
    const acknowledged = async (): Promise<number[]> => Promise.all(acknowledgements.map(async (path) => (await readLines(path)).length));
    const getOn = async (from: readonly number[]): Promise<void> => {
      await waitFor("both processes get on", async () => {
        for (const program of programs) if (program.hasEnded) throw new Error(`a process ended: ${JSON.stringify(program.reports.at(-1))} ${program.output}`);
        return (await acknowledged()).every((count, index) => count > from[index]! + 40);
      });
    };
    await getOn([0, 0]);
    const outages: number[] = [];
    for (let kill = 0; kill < 3; kill++) {
      const postmaster = Number((await readFile(join(data, "postgres", "data", "postmaster.pid"), "utf8")).split("\n")[0]);
      const killedAt = performance.now();
      process.kill(postmaster, "SIGKILL");
      await waitFor("the server is dead", () => {
        try {
          process.kill(postmaster, 0);
          return false;
        } catch {
          return true;
        }
      });
      const before = await acknowledged();
      await getOn(before);
      outages.push(performance.now() - killedAt);
    }
    const finished = await Promise.all(programs.map((program) => program.ask("finish")));
    console.log(
      `3 kills, ${finished.map(({ started }) => String(started)).join(" and ")} starts, ${outages.map((ms) => `${Math.round(ms)} ms`).join(", ")} until both went on`,
    );
    const known = new Map(
      (await query<{ execution_id: string; state: string }>(embedded.url, "SELECT execution_id, state FROM pawl.executions")).map((row) => [
        row.execution_id,
        row.state,
      ]),
    );
    for (const path of acknowledgements) for (const executionId of await readLines(path)) expect(known.get(executionId), executionId).toBe("completed");
    expect(known.size).toBe(finished.reduce((sum, { started }) => sum + Number(started), 0));
    // Nobody died and every lease outlived the outage, so no step ran in vain.
    expect(checkEveryStartRecorded(await readLedger(ledger), await recordedSteps(embedded.url))).toEqual([]);
    await checkInvariants(embedded.url);
    for (const program of programs) await program.ask("close");
    await Promise.all(programs.map(({ exited }) => exited));
  } finally {
    await embedded.close();
  }
});

/** Terminates random sessions until told to stop; gives how many. */
async function terminateSessions(url: string, everyMs: number, stopped: AbortSignal): Promise<Map<string, number>> {
  const terminated = new Map<string, number>();
  const client = new pg.Client({ connectionString: url, application_name: "terminator" });
  client.on("error", () => {});
  await client.connect();
  while (!stopped.aborted) {
    const { rows } = await client.query<{ application_name: string }>(
      `SELECT application_name, pg_terminate_backend(pid) FROM (SELECT pid, application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'pawl%' ORDER BY random() LIMIT 1) AS chosen`,
    );
    for (const { application_name } of rows) terminated.set(application_name, (terminated.get(application_name) ?? 0) + 1);
    await delay(everyMs);
  }
  await client.end();
  return terminated;
}

test("random sessions terminated under load disturb neither work nor reads", async () => {
  const database = await freshDatabase();
  const ledger = join(directory.path, "ledger");
  const workflows = makeWorkflows(ledger);
  const { steady } = makeCases(ledger);
  const client = await openPawl({ url: database.url, logger: silentLogger });
  await installTerminalGuard(database.url);
  const pawls = await Promise.all([1, 2].map(() => openPawl({ url: database.url, logger: silentLogger })));
  for (const pawl of pawls) await pawl.worker({ workflows: [...Object.values(workflows), steady] });
  const done = new AbortController();
  const terminating = terminateSessions(database.url, 40, done.signal);
  const readErrors: string[] = [];
  const reading = (async (): Promise<void> => {
    await client.start(steady, { steps: 1, ms: 1 }, { executionId: "read" });
    while (!done.signal.aborted) {
      try {
        await client.handle("read").status();
        await client.list({ limit: 5 });
        await client.workers();
      } catch (error) {
        readErrors.push(String(error));
      }
      await delay(5);
    }
  })();
  try {
    await drive(client, workflows, () => {});
    const handles = await Promise.all(Array.from({ length: 60 }, (_, n) => client.start(steady, { steps: 5, ms: 20 }, { executionId: `steady-${n}` })));
    for (const handle of handles) expect(await handle.result({ timeout: "2 minutes" })).toBe(15);
  } finally {
    done.abort();
  }
  const terminated = await terminating;
  await reading;
  const results = await Promise.all(Array.from({ length: mixedCount }, (_, n) => client.handle(`mixed-${n}`).result({ timeout: "2 minutes" })));
  expect(results).toEqual(Array.from({ length: mixedCount }, (_, n) => mixedResult(n)));
  await Promise.all([client, ...pawls].map((pawl) => pawl.close()));
  console.log(`sessions terminated: ${[...terminated].map(([name, count]) => `${name} ${count}`).join(", ")}`);
  for (const kind of ["pawl", "pawl hints", "pawl lease", "pawl reads"]) expect(terminated.get(kind) ?? 0, kind).toBeGreaterThan(0);
  await checkInvariants(database.url);
  const recorded = await recordedSteps(database.url);
  const problems: string[] = [];
  for (const [key, count] of countByStep(await readLedger(ledger))) {
    const records = recorded.attempts.get(key)?.size ?? 0;
    const stopped = /^(cancelled|terminated|resumed)\//.test(key) ? 1 : 0;
    if (count < records || count > records + stopped) problems.push(`${key} started ${count} times for ${records} records`);
  }
  expect(problems).toEqual([]);
  expect(readErrors).toEqual([]);
  await database.drop();
});

test("without NOTIFY and with one connection everything completes", async () => {
  const database = await freshDatabase();
  const ledger = join(directory.path, "ledger");
  const workflows = makeWorkflows(ledger);
  const { steady } = makeCases(ledger);
  const options = { url: database.url, notify: false, poolSize: 1, logger: silentLogger };
  const client = await openPawl(options);
  await installTerminalGuard(database.url);
  const pawls = await Promise.all([1, 2].map(() => openPawl(options)));
  for (const pawl of pawls) await pawl.worker({ workflows: [...Object.values(workflows), steady] });
  const handles = Promise.all(Array.from({ length: 60 }, (_, n) => client.start(steady, { steps: 5, ms: 20 }, { executionId: `steady-${n}` })));
  await drive(client, workflows, () => {});
  for (const handle of await handles) expect(await handle.result({ timeout: "2 minutes" })).toBe(15);
  const results = await Promise.all(Array.from({ length: mixedCount }, (_, n) => client.handle(`mixed-${n}`).result({ timeout: "2 minutes" })));
  expect(results).toEqual(Array.from({ length: mixedCount }, (_, n) => mixedResult(n)));
  const [listeners] = await query<{ n: number }>(
    database.url,
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pawl hints'",
  );
  expect(listeners!.n).toBe(0);
  await Promise.all([client, ...pawls].map((pawl) => pawl.close()));
  await checkInvariants(database.url);
  await database.drop();
});
