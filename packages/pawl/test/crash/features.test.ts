/**
 * A process is killed at every commit boundary of what the other crash tests lack: steps on other queues, recorded heartbeats, published
 * values, deduplicated starts, transactional steps that signal, executions and children that time out, a retry, and a hold by a paused queue.
 */
import { join } from "node:path";
import { openPawl, silentLogger } from "pawl/internal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crashTemplate } from "../support/crash-template.ts";
import { checkInvariants, execute, query } from "../support/database.ts";
import { sessionsEnded } from "../support/killed-program.ts";
import { readLines, temporaryDirectory } from "../support/ledger.ts";
import { Program } from "../support/program.ts";
import type { Kill } from "../support/programs/kill-at.mjs";
import { drive, makeFeatures, serve } from "../support/programs/features.mjs";
import { inParallel } from "../support/wait.ts";

const template = crashTemplate((url) => execute(url, "CREATE TABLE public.account (cents integer NOT NULL); INSERT INTO public.account VALUES (1000)"));
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
});

afterAll(() => directory.remove());

/** Transactions that the workload must meet. */
const writes = ["register-worker", "claim", "commit", "transaction", "next-run", "add-pause", "remove-pause", "release"];

/** Steps with a result, and parts whose heartbeat was recorded. */
async function recorded(url: string): Promise<ReadonlySet<string>> {
  const rows = await query<{ type: string; data: string }>(url, "SELECT type, data FROM pawl.history WHERE type IN ('StepCompleted', 'StepAttemptFailed')");
  return new Set(rows.map(({ type, data }) => (type === "StepCompleted" ? /"name":"(\w+)"/.exec(data)![1]! : `part ${/"heartbeat":(\d)/.exec(data)![1]}`)));
}

async function begunBy(ledger: string, pid: number): Promise<readonly string[]> {
  const lines = (await readLines(ledger)).map((line) => JSON.parse(line) as { readonly what: string; readonly pid: number });
  return lines.filter((line) => line.pid === pid).map(({ what }) => what);
}

const openedSql = "SELECT execution_id FROM pawl.executions WHERE workflow = 'only'";

async function killAndFinish(name: string, kill: Kill): Promise<boolean> {
  const database = await template.copy();
  const ledger = join(directory.path, name);
  const program = new Program("features.mjs", { url: database.url, ledger, kill });
  const { signal, code } = await program.exited;
  if (signal !== "SIGKILL" && code !== 0) throw new Error(`the program ended with ${code}:\n${program.output}`);
  await sessionsEnded(database.url);
  await checkInvariants(database.url);
  const before = await recorded(database.url);
  const opened = await query<{ execution_id: string }>(database.url, openedSql);

  const features = makeFeatures(ledger, () => pawl);
  const pawl = await openPawl({ url: database.url, migrate: false, poolSize: 3, logger: silentLogger });
  await serve(pawl, features);
  const only = await drive(pawl, features);
  const result = (id: string): Promise<unknown> => pawl.handle(id).result({ timeout: "2 minutes" });
  expect(await result("whole")).toEqual({ doubled: 42, parts: 4, cents: 100, inTime: false });
  expect(await pawl.handle("whole").value("stage")).toBe("done");
  expect([await result("listener"), await result("shop"), await result("held")]).toEqual([100, "inside", 2]);
  expect((await pawl.handle("late").status()).state).toBe("timed_out");
  await pawl.close();
  await checkInvariants(database.url);

  if (opened.length > 0) expect(only, "the same execution is deduplicated").toBe(opened[0]!.execution_id);
  expect(await query(database.url, openedSql)).toEqual([{ execution_id: only }]);
  expect(await query(database.url, "SELECT cents FROM public.account")).toEqual([{ cents: 900 }]);
  expect(await query(database.url, "SELECT count(*)::int AS signals FROM pawl.history WHERE type = 'SignalReceived'")).toEqual([{ signals: 1 }]);
  const again = await begunBy(ledger, process.pid);
  expect(
    again.filter((what) => before.has(what)),
    "what is recorded does not begin again",
  ).toEqual([]);
  for (const begun of [await begunBy(ledger, program.pid), again]) expect(new Set(begun).size, "nothing begins twice in one process").toBe(begun.length);
  await database.drop();
  return signal === "SIGKILL";
}

test("nothing is lost, done again or told twice", async () => {
  const database = await template.copy();
  const program = new Program("features.mjs", { url: database.url, ledger: join(directory.path, "record") });
  const counts = (await program.report("boundaries"))["counts"] as Record<string, number>;
  await program.exited;
  await database.drop();
  for (const name of writes) expect(Object.keys(counts), `the program meets ${name}`).toContain(`${name}/after`);

  const kills = Object.entries(counts)
    .filter(([boundary]) => writes.includes(boundary.split("/")[0]!))
    .flatMap(([boundary, count]) => [...new Set([1, Math.ceil(count / 3), Math.ceil(count / 2), count])].map((occurrence) => ({ boundary, occurrence })));
  const failures: string[] = [];
  let killed = 0;
  await inParallel(kills, 5, async (kill, index) => {
    try {
      if (await killAndFinish(`kill-${index}`, kill)) killed++;
    } catch (error) {
      failures.push(`kill ${kill.occurrence} at ${kill.boundary}: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  expect(failures).toEqual([]);
  // Timing moves the last occurrences: some kills never come.
  expect(killed).toBeGreaterThan(kills.length * 0.7);
});
