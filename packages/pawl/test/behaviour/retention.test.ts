import { defineWorkflow, ExecutionConflict, ExecutionNotFound, OptionInvalid, type Pawl } from "pawl";
import { beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
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
/** How many executions go now. */
const deleted = async (by = pawl): Promise<number> => (await by.retention.run()).executions;
const left = (): Promise<number> =>
  h.count(
    "pawl.history h WHERE NOT EXISTS (SELECT FROM pawl.executions e WHERE e.run_id = h.run_id) AND NOT EXISTS (SELECT FROM pawl.past_runs p WHERE p.run_id = h.run_id)",
  );

describe("retention", () => {
  test("deletes nothing without a policy", async () => {
    await pawl.execute(echo, 1, { executionId: "kept" });
    expect(await pawl.retention.list()).toEqual([]);
    expect(await deleted()).toBe(0);
    expect(await ids()).toEqual(["kept"]);
  });

  test("deletes what has ended for longer than it is kept, with its history, and nothing else", async () => {
    await pawl.execute(echo, 1, { executionId: "ended" });
    await pawl.execute(failing, undefined, { executionId: "failed" }).catch(() => {});
    await pawl.start(sleeper, undefined, { executionId: "asleep" });
    await pawl.start(echo, 1, { executionId: "pending", delay: "1h" });
    await pawl.retention.set({ keep: "1h" });
    expect(await deleted()).toBe(0);
    await pawl.retention.set({ keep: 0 });
    expect(await deleted()).toBe(2);
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
    expect(await deleted()).toBe(1);
    expect(await ids()).toEqual(["failed", "other"]);
    await pawl.retention.set({ workflow: "failing", keep: "1 day" });
    await pawl.retention.set({ workflow: "failing", state: "failed", keep: 0 });
    expect(await deleted()).toBe(1);
    expect(await pawl.retention.delete({ workflow: "other" })).toBe(true);
    expect(await pawl.retention.delete({ workflow: "other" })).toBe(false);
    expect(await deleted()).toBe(1);
    expect(await ids()).toEqual([]);
  });

  test("keeps a child for as long as its parent, and lets it stand alone afterwards", async () => {
    await pawl.execute(parent, undefined, { executionId: "family" });
    await pawl.retention.set({ workflow: "echo", keep: 0 });
    expect(await deleted()).toBe(0);
    await pawl.retention.set({ workflow: "parent", keep: 0 });
    await pawl.retention.set({ workflow: "echo", keep: "1 day" });
    expect(await deleted()).toBe(1);
    expect(await ids()).toEqual(["family.1"]);
    expect(await pawl.handle("family.1").status()).toMatchObject({ parentRunId: null, state: "completed" });
    await pawl.retention.set({ workflow: "echo", keep: 0 });
    expect(await deleted()).toBe(1);
  });

  test("takes a parent and then its children in one run", async () => {
    await pawl.execute(parent, undefined, { executionId: "family" });
    await pawl.retention.set({ keep: 0 });
    expect(await deleted()).toBe(2);
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
    expect(await deleted()).toBe(1);
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
    expect(await deleted()).toBe(1);
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
    expect(await deleted()).toBe(1);
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
    expect(await deleted()).toBe(0);
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
    expect(await deleted()).toBe(1);
    await blocker;
    expect(await deleted()).toBe(1);
  });

  test("works off more than a batch, in small ones", async () => {
    await Promise.all(Array.from({ length: 2500 }, (_, index) => pawl.start(echo, index)));
    await eventually(async () => expect((await pawl.count({ state: "completed" })).count).toBe(2500));
    await pawl.retention.set({ keep: 0 });
    expect(await deleted()).toBe(2500);
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

  test.each(["rollback", "retry", "fork", "history"] as const)("says that there is none when it was faster than a %s", async (what) => {
    await pawl.execute(failing, undefined, { executionId: "going" }).catch(() => {});
    await pawl.retention.set({ keep: 0 });
    const slow = await h.open({ namespace }, async (name, phase) => {
      if (name === "read-history" && phase === "before") await pawl.retention.run();
    });
    const handle = slow.handle("going");
    const asked = {
      rollback: async () => handle.rollback({ to: 1 }),
      retry: async () => handle.retry(),
      fork: async () => handle.fork({ from: 1 }),
      history: async () => handle.history(),
    };
    await refusalOf(asked[what](), ExecutionNotFound);
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

describe("retention of what continues as new", () => {
  /** Goes on as new at every signal, until one says that it is enough; the first run has a child. */
  const loop = defineWorkflow({
    name: "loop",
    signals: { next: z.boolean() },
    async run(ctx, round: number): Promise<number> {
      await ctx.stream("log").write(round);
      if (round === 0) await ctx.child(other, undefined, { executionId: `${ctx.executionId}-child` });
      const isMore = await ctx.signal("next");
      return isMore ? ctx.continueAsNew(round + 1) : round;
    },
  });

  const runsOf = async (id: string): Promise<readonly string[]> => (await pawl.handle(id).runs()).map(({ runNumber, state }) => `${runNumber} ${state}`);
  const isWaiting = async (id: string, run: number): Promise<void> =>
    eventually(async () => expect(await pawl.handle(id).status()).toMatchObject({ runNumber: run, waitingFor: expect.stringContaining("signal") as string }));
  const goOn = async (id: string, to: number): Promise<void> => {
    await isWaiting(id, to - 1);
    await pawl.handle(id, loop).signal("next", true);
    await isWaiting(id, to);
  };
  const keepNone = async (): Promise<void> => pawl.retention.set({ state: "continued_as_new", keep: 0 });

  beforeEach(async () => {
    await pawl.worker({ workflows: [loop, other], ...soon, retentionInterval: "1h" });
  });

  test("deletes its earlier runs while it goes on, after the time that they are kept", async () => {
    const handle = await pawl.start(loop, 0, { executionId: "looping" });
    await goOn("looping", 2);
    await goOn("looping", 3);
    await pawl.retention.set({ state: "continued_as_new", keep: "1h" });
    expect(await pawl.retention.run()).toEqual({ executions: 0, earlierRuns: 0 });
    await keepNone();
    expect(await pawl.retention.run()).toEqual({ executions: 0, earlierRuns: 2 });
    expect(await runsOf("looping")).toEqual(["3 running"]);
    expect(await left()).toBe(0);
    await refusalOf(handle.history({ runId: handle.runId! }), OptionInvalid);
    await goOn("looping", 4);
    expect(await runsOf("looping")).toEqual(["3 continued_as_new", "4 running"]);
    await handle.signal("next", false);
    expect(await handle.result()).toBe(3);
    // What it wrote belongs to the execution.
    const written: unknown[] = [];
    for await (const { value } of handle.stream("log")) written.push(value);
    expect(written).toEqual([0, 1, 2, 3]);
  });

  test("goes by the policy for all where none names the state, and by that of the workflow first", async () => {
    await pawl.start(loop, 0, { executionId: "looping" });
    await goOn("looping", 2);
    await pawl.retention.set({ keep: 0 });
    await pawl.retention.set({ workflow: "loop", keep: "forever" });
    await keepNone();
    expect((await pawl.retention.run()).earlierRuns).toBe(0);
    await pawl.retention.delete({ workflow: "loop" });
    expect((await pawl.retention.run()).earlierRuns).toBe(1);
    await goOn("looping", 3);
    await pawl.retention.set({ workflow: "loop", keep: "forever" });
    await pawl.retention.set({ workflow: "loop", state: "continued_as_new", keep: 0 });
    expect((await pawl.retention.run()).earlierRuns).toBe(1);
    await pawl.handle("looping").terminate();
  });

  test("of an open execution goes by a policy of its workflow alone, too", async () => {
    await pawl.start(loop, 0, { executionId: "looping" });
    await goOn("looping", 2);
    await pawl.retention.set({ workflow: "loop", keep: 0 });
    expect(await pawl.retention.run()).toEqual({ executions: 0, earlierRuns: 1 });
    await pawl.handle("looping").terminate();
  });

  test("leaves earlier runs that were resumed, and takes them with a later one that continued", async () => {
    const handle = await pawl.start(loop, 0, { executionId: "looping" });
    await isWaiting("looping", 1);
    await handle.cancel();
    await eventually(async () => expect((await handle.status()).state).toBe("cancelled"));
    await handle.resume();
    await isWaiting("looping", 2);
    await keepNone();
    expect((await pawl.retention.run()).earlierRuns).toBe(0);
    await goOn("looping", 3);
    expect(await runsOf("looping")).toEqual(["1 cancelled", "2 continued_as_new", "3 running"]);
    expect((await pawl.retention.run()).earlierRuns).toBe(2);
    expect(await runsOf("looping")).toEqual(["3 running"]);
    // What is left can be rolled back, and its own earlier runs stay.
    await handle.rollback({ to: 1 });
    await isWaiting("looping", 4);
    expect((await pawl.retention.run()).earlierRuns).toBe(0);
    await handle.terminate();
  });

  test("leaves its idempotency key, and with the first run goes the input that starts with it are compared with", async () => {
    const first = await pawl.start(loop, 0, { executionId: "looping", idempotencyKey: "loop" });
    const start = (input: number) => pawl.start(loop, input, { idempotencyKey: "loop" });
    await goOn("looping", 2);
    await goOn("looping", 3);
    await refusalOf(start(7), ExecutionConflict);
    await keepNone();
    expect((await pawl.retention.run()).earlierRuns).toBe(2);
    const again = [await start(0), await start(7)];
    expect(again.map(({ executionId }) => executionId)).toEqual(["looping", "looping"]);
    // Also where the oldest run that is left is a copy of one that continued.
    await first.rollback({ to: 1 });
    await isWaiting("looping", 4);
    expect((await start(0)).executionId).toBe("looping");
    await first.terminate();
  });

  test("leaves the children of these runs alone", async () => {
    await pawl.start(loop, 0, { executionId: "looping" });
    await goOn("looping", 2);
    expect((await pawl.handle("looping-child").status()).parentRunId).not.toBeNull();
    await keepNone();
    expect(await pawl.retention.run()).toEqual({ executions: 0, earlierRuns: 1 });
    expect(await pawl.handle("looping-child").status()).toMatchObject({ state: "completed", parentRunId: null });
    await pawl.handle("looping").terminate();
  });

  test("lets children of earlier runs go by their own policies, also while these runs are kept", async () => {
    await pawl.start(loop, 0, { executionId: "looping" });
    await pawl.retention.set({ workflow: "other", keep: 0 });
    await isWaiting("looping", 1);
    expect(await pawl.retention.run()).toEqual({ executions: 0, earlierRuns: 0 });
    await goOn("looping", 2);
    expect(await pawl.retention.run()).toEqual({ executions: 1, earlierRuns: 0 });
    expect(await runsOf("looping")).toEqual(["1 continued_as_new", "2 running"]);
    await pawl.handle("looping").terminate();
  });

  test("skips an execution of whose runs and children somebody holds one, whole, and takes it the next time", async () => {
    await pawl.start(loop, 0, { executionId: "looping" });
    await goOn("looping", 2);
    await goOn("looping", 3);
    await keepNone();
    const blocker = execute(h.url, `BEGIN; SELECT FROM pawl.executions WHERE execution_id = 'looping-child' FOR UPDATE; SELECT pg_sleep(1); COMMIT`);
    await eventually(async () =>
      expect(await h.count("pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'executions' AND l.mode = 'RowShareLock'")).toBeGreaterThan(0),
    );
    expect((await pawl.retention.run()).earlierRuns).toBe(0);
    await blocker;
    expect((await pawl.retention.run()).earlierRuns).toBe(2);
    await pawl.handle("looping").terminate();
  });

  test("is done by workers in the background", async () => {
    const process = await h.open({ namespace });
    await process.worker({ workflows: all, ...soon, retentionInterval: 10 });
    await keepNone();
    await pawl.start(loop, 0, { executionId: "looping" });
    await goOn("looping", 2);
    await eventually(async () => expect(await runsOf("looping")).toEqual(["2 running"]));
    await pawl.handle("looping").terminate();
  });

  test("what is left can be exported and imported, with its streams", async () => {
    const handle = await pawl.start(loop, 0, { executionId: "looping" });
    await goOn("looping", 2);
    await goOn("looping", 3);
    await keepNone();
    await pawl.retention.run();
    await handle.signal("next", false);
    expect(await handle.result()).toBe(2);
    const copy = await pawl.importExecution(JSON.parse(JSON.stringify(await pawl.exportExecution("looping"))), { executionId: "copy" });
    expect(await copy.result()).toBe(2);
    expect(await runsOf("copy")).toEqual(["1 completed"]);
    const written: unknown[] = [];
    for await (const { value } of copy.stream("log")) written.push(value);
    expect(written).toEqual([0, 1, 2]);
  });
});
