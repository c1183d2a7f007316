/**
 * A process is killed with SIGKILL before and after every named transaction, at its first, middle and last occurrence; a
 * second process repeats the client's operations and finishes what is left.
 */
import { join } from "node:path";
import { openPawl, silentLogger } from "pawl/internal";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { checkInvariants, copyDatabase, execute, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { countByStep, readLedger, readLines, recordedSteps, temporaryDirectory } from "../support/ledger.ts";
import { sessionsEnded } from "../support/killed-program.ts";
import { killPrograms, Program } from "../support/program.ts";
import { drive, makeWorkflows, mixedCount, mixedResult, startSlow, toldResult } from "../support/programs/workload.mjs";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { inParallel } from "../support/wait.ts";

interface Kill {
  readonly boundary: string;
  readonly occurrence: number;
}

/** Transactions that write. The script must meet them all; if one is renamed or never sent any more, the test says so. */
const writes = [
  "register-worker",
  "expire-workers",
  "take-over",
  "claim",
  "commit",
  "request-cancel",
  "close-execution",
  "resume",
  "release",
  "stop-worker",
  "send-messages",
];

const width = 5;
let template: FreshDatabase;
let counts: Record<string, number>;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  template = await makeTemplate();
  const database = await copyDatabase(template.url);
  const program = new Program("boundaries.mjs", {
    url: database.url,
    ledger: join(directory.path, "record"),
    acknowledgements: join(directory.path, "record-acks"),
  });
  counts = (await program.report("boundaries"))["counts"] as Record<string, number>;
  await program.exited;
  await database.drop();
});

afterEach(killPrograms);

afterAll(async () => {
  await template.drop();
  await directory.remove();
});

/** With the schema, the guard, and two executions that a dead worker had claimed. */
async function makeTemplate(): Promise<FreshDatabase> {
  const database = await freshDatabase();
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  const { child } = makeWorkflows("/dev/null");
  const { workerId } = await pawl.worker({ workflows: [child], manual: true });
  for (const n of [0, 1]) await pawl.start(child, n, { executionId: `orphan-${n}` });
  await pawl.close();
  await installTerminalGuard(database.url);
  // As if the worker had claimed both and died elsewhere, so that only its lease tells.
  await execute(
    database.url,
    `UPDATE pawl.workers SET state = 'live', ended_at = NULL, lease_until = now() - interval '1 second', host = 'elsewhere' WHERE id = '${workerId}';
UPDATE pawl.executions SET worker_id = '${workerId}', epoch = 1, claims = 1, state = 'running', started_at = now();
DELETE FROM pawl.tasks;`,
  );
  return database;
}

/** An execution as the dead process left it. */
interface Left {
  readonly execution_id: string;
  readonly state: string;
  readonly run_number: number;
  readonly cancel_requested: boolean;
  /** Data of the signals and updates that it has read or will read. */
  readonly messages: string;
}

const leftSql = `SELECT execution_id, state, run_number, EXISTS (SELECT 1 FROM pawl.inbox x WHERE x.run_id = e.run_id AND x.type = 'CancelRequested')
 OR EXISTS (SELECT 1 FROM pawl.history h WHERE h.run_id = e.run_id AND h.type = 'CancelRequested') AS cancel_requested,
 concat((SELECT string_agg(x.data, ' ') FROM pawl.inbox x WHERE x.run_id = e.run_id),
  (SELECT string_agg(h.type || h.data, ' ') FROM pawl.history h WHERE h.run_id = e.run_id AND h.type ~ '^(Signal|Update)')) AS messages FROM pawl.executions e`;

