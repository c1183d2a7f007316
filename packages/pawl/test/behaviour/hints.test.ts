/** Who is told that there is something to claim: workers that poll once an hour live by hints alone. */
import { defineWorkflow, type ExecutionHandle, type Pawl, ExecutionCancelled } from "pawl";
import pg from "pg";
import { beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually, failureOf, harness } from "./harness.ts";

const h = harness();
const byHintsAlone = { pollInterval: "1h" } as const;

const waiting = defineWorkflow({ name: "waiting", taskQueue: "here", signals: { go: z.null() }, run: async (ctx) => ctx.signal("go").then(() => "gone") });
const parent = defineWorkflow({
  name: "parent",
  taskQueue: "here",
  run: async (ctx) => ctx.child(waiting, undefined, { executionId: `${ctx.executionId}-child` }),
});
const failing = defineWorkflow({
  name: "failing",
  taskQueue: "here",
  signals: { go: z.null() },
  run: async (ctx) => {
    await ctx.signal("go");
    return ctx.step("fail", () => Promise.reject(new Error("no")), { retry: { maximumAttempts: 1 } });
  },
});
const again = defineWorkflow({
  name: "again",
  taskQueue: "here",
  signals: { go: z.null() },
  run: async (ctx, left: number): Promise<string> => {
    if (left === 0) return "through";
    await ctx.signal("go");
    return ctx.continueAsNew(left - 1);
  },
});
const late = defineWorkflow({ name: "late", taskQueue: "late", signals: { go: z.null() }, run: async (ctx) => ctx.signal("go").then(() => "gone") });
const elsewhere = defineWorkflow({ name: "elsewhere", taskQueue: "elsewhere", run: async () => "there" });

const listening = "pg_stat_activity WHERE datname = current_database() AND application_name = 'pawl hints' AND state = 'idle' AND query ~ 'LISTEN|notify'";

