/** Two things at the same moment, held in the order in which they would do harm. */
import { defineWorkflow, ExecutionCancelled } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import pg from "pg";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkInvariants, freshDatabase, installTerminalGuard, query, type FreshDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait.ts";

let database: FreshDatabase;

beforeEach(async () => {
  database = await freshDatabase();
  await (await openPawl({ url: database.url, logger: silentLogger })).close();
  await installTerminalGuard(database.url);
});

afterEach(() => database.drop());

interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

function gate(): Gate {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open: () => open() };
}

async function rowOf(executionId: string): Promise<{ worker_id: string | null; epoch: number; state: string }> {
  const [row] = await query<{ worker_id: string | null; epoch: number; state: string }>(
    database.url,
    "SELECT worker_id, epoch, state FROM pawl.executions WHERE execution_id = $1",
    [executionId],
  );
  return row!;
}

test("a late answer about an old claim does not drop the new one", async () => {
  const parked = gate();
  const claimedAgain = gate();
  let held = 0;
  const pawl = await openPawl({ url: database.url, logger: silentLogger }, async (name, phase) => {
    if (name !== "lost-claims") return;
    if (phase === "before" && held === 0) {
      held = 1;
      await parked.passed;
    } else if (phase === "after" && held === 1) {
      held = 2;
      await claimedAgain.passed;
    }
  });
  const asked = gate();
  const workflow = defineWorkflow({
    name: "parks",
    run: async (ctx) => {
      await ctx.step("until the check has begun", () => asked.passed);
      await ctx.sleep("2 seconds");
      return ctx.step("after", async () => {
        claimedAgain.open();
        await waitFor("the answer has arrived", () => held === 2);
        return 1;
      });
    },
  });
  await pawl.worker({ workflows: [workflow], pollInterval: 50 });
  const handle = await pawl.start(workflow, undefined, { executionId: "late" });
  await waitFor("the worker asks for its claims", () => held === 1);
  asked.open();
  await waitFor("it is parked", async () => (await rowOf("late")).worker_id === null);
  parked.open();
  expect(await handle.result({ timeout: "2 minutes" })).toBe(1);
  await pawl.close();
  await checkInvariants(database.url);
});

test("a message that meets the end of its execution does not stay in the inbox", async () => {
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  const locked = gate();
  const running = gate();
  const workflow = defineWorkflow({
    name: "ends",
    run: async () => {
      running.open();
      await locked.passed;
      return 1;
    },
  });
  await pawl.worker({ workflows: [workflow], pollInterval: 50 });
  const handle = await pawl.start(workflow, undefined, { executionId: "ends" });
  await running.passed;
  // What request-cancel does, in two statements, so that the execution can end in between.
  const client = new pg.Client({ connectionString: database.url });
  client.on("error", () => {});
  await client.connect();
  await client.query("BEGIN");
  await client.query("UPDATE pawl.executions SET inbox_seq = inbox_seq + 1 WHERE execution_id = 'ends'");
  await client.query(
    "INSERT INTO pawl.inbox (run_id, message_id, type, data) SELECT run_id, 'cancel', 'CancelRequested', '{}' FROM pawl.executions WHERE execution_id = 'ends'",
  );
  locked.open();
  await waitFor("the commit waits for the row", async () => {
    const [row] = await query<{ n: number }>(
      database.url,
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    return row!.n > 0;
  });
  await client.query("COMMIT");
  await client.end();
  expect(await handle.result({ timeout: "2 minutes" })).toBe(1);
  await pawl.close();
  await checkInvariants(database.url);
});

/** An error as the driver gives it when the connection breaks: the transaction may have committed. */
function brokenConnection(): Error {
  return Object.assign(new Error("Connection terminated unexpectedly"), { code: "ECONNRESET" });
}

test("what is given back after a claim whose reply was lost is not what was started meanwhile", async () => {
  const releasing = gate();
  const mayRelease = gate();
  const running = gate();
  const mayEnd = gate();
  let lose = true;
  let held = false;
  const starts: string[] = [];
  const workflow = defineWorkflow({
    name: "counted",
    run: async (ctx) =>
      ctx.step("counted", async (step) => {
        starts.push(step.executionId);
        if (step.executionId !== "eager") return;
        running.open();
        await mayEnd.passed;
      }),
  });
  const client = await openPawl({ url: database.url, logger: silentLogger });
  await client.start(workflow, undefined, { executionId: "queued" });
  const pawl = await openPawl({ url: database.url, logger: silentLogger }, async (name, phase) => {
    if (name === "claim" && phase === "after" && lose) {
      lose = false;
      throw brokenConnection();
    }
    if (name === "release" && phase === "before" && !held) {
      held = true;
      releasing.open();
      await mayRelease.passed;
    }
  });
  await pawl.worker({ workflows: [workflow], pollInterval: 50 });
  await releasing.passed;
  const handle = await pawl.start(workflow, undefined, { executionId: "eager" });
  // It may run at once, or wait until the release is through.
  if ((await rowOf("eager")).worker_id !== null) await running.passed;
  mayRelease.open();
  await running.passed;
  expect(await client.handle("queued").result({ timeout: "2 minutes" })).toBeUndefined();
  mayEnd.open();
  expect(await handle.result({ timeout: "2 minutes" })).toBeUndefined();
  expect(starts.toSorted()).toEqual(["eager", "queued"]);
  await pawl.close();
  await client.close();
  await checkInvariants(database.url);
});

test("a claim whose histories cannot be read is given back", async () => {
  let refusals = 1;
  const pawl = await openPawl({ url: database.url, logger: silentLogger }, (name, phase) => {
    // Not a fault that is worth repeating at once, such as a page that cannot be read.
    if (name === "read-histories" && phase === "before" && refusals-- > 0)
      throw Object.assign(new Error("invalid page in block 7 of relation history"), { code: "XX001" });
  });
  const workflow = defineWorkflow({
    name: "parks",
    run: async (ctx) => {
      await ctx.step("before", () => 1);
      await ctx.sleep(400);
      return 2;
    },
  });
  await pawl.worker({ workflows: [workflow], pollInterval: 50 });
  const handle = await pawl.start(workflow, undefined, { executionId: "unread" });
  expect(await handle.result({ timeout: "2 minutes" })).toBe(2);
  expect(refusals).toBeLessThan(1);
  await pawl.close();
  await checkInvariants(database.url);
});

test("a message that commits just before a park takes effect wakes the execution", async () => {
  const parking = gate();
  const mayPark = gate();
  let commits = 0;
  const pawl = await openPawl({ url: database.url, logger: silentLogger }, async (name, phase) => {
    // The start, the start of the timer, the park.
    if (name !== "commit" || phase !== "before" || ++commits !== 3) return;
    parking.open();
    await mayPark.passed;
  });
  const workflow = defineWorkflow({ name: "sleeps", run: async (ctx) => ctx.sleep("1 hour") });
  // Without hints and polls nothing but the park itself can find the message.
  await pawl.worker({ workflows: [workflow], pollInterval: "1 hour" });
  const handle = await pawl.start(workflow, undefined, { executionId: "sleeps" });
  await parking.passed;
  const client = await openPawl({ url: database.url, notify: false, logger: silentLogger });
  await client.handle("sleeps").cancel();
  mayPark.open();
  await expect(handle.result({ timeout: "2 minutes" })).rejects.toBeInstanceOf(ExecutionCancelled);
  await client.close();
  await pawl.close();
  await checkInvariants(database.url);
});
