/** Two things at the same moment, held in the order in which they would do harm. */
import { defineWorkflow } from "pawl";
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
  const [row] = await query<{ worker_id: string | null; epoch: number; state: string }>(database.url, "SELECT worker_id, epoch, state FROM pawl.executions WHERE execution_id = $1", [executionId]);
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
  expect(await handle.result({ timeout: "15s" })).toBe(1);
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
  await client.connect();
  await client.query("BEGIN");
  await client.query("UPDATE pawl.executions SET inbox_seq = inbox_seq + 1 WHERE execution_id = 'ends'");
  await client.query("INSERT INTO pawl.inbox (run_id, message_id, type, data) SELECT run_id, 'cancel', 'CancelRequested', '{}' FROM pawl.executions WHERE execution_id = 'ends'");
  locked.open();
  await waitFor("the commit waits for the row", async () => {
    const [row] = await query<{ n: number }>(database.url, "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'");
    return row!.n > 0;
  });
  await client.query("COMMIT");
  await client.end();
  expect(await handle.result({ timeout: "15s" })).toBe(1);
  await pawl.close();
  await checkInvariants(database.url);
});