describe("hints of tasks", () => {
  let pawl: Pawl;
  let claimsElsewhere: number;

  beforeEach(async () => {
    pawl = await h.open();
    await (await h.open()).worker({ workflows: [waiting, parent, failing, again], ...byHintsAlone });
    const other = await h.open({}, (name, phase) => {
      if (name === "claim" && phase === "before") claimsElsewhere++;
    });
    await other.worker({ workflows: [elsewhere], ...byHintsAlone });
    // All three send and hear hints from now on.
    await eventually(async () => expect(await h.count(listening)).toBe(3));
    await pawl.execute(elsewhere, undefined);
    await pawl.execute(elsewhere, undefined);
    claimsElsewhere = 0;
  });

  const parked = async (handle: Pick<ExecutionHandle, "status">): Promise<void> => {
    await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
  };
  const begun = async (workflow: typeof waiting | typeof parent | typeof failing): Promise<ExecutionHandle> => {
    const handle = (await pawl.start(workflow, undefined)) as ExecutionHandle;
    await parked(handle);
    return handle;
  };

  const wakes: Record<string, () => Promise<void>> = {
    "a signal": async () => {
      const handle = await begun(waiting);
      await handle.signal("go", null);
      expect(await handle.result()).toBe("gone");
    },
    "a signal in a transaction of a user's": async () => {
      const handle = await begun(waiting);
      const client = new pg.Client({ connectionString: h.url });
      await client.connect();
      await client.query("BEGIN");
      await handle.signal("go", null, { transaction: client });
      await client.query("COMMIT");
      await client.end();
      expect(await handle.result()).toBe("gone");
    },
    "a signal that starts its receiver": async () => {
      const handle = await pawl.signalWithStart(waiting, undefined, { executionId: crypto.randomUUID(), signal: { name: "go", payload: null } });
      expect(await handle.result()).toBe("gone");
    },
    "a signal with start to what is parked": async () => {
      const { executionId } = await begun(waiting);
      const handle = await pawl.signalWithStart(waiting, undefined, { executionId, signal: { name: "go", payload: null } });
      expect(await handle.result()).toBe("gone");
    },
    "a cancel": async () => {
      const handle = await begun(waiting);
      await handle.cancel();
      expect(await failureOf(handle.result())).toBeInstanceOf(ExecutionCancelled);
    },
    "the end of a pause": async () => {
      const handle = await begun(waiting);
      await handle.pause();
      await handle.signal("go", null);
      await handle.resume();
      expect(await handle.result()).toBe("gone");
    },
    "the resume of what was cancelled": async () => {
      const handle = await begun(waiting);
      await handle.cancel();
      await failureOf(handle.result());
      const resumed = await handle.resume();
      await eventually(async () => expect(await h.count("tasks WHERE run_id = $1", resumed.runId)).toBe(0));
      await parked(resumed);
      await resumed.terminate();
    },
    "a retry": async () => {
      const handle = await begun(failing);
      await handle.signal("go", null);
      await failureOf(handle.result());
      const retried = await handle.retry();
      await failureOf(retried.result());
    },
    "the end of a parent": async () => {
      const handle = await begun(parent);
      const child = pawl.handle(`${handle.executionId}-child`);
      await parked(child);
      await handle.terminate();
      expect(await failureOf(child.result())).toBeInstanceOf(ExecutionCancelled);
    },
    "the end of a child": async () => {
      const handle = await begun(parent);
      const child = pawl.handle(`${handle.executionId}-child`);
      await parked(child);
      await child.signal("go", null);
      expect(await handle.result()).toBe("gone");
    },
    "the end of a child from outside": async () => {
      const handle = await begun(parent);
      const child = pawl.handle(`${handle.executionId}-child`);
      await parked(child);
      await child.terminate();
      await failureOf(handle.result());
    },
    "continuing as new": async () => {
      const handle = await pawl.start(again, 2);
      await handle.signal("go", null);
      await handle.signal("go", null);
      expect(await handle.result()).toBe("through");
    },
    "the end of a pause of its queue": async () => {
      await pawl.pauses.add({ taskQueue: "here" });
      const handle = await pawl.start(waiting, undefined);
      await handle.signal("go", null);
      await pawl.pauses.remove({ taskQueue: "here" });
      expect(await handle.result()).toBe("gone");
    },
  };

  test.each(Object.keys(wakes))("%s is heard of in its own queue, and in no other", async (name) => {
    await wakes[name]!();
    // Hints arrive in order: with this one, all that were sent before have come.
    await pawl.execute(elsewhere, undefined);
    expect(claimsElsewhere, "one claim, for the last execution").toBe(1);
  });

  test("what a claim has skipped because a message was on its way to it is claimed after that", async () => {
    const [first, second, third] = [await pawl.start(late, undefined), await pawl.start(late, undefined), await pawl.start(late, undefined)];
    const blocker = new pg.Client({ connectionString: h.url });
    await blocker.connect();
    await blocker.query("BEGIN");
    await blocker.query("SELECT FROM pawl.executions WHERE run_id = $1 FOR UPDATE", [third.runId]);
    // The first goes alone; the other two together, and the third keeps that statement waiting, with the lock of the second.
    const sent = Promise.all([first, second, third].map((handle) => handle.signal("go", null)));
    await eventually(async () => expect(await h.count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).toBe(1));
    await (await h.open()).worker({ workflows: [late], ...byHintsAlone });
    expect(await first.result()).toBe("gone");
    expect((await second.status()).state).toBe("pending");
    await blocker.query("ROLLBACK");
    await blocker.end();
    await sent;
    expect(await second.result({ timeout: "5s" })).toBe("gone");
    expect(await third.result({ timeout: "5s" })).toBe("gone");
  });

  test("a message to an execution that is not due tells no queue", async () => {
    const handle = await pawl.start(waiting, undefined, { delay: "1h" });
    await handle.signal("go", null);
    await pawl.execute(elsewhere, undefined);
    expect(claimsElsewhere).toBe(1);
    await handle.terminate();
  });
});
