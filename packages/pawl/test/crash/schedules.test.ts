/** Processes that die while they fire schedules, replies that are lost, and several processes at once: one execution for each instant. */
import { defineWorkflow, type Pawl, type ScheduleHandle } from "pawl";
import { openPawl, silentLogger, type Interceptor } from "pawl/internal";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { runUntilKilled } from "../support/killed-program.ts";
import { killPrograms } from "../support/program.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

vi.setConfig({ testTimeout: 90_000 });

const noted = defineWorkflow({ name: "noted", run: async (ctx) => ctx.schedule?.at.toISOString() });
const endless = defineWorkflow({ name: "endless", run: async (ctx) => ctx.sleep("1000 days") });

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
  await (await openPawl({ url: database.url, logger: silentLogger })).close();
  await installTerminalGuard(database.url);
});
afterEach(async () => {
  await killPrograms();
  await checkInvariants(database.url);
});
afterAll(() => database.drop());

/** The same database with its clock standing still. */
function urlAt(time: string, url = database.url): string {
  return `${url}${url.includes("?") ? "&" : "?"}options=${encodeURIComponent(`-c pawl.now=${time}`)}`;
}

async function open<Result>(namespace: string, time: string, work: (pawl: Pawl) => Promise<Result>, intercept?: Interceptor, url?: string): Promise<Result> {
  const pawl = await openPawl({ url: urlAt(time, url), namespace, migrate: false, logger: silentLogger }, intercept);
  try {
    return await work(pawl);
  } finally {
    await pawl.close({ drain: 0 });
  }
}

const created = "2026-01-01T00:00:30Z";
const due = "2026-01-01T00:03:10Z";
const instants = [1, 2, 3].map((minute) => `2026-01-01T00:0${minute}:00`);

/** Three schedules that are due three times. */
async function prepare(namespace: string): Promise<readonly string[]> {
  const ids = ["a", "b", "c"];
  await open(namespace, created, async (pawl) => {
    for (const scheduleId of ids) await pawl.schedules.create({ scheduleId, workflow: noted, interval: "1 minute", overlap: "allow_all" });
  });
  return ids.flatMap((id) => instants.map((instant) => `${id}:${instant}Z`));
}

async function fire(namespace: string, intercept?: Interceptor, url?: string): Promise<void> {
  await open(namespace, due, async (pawl) => (await pawl.worker({ workflows: [noted], manual: true })).runOnce(), intercept, url);
}

async function ended(namespace: string): Promise<readonly string[]> {
  const rows = await query<{ execution_id: string; state: string }>(
    database.url,
    "SELECT execution_id, state FROM pawl.executions WHERE namespace = $1 ORDER BY execution_id",
    [namespace],
  );
  expect(rows.filter(({ state }) => state !== "completed")).toEqual([]);
  return rows.map((row) => row.execution_id);
}

async function countsOf(namespace: string): Promise<readonly { runs: number; skipped: number; missed: number }[]> {
  const pawl = await openPawl({ url: database.url, namespace, migrate: false, logger: silentLogger });
  const { schedules } = await pawl.schedules.list();
  await pawl.close();
  return schedules.map(({ runs, skipped, missed }) => ({ runs, skipped, missed }));
}

test.each(["due-schedules/after", "fire-schedules/before", "fire-schedules/after", "claim/before", "claim/after"])(
  "killed with SIGKILL at %s: the next process starts what was not, and nothing twice",
  async (boundary) => {
    const namespace = `killed-${boundary.replace("/", "-")}`;
    const expected = await prepare(namespace);
    await runUntilKilled("schedules.mjs", database.url, { url: urlAt(due), namespace, kill: { boundary, occurrence: 1 } });
    // The dead one's lease stands still with the clock; it had claimed nothing, or what it had claimed is given back.
    await query(database.url, "UPDATE pawl.workers SET state = 'dead' WHERE namespace = $1 AND state = 'live'", [namespace]);
    await fire(namespace);
    expect(await ended(namespace)).toEqual(expected);
    expect(await countsOf(namespace)).toEqual([1, 2, 3].map(() => ({ runs: 3, skipped: 0, missed: 0 })));
  },
);

test("the reply to the firing is lost: sent again, it starts nothing again and counts nothing again", async () => {
  const namespace = "lost-reply";
  const expected = await prepare(namespace);
  const proxy = await TcpProxy.open(database.url);
  proxy.swallow = (statement, occurrence) => statement === "pawl_fire-schedules" && occurrence === 1;
  await fire(namespace, undefined, proxy.url);
  expect(proxy.seen.get("pawl_fire-schedules")).toBeGreaterThan(1);
  await proxy.close();
  expect(await ended(namespace)).toEqual(expected);
  expect(await countsOf(namespace)).toEqual([1, 2, 3].map(() => ({ runs: 3, skipped: 0, missed: 0 })));
});

test.each(["create-schedule", "change-schedule", "delete-schedule"])("the reply to %s is lost: it is answered as if nothing had happened", async (lost) => {
  const namespace = `lost-${lost}`;
  const proxy = await TcpProxy.open(database.url);
  proxy.swallow = (statement, occurrence) => statement === `pawl_${lost}` && occurrence === 1;
  await open(
    namespace,
    due,
    async (pawl) => {
      const handle = await pawl.schedules.create({ scheduleId: "s", workflow: noted, interval: "1 minute" });
      await handle.backfill({ from: "2026-01-01T00:01:00Z", to: "2026-01-01T00:02:00Z" });
      expect((await handle.describe()).backfills).toHaveLength(1);
      await handle.delete();
    },
    undefined,
    proxy.url,
  );
  expect(proxy.seen.get(`pawl_${lost}`)).toBeGreaterThan(1);
  await proxy.close();
  expect(await countsOf(namespace)).toEqual([]);
});