/** Whether an operation that was answered is in the database, with nobody alive who might still put it there. */
function isKept(operation: string, left: ReadonlyMap<string, Left>): boolean {
  const [verb, executionId, id] = operation.split(" ") as [string, string, string];
  const row = left.get(executionId);
  if (row === undefined) return false;
  switch (verb) {
    case "start":
      return true;
    case "terminate":
      return row.state === "terminated";
    case "cancel":
      return row.state === "cancelled" || row.cancel_requested || row.run_number > 1;
    case "resume":
      return row.run_number === 2;
    case "signal":
      return row.messages.includes(`"${id}"`);
    case "update":
      return new RegExp(`UpdateCompleted\\{"updateId":"${id}"`).test(row.messages);
    default:
      throw new Error(`no operation ${operation}`);
  }
}

interface Outcome {
  readonly killed: boolean;
  readonly lostAttempts: number;
}

/** Runs the program with a kill, then finishes in this process, and checks everything. */
async function killAndFinish(name: string, start: (url: string, ledger: string, acknowledgements: string) => Promise<Program>): Promise<Outcome> {
  const database = await copyDatabase(template.url);
  const ledger = join(directory.path, `${name}.ledger`);
  const acknowledgements = join(directory.path, `${name}.acks`);
  const program = await start(database.url, ledger, acknowledgements);
  const ended = await program.exited;
  if (ended.signal !== "SIGKILL" && ended.code !== 0) throw new Error(`the program ended with ${ended.code}:\n${program.output}`);
  // What the dead process had sent may still be committed by the server.
  await sessionsEnded(database.url);
  const before = await recordedSteps(database.url);
  const acknowledged = await readLines(acknowledgements);
  const left = new Map((await query<Left>(database.url, leftSql)).map((row) => [row.execution_id, row]));
  expect(acknowledged.filter((operation) => !isKept(operation, left))).toEqual([]);
  await checkInvariants(database.url);

  const workflows = makeWorkflows(ledger);
  const pawl = await openPawl({ url: database.url, migrate: false, poolSize: 2, logger: silentLogger });
  await pawl.worker({ workflows: Object.values(workflows), pollInterval: 100 });
  await drive(pawl, workflows, () => {});
  const slow = await startSlow(pawl, workflows, () => {});
  const slowResults = await Promise.all(slow.map((handle) => handle.result({ timeout: "2 minutes" })));
  const orphanResults = await Promise.all([0, 1].map((n) => pawl.handle(`orphan-${n}`).result({ timeout: "2 minutes" })));
  const mixedResults = await Promise.all(Array.from({ length: mixedCount }, (_, n) => pawl.handle(`mixed-${n}`).result({ timeout: "2 minutes" })));
  const told = await pawl.handle("told").result({ timeout: "2 minutes" });
  await pawl.close();
  await checkInvariants(database.url);

  expect(told).toBe(toldResult);
  expect(slowResults).toEqual([5, 5]);
  expect(orphanResults).toEqual([0, 10]);
  expect(mixedResults).toEqual(Array.from({ length: mixedCount }, (_, n) => mixedResult(n)));
  const states = new Map(
    (await query<{ execution_id: string; state: string }>(database.url, "SELECT execution_id, state FROM pawl.executions")).map((row) => [
      row.execution_id,
      row.state,
    ]),
  );
  expect(states.get("cancelled")).toBe("cancelled");
  expect(states.get("terminated")).toBe("terminated");
  expect(states.get("delayed")).toBe("cancelled");
  expect(states.get("resumed")).toBe("completed");
  expect(states.size).toBe(mixedCount * 3 + 5 + 2 + 2);

  const problems: string[] = [];
  const starts = await readLedger(ledger);
  const first = countByStep(starts.filter(({ pid }) => pid === program.pid));
  const second = countByStep(starts.filter(({ pid }) => pid === process.pid));
  const after = await recordedSteps(database.url);
  let lostAttempts = 0;
  for (const key of new Set([...first.keys(), ...second.keys(), ...after.attempts.keys()])) {
    // A cancel or terminate stops the step that runs: such a start has no record.
    const stopped = /^(cancelled|terminated|resumed)\//.test(key) ? 1 : 0;
    const recordedFirst = before.attempts.get(key)?.size ?? 0;
    const recordedSecond = (after.attempts.get(key)?.size ?? 0) - recordedFirst;
    const lost = (first.get(key) ?? 0) - recordedFirst;
    // A process can lose the attempt that was running when it died, and nothing else.
    if (lost < 0 || lost > 1) problems.push(`${key} started ${first.get(key) ?? 0} times before the kill, with ${recordedFirst} recorded`);
    if (before.settled.has(key) && second.has(key)) problems.push(`${key} had its result and started again`);
    const unrecorded = (second.get(key) ?? 0) - recordedSecond;
    if (unrecorded < 0 || unrecorded > stopped) problems.push(`${key} started ${second.get(key) ?? 0} times after the kill, with ${recordedSecond} recorded`);
    lostAttempts += lost;
  }
  expect(problems.join("; ")).toBe("");
  await database.drop();
  return { killed: ended.signal === "SIGKILL", lostAttempts };
}

