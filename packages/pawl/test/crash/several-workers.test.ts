/** Several processes on one database, as people run them: with defaults, restarted, rebuilt, killed. */
import { join } from "node:path";
import { defineWorkflow, ExecutionFailed, type Pawl } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { checkEveryStartRecorded, countByStep, readLedger, recordedSteps, temporaryDirectory } from "../support/ledger.ts";
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

/** A worker process with all defaults. */
function startWorker(options: Readonly<Record<string, unknown>> = {}): Program {
  return new Program("worker.mjs", { pawl: { url: database.url }, ledger, ...options });
}

interface Row {
  readonly state: string;
  readonly worker_id: string | null;
  readonly visible_at: number | null;
}

async function rowOf(executionId: string): Promise<Row> {
  const [row] = await query<Row>(
    database.url,
    "SELECT e.state, e.worker_id, (extract(epoch FROM q.visible_at) * 1000)::float8 AS visible_at FROM pawl.executions e LEFT JOIN pawl.tasks q USING (run_id) WHERE execution_id = $1",
    [executionId],
  );
  return row!;
}

/** Time and wait of the recorded failures of a step. */
async function failuresOf(executionId: string): Promise<{ attempt: number; due: number }[]> {
  return query(
    database.url,
    `SELECT (data::jsonb ->> 'attempt')::int AS attempt, (extract(epoch FROM at) * 1000)::float8 + (data::jsonb ->> 'retryInMs')::float8 AS due
FROM pawl.history JOIN pawl.executions USING (run_id) WHERE execution_id = $1 AND type = 'StepAttemptFailed' ORDER BY seq`,
    [executionId],
  );
}

async function lostWorkers(): Promise<number> {
  const [row] = await query<{ n: number }>(database.url, "SELECT count(*)::int AS n FROM pawl.history WHERE type = 'WorkerLost'");
  return row!.n;
}

const { steady, stubborn } = makeCases("/dev/null");

test("processes that come and go disturb nothing that runs in another one", async () => {
  const first = startWorker();
  await first.report("ready");
  const handles = await Promise.all(Array.from({ length: 10 }, (_, n) => client.start(steady, { steps: 4, ms: 600 }, { executionId: `steady-${n}` })));
  await waitFor("all run", async () => new Set((await readLedger(ledger)).map(({ execution }) => execution)).size === 10);
  const second = startWorker();
  await second.report("ready");
  await second.ask("close");
  const third = startWorker();
  await third.report("ready");
  await third.kill();
  for (const handle of handles) expect(await handle.result({ timeout: "2 minutes" })).toBe(10);
  const starts = await readLedger(ledger);
  expect(checkEveryStartRecorded(starts, await recordedSteps(database.url))).toEqual([]);
  expect(new Set(starts.map(({ pid }) => pid))).toEqual(new Set([first.pid]));
  expect(await lostWorkers()).toBe(0);
});

test("what a dead process ran goes on elsewhere with no configuration, long before its lease ends", async () => {
  const first = startWorker();
  await first.report("ready");
  const handles = await Promise.all(Array.from({ length: 5 }, (_, n) => client.start(steady, { steps: 10, ms: 500 }, { executionId: `steady-${n}` })));
  await waitFor("all run", async () => new Set((await readLedger(ledger)).map(({ execution }) => execution)).size === 5);
  const second = startWorker();
  await second.report("ready");
  const killedAt = Date.now();
  await first.kill();
  await waitFor("all were taken over", async () => (await lostWorkers()) === 5);
  // The default lease is 10 s from the last heartbeat, which was at most 3.3 s ago: without the look at the pid it would take 6.7.
  expect(Date.now() - killedAt).toBeLessThan(6000);
  for (const handle of handles) expect(await handle.result({ timeout: "2 minutes" })).toBe(55);
  for (const [key, count] of countByStep(await readLedger(ledger))) expect(count, key).toBeLessThanOrEqual(2);
});

test("a long back-off parks, and its deadline and attempt number survive the death of the process", async () => {
  const first = startWorker();
  await first.report("ready");
  const hour = await client.start(stubborn, { failures: 1, initialInterval: 3_600_000, maximumAttempts: 0 }, { executionId: "an-hour" });
  const soon = await client.start(stubborn, { failures: 2, initialInterval: 2500, maximumAttempts: 3 }, { executionId: "soon" });
  const never = await client.start(stubborn, { failures: 9, initialInterval: 2000, maximumAttempts: 3 }, { executionId: "never" });
  const ids = [hour, soon, never].map(({ executionId }) => executionId);
  for (const executionId of ids)
    await waitFor(`${executionId} is parked`, async () => (await rowOf(executionId)).visible_at !== null && (await failuresOf(executionId)).length === 1);
  for (const executionId of ids) {
    const [failure] = await failuresOf(executionId);
    const { worker_id, visible_at, state } = await rowOf(executionId);
    expect({ worker_id, state }).toEqual({ worker_id: null, state: "running" });
    expect(Math.abs(visible_at! - failure!.due)).toBeLessThan(2);
  }
  await first.kill();
  const second = startWorker();
  await second.report("ready");
  expect(await soon.result({ timeout: "2 minutes" })).toBe(3);
  await expect(never.result({ timeout: "2 minutes" })).rejects.toSatisfy(
    (error: unknown) => error instanceof ExecutionFailed && (error.cause as Error).message === "attempt 3 fails",
  );
  const starts = (await readLedger(ledger)).filter(({ execution }) => execution !== "an-hour");
  for (const executionId of ["soon", "never"]) {
    const own = starts.filter(({ execution }) => execution === executionId);
    expect(own.map(({ attempt, pid }) => `${attempt} in ${pid === first.pid ? "the first" : "the second"}`)).toEqual([
      "1 in the first",
      "2 in the second",
      "3 in the second",
    ]);
    const failures = await failuresOf(executionId);
    // Both clocks are this machine's.
    own.slice(1).forEach(({ at }, index) => expect(at - failures[index]!.due).toBeGreaterThan(-5));
  }
  expect((await rowOf("an-hour")).visible_at).not.toBeNull();
  expect((await failuresOf("an-hour")).length).toBe(1);
});