test("two processes that have both read the same due schedules start each instant once", async () => {
  const namespace = "both-have-read";
  const expected = await prepare(namespace);
  let readers = 0;
  let release = (): void => {};
  const both = new Promise<void>((resolve) => (release = resolve));
  // Whoever has read waits until the other has, too.
  const meet: Interceptor = async (name, phase) => {
    if (name !== "due-schedules" || phase !== "after" || readers >= 2) return;
    if (++readers === 2) release();
    await both;
  };
  await Promise.all([fire(namespace, meet), fire(namespace, meet)]);
  expect(await ended(namespace)).toEqual(expected);
  expect(await countsOf(namespace)).toEqual([1, 2, 3].map(() => ({ runs: 3, skipped: 0, missed: 0 })));
});

test("a process that has read what is due changes nothing after the schedule was paused, changed or deleted", async () => {
  const namespace = "overtaken";
  await prepare(namespace);
  let read = (): void => {};
  let goOn = (): void => {};
  const hasRead = new Promise<void>((resolve) => (read = resolve));
  const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
  const hold: Interceptor = async (name, phase) => {
    if (name !== "fire-schedules" || phase !== "before") return;
    read();
    await mayGoOn;
  };
  const firing = fire(namespace, hold);
  await hasRead;
  await open(namespace, due, async (pawl) => {
    await pawl.schedules.get("a").pause();
    await pawl.schedules.get("b").update({ interval: "1 day" });
    await pawl.schedules.get("c").delete();
  });
  goOn();
  await firing;
  expect(await ended(namespace)).toEqual([]);
  expect(await countsOf(namespace)).toEqual([1, 2].map(() => ({ runs: 0, skipped: 0, missed: 0 })));
});

/** One whose first execution runs, under a policy that replaces it, and a way to run rounds of a worker at a time. */
async function replacing(namespace: string, overlap: "cancel_other" | "terminate_other") {
  await open(namespace, created, (pawl) => pawl.schedules.create({ scheduleId: "s", workflow: endless, interval: "1 minute", overlap }));
  const run = (time: string, intercept?: Interceptor): Promise<void> =>
    open(
      namespace,
      time,
      async (pawl) => {
        const worker = await pawl.worker({ workflows: [endless], manual: true });
        for (let round = 0; round < 3; round++) await worker.runOnce();
      },
      intercept,
    );
  await run("2026-01-01T00:01:00Z");
  return run;
}

async function states(namespace: string): Promise<readonly string[]> {
  const rows = await query<{ execution_id: string; state: string }>(
    database.url,
    "SELECT execution_id, state FROM pawl.executions WHERE namespace = $1 ORDER BY execution_id",
    [namespace],
  );
  return rows.map(({ execution_id, state }) => `${execution_id} ${state}`);
}

const stops = { cancel_other: "request-cancel", terminate_other: "close-execution" } as const;

describe.each(["cancel_other", "terminate_other"] as const)("%s", (overlap) => {
  test.each([
    ["the decision", "fire-schedules", 1],
    ["stopping the other one", stops[overlap], 1],
    ["starting the next one", "fire-schedules", 2],
  ] as const)("dying before %s loses neither the stop nor the instant", async (_what, transaction, occurrence) => {
    const namespace = `dies-${overlap}-${transaction}-${occurrence}`;
    const run = await replacing(namespace, overlap);
    let count = 0;
    let dead = false;
    const dies: Interceptor = (name, phase) => {
      if (phase === "before" && name === transaction && ++count === occurrence) dead = true;
      if (dead) throw new TypeError("dies here");
    };
    await run("2026-01-01T00:02:00Z", dies).catch(() => {});
    expect(dead).toBe(true);
    await query(database.url, "UPDATE pawl.workers SET state = 'dead' WHERE namespace = $1 AND state = 'live'", [namespace]);
    await run("2026-01-01T00:02:01Z");
    expect(await states(namespace)).toEqual([
      `s:2026-01-01T00:01:00Z ${overlap === "cancel_other" ? "cancelled" : "terminated"}`,
      "s:2026-01-01T00:02:00Z running",
    ]);
  });

  const changes = {
    pause: (handle) => handle.pause(),
    "update of the times": (handle) => handle.update({ interval: "1 day" }),
    delete: (handle) => handle.delete(),
  } satisfies Record<string, (handle: ScheduleHandle) => Promise<void>>;

  test.each(
    (Object.keys(changes) as (keyof typeof changes)[]).flatMap((change) => [["what is due", change, 0] as const, ["whom it has to stop", change, 1] as const]),
  )("a process that has read %s stops nothing after: %s", async (_what, change, fires) => {
    const namespace = `overtaken-${overlap}-${change.replaceAll(" ", "-")}-${fires}`;
    const run = await replacing(namespace, overlap);
    let fired = 0;
    let asked = false;
    // Between the look and what is made of it.
    const overtake: Interceptor = async (name, phase) => {
      if (name === "fire-schedules" && phase === "after") fired++;
      if (name !== "due-schedules" || phase !== "after" || fired < fires || asked) return;
      asked = true;
      await open(namespace, "2026-01-01T00:02:00Z", (pawl) => changes[change](pawl.schedules.get("s")));
    };
    await run("2026-01-01T00:02:00Z", overtake);
    await run("2026-01-01T00:03:00Z");
    expect(asked).toBe(true);
    expect(await states(namespace)).toEqual(["s:2026-01-01T00:01:00Z running"]);
  });
});
