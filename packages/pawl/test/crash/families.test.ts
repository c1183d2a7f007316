/** Parents and children whose ends, resumes and deaths meet: every end is told to the right run, once. */
import { defineWorkflow, type ExecutionHandle, type ExecutionInfo } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { checkInvariants, freshDatabase, query, type FreshDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait.ts";

vi.setConfig({ testTimeout: 60_000 });

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(async () => {
  await checkInvariants(database.url);
  await database.drop();
});

const until = async (what: string, handle: ExecutionHandle, is: (status: ExecutionInfo) => boolean): Promise<unknown> =>
  waitFor(what, async () => is(await handle.status()) || undefined);

test("a child that runs while its quarantined parent is resumed tells its end to the new run", async () => {
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const code = { changed: false };
  const child = defineWorkflow({ name: "child", taskQueue: "children", run: async (ctx) => ctx.step("wait", async () => gate.then(() => 5)) });
  const parent = defineWorkflow({
    name: "parent",
    run: async (ctx) => {
      const result = ctx.child(child, undefined);
      await ctx.sleep(300);
      if (code.changed) await ctx.step("changed", () => 1);
      else await ctx.sleep(1);
      return result;
    },
  });
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  const childPawl = await openPawl({ url: database.url, logger: silentLogger });
  await childPawl.worker({ workflows: [child], pollInterval: 10 });
  await pawl.worker({ workflows: [parent], pollInterval: 10 });
  const handle = await pawl.start(parent, undefined, { executionId: "p" });
  await waitFor("both timers", async () => (await handle.history()).filter(({ event }) => event.type === "TimerFired").length === 2 || undefined);
  await until("parked", handle, ({ workerId }) => workerId === null);
  code.changed = true;
  // Woken without a reason, it replays with code that does not fit its history, and is held.
  await query(
    database.url,
    "INSERT INTO pawl.tasks SELECT run_id, now(), namespace, task_queue, workflow || '@' || version FROM pawl.executions WHERE execution_id = 'p'",
  );
  await until("held", handle, ({ state }) => state === "quarantined");
  code.changed = false;
  await handle.resume();
  await until("parked again", handle, ({ workerId, waitingFor }) => workerId === null && waitingFor !== null);
  release();
  expect(await handle.result({ timeout: "2 minutes" })).toBe(5);
  await pawl.close({ drain: 0 });
  await childPawl.close({ drain: 0 });
});

test("a cancelled child that is resumed on its own tells its parent no second end", async () => {
  const flags = { finish: false };
  const child = defineWorkflow({ name: "child", run: async (ctx) => ctx.step("run", async () => (flags.finish ? 1 : new Promise<number>(() => {}))) });
  const parent = defineWorkflow({
    name: "parent",
    run: async (ctx) => {
      await ctx.child(child, undefined).catch(() => 0);
      await ctx.sleep("1h");
    },
  });
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  await pawl.worker({ workflows: [parent, child], pollInterval: 10 });
  const handle = await pawl.start(parent, undefined, { executionId: "p" });
  await waitFor("the child", async () => (await pawl.list({ workflow: "child", state: "running" })).executions.length === 1 || undefined);
  await pawl.handle("p.1").cancel();
  await until("asleep", handle, ({ waitingFor }) => waitingFor === "a timer");
  flags.finish = true;
  await pawl.handle("p.1").resume();
  expect(await pawl.handle("p.1").result({ timeout: "2 minutes" })).toBe(1);
  const told = (await handle.history()).filter(({ event }) => event.type === "ChildFailed" || event.type === "ChildCompleted");
  expect(told.map(({ event }) => event.type)).toEqual(["ChildFailed"]);
  await pawl.close({ drain: 0 });
});

test("a worker that dies knowing that a child's id is taken, before it could say so, leaves no parent waiting", async () => {
  const child = defineWorkflow({ name: "child", run: async () => 3 });
  const parent = defineWorkflow({
    name: "parent",
    run: async (ctx) => ctx.child(child, undefined, { executionId: "taken" }).catch((error: Error) => error.name),
  });
  const other = await openPawl({ url: database.url, logger: silentLogger });
  await other.worker({ workflows: [child], pollInterval: 10 });
  await other.execute(child, undefined, { executionId: "taken" });
  let dead = false;
  const never = new Promise<never>(() => {});
  const pawl = await openPawl({ url: database.url, logger: silentLogger }, async (name, phase) => {
    if (dead) await never;
    if (name !== "commit" || phase !== "after") return;
    const [row] = await query<{ n: number }>(database.url, "SELECT count(*)::int AS n FROM pawl.history WHERE type = 'ChildStarted'");
    if (row!.n === 0) return;
    dead = true;
    await never;
  });
  await pawl.worker({ workflows: [parent], pollInterval: 10 });
  await pawl.start(parent, undefined, { executionId: "p" });
  await waitFor("dead", () => dead || undefined);
  await query(database.url, "UPDATE pawl.workers SET state = 'dead' WHERE id = (SELECT worker_id FROM pawl.executions WHERE execution_id = 'p')");
  await other.worker({ workflows: [parent], pollInterval: 10 });
  expect(await other.handle("p").result({ timeout: "2 minutes" })).toBe("ExecutionFailed");
  await other.close({ drain: 0 });
});

test("a second cancel request within one claim leaves nothing in the inbox", async () => {
  const long = defineWorkflow({ name: "long", run: async (ctx) => ctx.sleep("1h") });
  const stubborn = defineWorkflow({
    name: "stubborn",
    run: async (ctx) => {
      await ctx.sleep("1h").catch(() => {});
      await ctx.shield(async (shielded) => shielded.child(long, undefined));
    },
  });
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  await pawl.worker({ workflows: [stubborn, long], pollInterval: 10 });
  const handle = await pawl.start(stubborn, undefined, { executionId: "p" });
  await until("parked", handle, ({ waitingFor }) => waitingFor !== null);
  await handle.cancel();
  await waitFor("the child", async () => (await handle.history()).some(({ event }) => event.type === "ChildStarted") || undefined);
  await handle.cancel();
  await until("parked again", handle, ({ workerId }) => workerId === null);
  expect(await query(database.url, "SELECT * FROM pawl.inbox")).toEqual([]);
  await pawl.close({ drain: 0 });
});
