/** The reply of a transaction is lost after it has committed: what is sent again must have no second effect. */
import { join } from "node:path";
import { openPawl, silentLogger } from "pawl/internal";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { countByStep, readLedger, recordedSteps, temporaryDirectory } from "../support/ledger.ts";
import { drive, makeWorkflows, mixedCount, mixedResult, startSlow } from "../support/programs/workload.mjs";
import { TcpProxy, type Swallow } from "../support/tcp-proxy.ts";

vi.setConfig({ testTimeout: 90_000 });

let database: FreshDatabase;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let proxy: TcpProxy;

beforeEach(async () => {
  directory = await temporaryDirectory();
  database = await freshDatabase();
  await (await openPawl({ url: database.url, logger: silentLogger })).close();
  await installTerminalGuard(database.url);
  proxy = await TcpProxy.open(database.url);
});

afterEach(async () => {
  await proxy.close();
  await database.drop();
  await directory.remove();
});

/** Everything a client and a worker do, through the proxy; then closes, and a second worker finishes what was given back. */
async function runWorkload(namespace: string, swallow: Swallow): Promise<void> {
  const ledger = join(directory.path, namespace);
  const workflows = makeWorkflows(ledger);
  proxy.swallow = swallow;
  proxy.seen.clear();
  const pawl = await openPawl({ url: proxy.url, migrate: false, namespace, poolSize: 3, logger: silentLogger });
  await pawl.worker({ workflows: Object.values(workflows), pollInterval: 100 });
  const acknowledged: string[] = [];
  await drive(pawl, workflows, (operation) => acknowledged.push(operation));
  const results = await Promise.all(Array.from({ length: mixedCount }, (_, n) => pawl.handle(`mixed-${n}`).result({ timeout: "2 minutes" })));
  expect(results).toEqual(Array.from({ length: mixedCount }, (_, n) => mixedResult(n)));
  // Each was answered as if nothing had happened.
  expect(acknowledged).toEqual(expect.arrayContaining(["cancel cancelled", "terminate terminated", "cancel delayed", "cancel resumed", "resume resumed"]));
  await startSlow(pawl, workflows, () => {});
  await pawl.close({ drain: 0 });
  await checkInvariants(database.url);
  const second = await openPawl({ url: proxy.url, migrate: false, namespace, poolSize: 1, logger: silentLogger });
  await second.worker({ workflows: Object.values(workflows), pollInterval: 100 });
  for (const n of [0, 1]) expect(await second.handle(`slow-${n}`).result({ timeout: "2 minutes" })).toBe(5);
  await second.close();
  proxy.swallow = () => false;
  await checkInvariants(database.url);

  const rows = await query<{ execution_id: string; state: string; runs: number }>(
    database.url,
    "SELECT execution_id, state, run_number AS runs FROM pawl.executions WHERE namespace = $1",
    [namespace],
  );
  const states = new Map(rows.map(({ execution_id, state, runs }) => [execution_id, `${state} in run ${runs}`]));
  expect(states.size).toBe(rows.length);
  expect(states.get("cancelled")).toBe("cancelled in run 1");
  expect(states.get("terminated")).toBe("terminated in run 1");
  expect(states.get("delayed")).toBe("cancelled in run 1");
  expect(states.get("resumed")).toBe("completed in run 2");
  expect(rows.length).toBe(mixedCount * 3 + 5 + 2);

  const requests = await query<{ n: number }>(
    database.url,
    "SELECT count(*)::int AS n FROM pawl.history h JOIN pawl.executions x USING (run_id) WHERE x.namespace = $1 AND h.type = 'CancelRequested' GROUP BY run_id",
    [namespace],
  );
  // The cancelled one; the resumed run begins before its request, which stays with the past run.
  expect(requests.map(({ n }) => n)).toEqual([1]);

  const recorded = await recordedSteps(database.url, namespace);
  const problems: string[] = [];
  for (const [key, count] of countByStep(await readLedger(ledger))) {
    const records = recorded.attempts.get(key)?.size ?? 0;
    // A step that is running when its execution is stopped, or its worker, has no record of that start.
    const unrecorded = /^(cancelled|terminated|resumed|slow-\d)\//.test(key) ? 1 : 0;
    if (count < records || count > records + unrecorded) problems.push(`${key} started ${count} times for ${records} records`);
  }
  expect(problems.join("; ")).toBe("");
}

test("of any transaction on any path, one at a time, changes nothing", async () => {
  await runWorkload("undisturbed", () => false);
  const kinds = [...proxy.seen.keys()];
  for (const expected of [
    /^pawl_claim$/,
    /^pawl_register-worker$/,
    /^pawl_release$/,
    /^pawl_stop-worker$/,
    /^pawl_request-cancel$/,
    /^pawl_close-execution$/,
    /^pawl_resume$/,
    /^pawl_send-messages$/,
    /^pawl_read-inboxes$/,
    /^heartbeat$/,
  ]) {
    expect(
      kinds.some((kind) => expected.test(kind)),
      `${kinds.join(", ")} has ${String(expected)}`,
    ).toBe(true);
  }
  // Starts, appends, child starts, messages, parks and ends are shapes of the one commit statement.
  expect(kinds.filter((kind) => kind.startsWith("pawl_commit:")).length).toBeGreaterThanOrEqual(6);
  for (const nth of [1, 2, 3]) await runWorkload(`losing-${nth}`, (_, occurrence) => occurrence === nth);
  const lost = [...proxy.swallowed.entries()].map(([kind, count]) => `${kind} ${count}`);
  console.log(`${proxy.lostReplies} replies swallowed: ${lost.join(", ")}`);
  for (const kind of kinds) if (!/notify|commit/.test(kind)) expect(proxy.swallowed.get(kind) ?? 0, `${kind} lost a reply`).toBeGreaterThan(0);
  // A commit's shape says what is in it, by position; which of them meet in one batch is chance.
  const shapes = [...proxy.swallowed.keys()].flatMap((kind) => /^pawl_commit:(\d+)$/.exec(kind)?.[1] ?? []);
  ["appends", "starts", "messages", "consumed messages", "ends", "parks", "wake-ups", "queued starts"].forEach((what, position) => {
    expect(
      shapes.some((shape) => shape[position] === "1"),
      `a commit with ${what} lost its reply`,
    ).toBe(true);
  });
  expect(
    shapes.some((shape) => shape.startsWith("11")),
    "a commit with a child start lost its reply",
  ).toBe(true);
});

test("of every third transaction changes nothing", async () => {
  let all = 0;
  await runWorkload("pass", () => ++all % 3 === 0);
  console.log(`${proxy.lostReplies} replies swallowed of ${all}`);
  expect(proxy.lostReplies).toBeGreaterThan(20);
});
