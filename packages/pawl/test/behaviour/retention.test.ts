import { defineWorkflow, ExecutionNotFound, OptionInvalid, type Pawl } from "pawl";
import { beforeEach, describe, expect, test } from "vitest";
import { execute } from "../support/database.ts";
import { eventually, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const echo = defineWorkflow({ name: "echo", run: async (_ctx, value: unknown) => value });
const other = defineWorkflow({ name: "other", run: async (ctx) => ctx.step("one", () => 1) });
const failing = defineWorkflow({
  name: "failing",
  run: async () => {
    throw new Error("no");
  },
});
const sleeper = defineWorkflow({ name: "sleeper", run: async (ctx) => ctx.sleep("1 hour") });
const parent = defineWorkflow({ name: "parent", run: async (ctx) => ctx.child(echo, 1) });
const all = [echo, other, failing, sleeper, parent];

let counter = 0;
let namespace = "";
let pawl: Pawl;

/** Each in a namespace of its own: policies stay. */
beforeEach(async () => {
  namespace = `retention-${++counter}`;
  pawl = await h.open({ namespace });
  await pawl.worker({ workflows: all, ...soon, retentionInterval: "1h" });
});

const ids = async (): Promise<string[]> => (await pawl.list()).executions.map(({ executionId }) => executionId).toSorted();
const left = (): Promise<number> =>
  h.count(
    "pawl.history h WHERE NOT EXISTS (SELECT FROM pawl.executions e WHERE e.run_id = h.run_id) AND NOT EXISTS (SELECT FROM pawl.past_runs p WHERE p.run_id = h.run_id)",
  );

describe("retention", () => {
  test("deletes nothing without a policy", async () => {
    await pawl.execute(echo, 1, { executionId: "kept" });
    expect(await pawl.retention.list()).toEqual([]);
    expect(await pawl.retention.run()).toBe(0);
    expect(await ids()).toEqual(["kept"]);
  });

  test("deletes what has ended for longer than it is kept, with its history, and nothing else", async () => {
    await pawl.execute(echo, 1, { executionId: "ended" });
    await pawl.execute(failing, undefined, { executionId: "failed" }).catch(() => {});
    await pawl.start(sleeper, undefined, { executionId: "asleep" });
    await pawl.start(echo, 1, { executionId: "pending", delay: "1h" });
    await pawl.retention.set({ keep: "1h" });
    expect(await pawl.retention.run()).toBe(0);
    await pawl.retention.set({ keep: 0 });
    expect(await pawl.retention.run()).toBe(2);
    expect(await ids()).toEqual(["asleep", "pending"]);
    expect(await left()).toBe(0);
    await refusalOf(pawl.handle("ended").status(), ExecutionNotFound);
    await refusalOf(pawl.handle("ended").result(), ExecutionNotFound);
    // The id is free again.
    expect(await pawl.execute(other, undefined, { executionId: "ended" })).toBe(1);
    await pawl.handle("asleep").terminate();
    await pawl.handle("pending").terminate();
  });

  test("lets the policy for the workflow go before the one for the state, and both before the one for all", async () => {
    const run = async (): Promise<void> => {
      await pawl.execute(echo, 1, { executionId: "echo" });
      await pawl.execute(other, undefined, { executionId: "other" });
      await pawl.execute(failing, undefined, { executionId: "failed" }).catch(() => {});
    };
    await run();
    await pawl.retention.set({ keep: 0 });
    await pawl.retention.set({ state: "failed", keep: "forever" });
    await pawl.retention.set({ workflow: "other", keep: "30 days" });
    expect(await pawl.retention.list()).toEqual([
      { workflow: "other", keep: "30d", keepMs: 2_592_000_000 },
      { state: "failed", keep: "forever", keepMs: null },
      { keep: "0ms", keepMs: 0 },
    ]);
    expect(await pawl.retention.run()).toBe(1);
    expect(await ids()).toEqual(["failed", "other"]);
    await pawl.retention.set({ workflow: "failing", keep: "1 day" });
    await pawl.retention.set({ workflow: "failing", state: "failed", keep: 0 });
    expect(await pawl.retention.run()).toBe(1);
    expect(await pawl.retention.delete({ workflow: "other" })).toBe(true);
    expect(await pawl.retention.delete({ workflow: "other" })).toBe(false);
    expect(await pawl.retention.run()).toBe(1);
    expect(await ids()).toEqual([]);
  });

  test("keeps a child for as long as its parent, and lets it stand alone afterwards", async () => {
    await pawl.execute(parent, undefined, { executionId: "family" });
    await pawl.retention.set({ workflow: "echo", keep: 0 });
    expect(await pawl.retention.run()).toBe(0);
    await pawl.retention.set({ workflow: "parent", keep: 0 });
    await pawl.retention.set({ workflow: "echo", keep: "1 day" });
    expect(await pawl.retention.run()).toBe(1);
    expect(await ids()).toEqual(["family.1"]);
    expect(await pawl.handle("family.1").status()).toMatchObject({ parentRunId: null, state: "completed" });
    await pawl.retention.set({ workflow: "echo", keep: 0 });
    expect(await pawl.retention.run()).toBe(1);
  });

  test("takes a parent and then its children in one run", async () => {
    await pawl.execute(parent, undefined, { executionId: "family" });
    await pawl.retention.set({ keep: 0 });
    expect(await pawl.retention.run()).toBe(2);
  });

  test("deletes a parent whose child goes on, and the child ends on its own", async () => {
    const held = defineWorkflow({ name: "held", run: async (ctx) => ctx.sleep(400) });
    const leaving = defineWorkflow({
      name: "leaving",
      run: async (ctx) => {
        void ctx.child(held, undefined, { parentClosePolicy: "abandon" }).catch(() => {});
        await ctx.sleep(1);
      },
    });
    await pawl.worker({ workflows: [held, leaving], ...soon, retentionInterval: "1h" });
    await pawl.execute(leaving, undefined, { executionId: "leaving" });
    await pawl.retention.set({ workflow: "leaving", keep: 0 });
    expect(await pawl.retention.run()).toBe(1);
    await pawl.handle("leaving.1").result();
    expect(await pawl.handle("leaving.1").status()).toMatchObject({ state: "completed", parentRunId: null });
  });

  test("leaves children of an earlier run alone, without their parent", async () => {
    const continuing = defineWorkflow({
      name: "continuing",
      run: async (ctx, round: number): Promise<number> => {
        if (round > 0) return round;
        await ctx.child(other, undefined, { executionId: "of-the-first-run" });
        return ctx.continueAsNew(1);
      },
    });
    await pawl.worker({ workflows: [continuing, other], ...soon, retentionInterval: "1h" });
    await pawl.execute(continuing, 0, { executionId: "continuing" });
    await pawl.retention.set({ workflow: "continuing", keep: 0 });
    expect(await pawl.retention.run()).toBe(1);
    expect(await pawl.handle("of-the-first-run").status()).toMatchObject({ state: "completed", parentRunId: null });
  });

  test("takes earlier runs with it", async () => {
    const handle = await pawl.start(sleeper, undefined, { executionId: "resumed" });
    await eventually(async () => expect((await handle.status()).waitingFor).toBe("a timer"));
    await handle.cancel();
    await eventually(async () => expect((await handle.status()).state).toBe("cancelled"));
    await (await handle.resume()).terminate();
    expect(await h.count("pawl.past_runs WHERE execution_id = 'resumed' AND namespace = $1", namespace)).toBe(1);
    await pawl.retention.set({ keep: 0 });
    expect(await pawl.retention.run()).toBe(1);
    expect(await h.count("pawl.past_runs WHERE namespace = $1", namespace)).toBe(0);
    expect(await left()).toBe(0);
  });

  test("frees an idempotency key", async () => {
    const first = await pawl.start(other, undefined, { idempotencyKey: "k" });
    await first.result();
    await pawl.retention.set({ keep: 0 });
    await pawl.retention.run();
    const second = await pawl.start(other, undefined, { idempotencyKey: "k" });
    expect(second.executionId).not.toBe(first.executionId);
    await second.result();
  });

  test("knows nothing of other namespaces", async () => {
    const elsewhere = await h.open({ namespace: `${namespace}-b` });
    await elsewhere.worker({ workflows: all, ...soon, retentionInterval: "1h" });
    await elsewhere.execute(echo, 1, { executionId: "theirs" });
    await pawl.retention.set({ keep: 0 });
    expect(await pawl.retention.run()).toBe(0);
    expect(await elsewhere.retention.list()).toEqual([]);
    expect((await elsewhere.list()).executions).toHaveLength(1);
  });

  test("skips what somebody else holds, and takes it the next time", async () => {
    await pawl.execute(echo, 1, { executionId: "locked" });
    await pawl.execute(echo, 1, { executionId: "free" });
    await pawl.retention.set({ keep: 0 });
    const blocker = execute(h.url, `BEGIN; SELECT FROM pawl.executions WHERE execution_id = 'locked' FOR UPDATE; SELECT pg_sleep(1); COMMIT`);
    await eventually(async () =>
      expect(await h.count("pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'executions' AND l.mode = 'RowShareLock'")).toBeGreaterThan(0),
    );
    expect(await pawl.retention.run()).toBe(1);
    await blocker;
    expect(await pawl.retention.run()).toBe(1);
  });

  test("works off more than a batch, in small ones", async () => {
    await Promise.all(Array.from({ length: 2500 }, (_, index) => pawl.start(echo, index)));
    await eventually(async () => expect((await pawl.count({ state: "completed" })).count).toBe(2500));
    await pawl.retention.set({ keep: 0 });
    expect(await pawl.retention.run()).toBe(2500);
    expect(await pawl.count()).toMatchObject({ count: 0 });
  });

  test("is done by workers in the background, several at once", async () => {
    await Promise.all(Array.from({ length: 50 }, (_, index) => pawl.execute(echo, index)));
    await pawl.retention.set({ keep: 0 });
    for (let count = 0; count < 3; count++) {
      const process = await h.open({ namespace });
      await process.worker({ workflows: all, ...soon, retentionInterval: 10 });
    }
    await eventually(async () => expect((await pawl.count()).count).toBe(0));
  });

  test("starts of an id whose execution is deleted meanwhile start, each once", async () => {
    await pawl.retention.set({ keep: 0 });
    const enough = new AbortController();
    const deleting = (async () => {
      while (!enough.signal.aborted) await pawl.retention.run();
    })();
    for (let round = 0; round < 60; round++) {
      const handles = await Promise.all([1, 2, 3].map((n) => pawl.start(echo, n, { executionId: "again" })));
      await Promise.all(handles.map((handle) => handle.result().catch((error: unknown) => expect(error).toBeInstanceOf(ExecutionNotFound))));
    }
    enough.abort();
    await deleting;
  });

  test("a repeated delete whose reply was lost deletes nothing else", async () => {
    let lose = 1;
    const lossy = await h.open({ namespace }, (name, phase) => {
      if (name === "delete-ended" && phase === "after" && lose-- > 0) throw Object.assign(new Error("lost"), { code: "ECONNRESET" });
    });
    await pawl.execute(echo, 1);
    await pawl.retention.set({ keep: 0 });
    await lossy.retention.run();
    expect((await pawl.count()).count).toBe(0);
  });

  test.each([
    [{ keep: "soon" }, "keep"],
    [{ keep: -1 }, "keep"],
    [{ keep: "6 years" }, "keep"],
    [{ keep: 0, state: "running" as never }, "state"],
    [{ keep: 0, workflow: "*" }, "workflow"],
  ])("refuses %j", async (options, path) => {
    expect((await refusalOf(pawl.retention.set(options), OptionInvalid)).path).toBe(path);
    expect(await pawl.retention.list()).toEqual([]);
  });
});