/** First, last and between. */
function spread(count: number, kinds: number): number[] {
  return [...new Set(Array.from({ length: kinds }, (_, i) => 1 + Math.round((i * (count - 1)) / Math.max(1, kinds - 1))))];
}

/** Around a read, only what was written before it matters: one kill before the first, one after the last. */
function chooseKills(): Kill[] {
  return Object.entries(counts).flatMap(([boundary, count]) => {
    const [name, phase] = boundary.split("/") as [string, string];
    if (!writes.includes(name)) return [{ boundary, occurrence: phase === "before" ? 1 : count }];
    return spread(count, name === "commit" ? 8 : 3).map((occurrence) => ({ boundary, occurrence }));
  });
}

describe("a worker killed with SIGKILL", () => {
  test("at any transaction boundary loses nothing, and no recorded step runs again", async () => {
    for (const name of writes) expect(Object.keys(counts), `the script meets ${name}`).toContain(`${name}/before`);
    const kills = chooseKills();
    let killed = 0;
    let lostAttempts = 0;
    const failures: string[] = [];
    await inParallel(kills, width, async (kill, index) => {
      try {
        const outcome = await killAndFinish(
          `kill-${index}`,
          async (url, ledger, acknowledgements) => new Program("boundaries.mjs", { url, ledger, acknowledgements, kill }),
        );
        if (outcome.killed) killed++;
        lostAttempts += outcome.lostAttempts;
      } catch (error) {
        failures.push(`kill ${kill.occurrence} at ${kill.boundary}: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
    console.log(`${killed} kills of ${kills.length} at ${Object.keys(counts).length} boundaries; ${lostAttempts} attempts were lost with their process`);
    expect(failures).toEqual([]);
    // Timing moves the last occurrences: some kills never come.
    expect(killed).toBeGreaterThan(kills.length * 0.8);
    expect(lostAttempts).toBeGreaterThan(0);
  });

  test("as its heartbeat is sent, or after it was answered, loses nothing", async () => {
    let killed = 0;
    const beats = [1, 2].flatMap((occurrence) => [true, false].map((answered) => ({ occurrence, answered })));
    await inParallel(beats, width, async ({ occurrence, answered }) => {
      const proxies: TcpProxy[] = [];
      const outcome = await killAndFinish(`heartbeat-${occurrence}-${answered}`, async (url, ledger, acknowledgements) => {
        const proxy = await TcpProxy.open(url);
        proxies.push(proxy);
        const program = new Program("boundaries.mjs", { url: proxy.url, ledger, acknowledgements });
        const isTheOne = (statement: string, n: number): boolean => statement === "heartbeat" && n === occurrence;
        if (answered) {
          proxy.swallow = isTheOne;
          proxy.onSwallowed = () => program.signal("SIGKILL");
        } else proxy.onStatement = (statement, n) => void (isTheOne(statement, n) && program.signal("SIGKILL"));
        return program;
      });
      for (const proxy of proxies) await proxy.close();
      if (outcome.killed) killed++;
    });
    // The script can be over before its second heartbeat.
    expect(killed).toBeGreaterThanOrEqual(beats.length / 2);
  });
});