test("a death in the middle of an attempt is no failure of the step, and maximumAttempts counts across it", async () => {
  const first = startWorker({ temper: { killAtAttempt: 2 } });
  const handle = await client.start(stubborn, { failures: 9, initialInterval: 20, maximumAttempts: 3 }, { executionId: "dies" });
  expect((await first.exited).signal).toBe("SIGKILL");
  startWorker();
  await expect(handle.result({ timeout: "2 minutes" })).rejects.toBeInstanceOf(ExecutionFailed);
  const starts = await readLedger(ledger);
  // The attempt that died was too short to be announced, so its number is given again.
  expect(starts.map(({ attempt }) => attempt)).toEqual([1, 2, 2, 3]);
});

test("two workers share a backlog", async () => {
  const count = 400;
  const workers = [startWorker(), startWorker()];
  for (const worker of workers) await worker.report("ready");
  const handles = await Promise.all(Array.from({ length: count }, (_, n) => client.start(steady, { steps: 3, ms: 20 }, { executionId: `small-${n}` })));
  for (const handle of handles) await handle.result({ timeout: "2 minutes" });
  const executions = new Map<number, Set<string>>();
  for (const { pid, execution } of await readLedger(ledger)) {
    const known = executions.get(pid);
    if (known === undefined) executions.set(pid, new Set([execution]));
    else known.add(execution);
  }
  const shares = workers.map(({ pid }) => (executions.get(pid)?.size ?? 0) / count);
  for (const share of shares) {
    expect(share, `shares ${shares.join(" and ")}`).toBeGreaterThanOrEqual(0.3);
    expect(share, `shares ${shares.join(" and ")}`).toBeLessThanOrEqual(0.7);
  }
  expect(checkEveryStartRecorded(await readLedger(ledger), await recordedSteps(database.url))).toEqual([]);
});

test("rebuilding unchanged workflows strands nothing", async () => {
  const before = defineWorkflow({
    name: "rebuilt",
    run: async (ctx, ms: number) => {
      const one = await ctx.step("one", () => 1);
      await ctx.sleep(ms);
      return one + (await ctx.step("two", () => 2));
    },
  });
  const old = await openPawl({ url: database.url, logger: silentLogger });
  await old.worker({ workflows: [before] });
  const handle = await old.start(before, 1500, { executionId: "rebuilt" });
  await waitFor("it sleeps", async () => (await rowOf("rebuilt")).visible_at !== null);
  await old.close();
  // The same calls in other words, as a compiler or a formatter would write them.
  const after = defineWorkflow({
    name: "rebuilt",
    async run(c, m: number) {
      const first = await c.step("one", async () => 1);
      return c.sleep(m).then(async () => first + (await c.step("two", async () => Promise.resolve(2))));
    },
  });
  await client.worker({ workflows: [after] });
  expect(await client.handle("rebuilt").result({ timeout: "2 minutes" })).toBe(3);
  expect(handle.executionId).toBe("rebuilt");
});

test("10,000 sleepers cost rows, not memory", async () => {
  const program = new Program("sleepers.mjs", { pawl: { url: database.url } }, ["--expose-gc"]);
  await program.report("ready");
  const few = await program.ask("sleep", { from: 0, to: 1000 });
  const many = await program.ask("sleep", { from: 1000, to: 10_000 });
  expect([few["active"], many["active"]]).toEqual([0, 0]);
  const [row] = await query<{ n: number }>(
    database.url,
    "SELECT count(*)::int AS n FROM pawl.tasks q JOIN pawl.executions USING (run_id) WHERE worker_id IS NULL AND q.visible_at > now() + interval '50 minutes'",
  );
  expect(row!.n).toBe(10_000);
  const grownMb = (Number(many["heapUsed"]) - Number(few["heapUsed"])) / 2 ** 20;
  console.log(`10,000 sleepers: heap grew ${grownMb.toFixed(1)} MB over that with 1,000`);
  expect(grownMb).toBeLessThan(20);
  await program.ask("close");
});
