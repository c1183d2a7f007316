import { Closed, defineWorkflow } from "pawl";
import { describe, expect, test } from "vitest";
import { execute, query } from "../support/database.ts";
import { eventually, gate, harness, parkedSleep, soon } from "./harness.ts";

const h = harness();

describe("concurrency", () => {
  test("is how many executions run code or steps at once; those that sleep do not count", async () => {
    let now = 0;
    let most = 0;
    const busy = defineWorkflow({
      name: "busy",
      run: async (ctx) => {
        await ctx.step("work", async () => {
          most = Math.max(most, ++now);
          await new Promise((resolve) => setTimeout(resolve, 5));
          now--;
        });
        await ctx.sleep(20);
        await ctx.step("work", async () => {
          most = Math.max(most, ++now);
          await new Promise((resolve) => setTimeout(resolve, 5));
          now--;
        });
      },
    });
    const { pawl, worker } = await h.run([busy], { concurrency: 3 });
    const handles = await Promise.all(Array.from({ length: 20 }, () => pawl.start(busy, undefined)));
    await Promise.all(handles.map((handle) => handle.result()));
    expect(most).toBe(3);
    await eventually(() => expect(worker.health().slots).toEqual({ used: 0, total: 3 }));
  });

  test("one is enough for an execution and its children", async () => {
    const child = defineWorkflow({ name: "slot-child", run: async (ctx, n: number) => ctx.step("n", () => n) });
    const parent = defineWorkflow({ name: "slot-parent", run: async (ctx) => ctx.map([1, 2, 3], (n) => ctx.child(child, n)) });
    const { pawl } = await h.run([parent, child], { concurrency: 1 });
    expect(await pawl.execute(parent, undefined)).toEqual([1, 2, 3]);
  });
});

describe("task queues", () => {
  test("route executions to the workers that claim from them", async () => {
    const made = (worker: string) => defineWorkflow({ name: "where", run: async (ctx) => ctx.step("where", () => worker) });
    const pawl = await h.open();
    await pawl.worker({ workflows: [made("gpu")], taskQueues: ["gpu", "gpu/large"], ...soon });
    await (await h.open()).worker({ workflows: [made("cpu")], taskQueues: ["cpu"], ...soon });
    const client = await h.open();
    const where = made("nobody");
    const results = await Promise.all(["cpu", "gpu", "gpu/large", "cpu"].map((taskQueue) => client.execute(where, undefined, { taskQueue })));
    expect(results).toEqual(["cpu", "gpu", "gpu", "cpu"]);
    const nowhere = await client.start(where, undefined);
    expect((await nowhere.status()).state).toBe("pending");
    await nowhere.terminate();
  });

  test("are those of the workflows where the worker names none", async () => {
    const mail = defineWorkflow({ name: "mail", taskQueue: "mails", run: async () => "sent" });
    const { pawl } = await h.run([mail]);
    expect((await pawl.workers()).find(({ state }) => state === "live")?.taskQueues).toEqual(["mails"]);
    expect(await (await h.open()).execute(mail, undefined)).toBe("sent");
  });
});

describe("versions", () => {
  const version = (number: string) =>
    defineWorkflow({
      name: "versioned",
      version: number,
      run: async (ctx) => [await ctx.step("first", () => number), await ctx.sleep(parkedSleep), ctx.version],
    });

  test("an execution is only ever claimed by a worker that has its version", async () => {
    const client = await h.open();
    const one = await client.start(version("1"), undefined);
    const second = await h.open();
    const worker = await second.worker({ workflows: [version("2")], manual: true });
    expect(await worker.runOnce()).toBe(0);
    expect((await one.status()).state).toBe("pending");
    await worker.stop();
    await second.worker({ workflows: [version("2")], ...soon });
    const two = await client.start(version("2"), undefined);
    expect(await two.result()).toEqual(["2", undefined, "2"]);
    expect((await one.status()).state).toBe("pending");
    await (await h.open()).worker({ workflows: [version("1")], ...soon });
    expect(await one.result()).toEqual(["1", undefined, "1"]);
  });

  test("run side by side in one worker, and a start by name can say which", async () => {
    const { pawl } = await h.run([version("1"), version("2")]);
    const client = await h.open();
    expect(await client.execute("versioned", undefined, { version: "1" })).toEqual(["1", undefined, "1"]);
    expect(await client.execute("versioned", undefined, { version: "2" })).toEqual(["2", undefined, "2"]);
    expect(await pawl.execute(version("1"), undefined)).toEqual(["1", undefined, "1"]);
  });

  test("an execution parked under one version stays with it", async () => {
    const pawl = await h.open();
    const old = await pawl.worker({ workflows: [version("1")], ...soon });
    const handle = await pawl.start(version("1"), undefined);
    await eventually(async () => expect((await handle.status()).waitingFor).toBe("a timer"));
    await old.stop();
    const newer = await pawl.worker({ workflows: [version("2")], manual: true });
    await eventually(async () =>
      expect(await h.count("pawl.tasks t JOIN pawl.executions e USING (run_id) WHERE e.execution_id = $1 AND t.visible_at <= now()", handle.executionId)).toBe(
        1,
      ),
    );
    expect(await newer.runOnce()).toBe(0);
    await pawl.worker({ workflows: [version("1"), version("2")], ...soon });
    expect(await handle.result()).toEqual(["1", undefined, "1"]);
  });
});

describe("stop()", () => {
  test("claims nothing more, lets running steps finish, and records them", async () => {
    const held = gate();
    const begun = gate();
    const slow = defineWorkflow({
      name: "slow",
      run: async (ctx, n: number) =>
        ctx.step("wait", async () => {
          begun.open();
          await held.opened;
          return n;
        }),
    });
    const { pawl, worker } = await h.run([slow], { concurrency: 1 });
    const running = await pawl.start(slow, 1);
    const queued = await pawl.start(slow, 2);
    await begun.opened;
    const stopping = worker.stop();
    expect(worker.health().state).toBe("stopping");
    held.open();
    await stopping;
    await worker.stop();
    expect(await running.result()).toBe(1);
    expect((await queued.status()).state).toBe("pending");
    expect(worker.health()).toMatchObject({ state: "stopped", slots: { used: 0 }, active: 0 });
    expect((await pawl.workers()).find(({ workerId }) => workerId === worker.health().workerId)?.state).toBe("stopped");
    await pawl.worker({ workflows: [slow], ...soon });
    expect(await queued.result()).toBe(2);
  });

  test("gives back what does not finish in time: another worker goes on from the last recorded step at once", async () => {
    let first = 0;
    let stuck = 0;
    const reasons: unknown[] = [];
    const workflow = defineWorkflow({
      name: "handed-over",
      run: async (ctx) => {
        await ctx.step("first", () => ++first);
        return ctx.step("stuck", ({ signal, attempt }) => {
          if (++stuck === 2) return `second go, attempt ${attempt}`;
          return new Promise<string>(() => signal.addEventListener("abort", () => reasons.push(signal.reason)));
        });
      },
    });
    const { pawl, worker } = await h.run([workflow], { lease: "1 hour" });
    const handle = await pawl.start(workflow, undefined);
    await eventually(() => expect(stuck).toBe(1));
    await worker.stop({ drain: 10 });
    expect(reasons).toHaveLength(1);
    const other = await h.open();
    await other.worker({ workflows: [workflow], ...soon });
    expect(await handle.result()).toMatch(/^second go/);
    expect([first, stuck]).toEqual([1, 2]);
    expect(await h.count("pawl.history WHERE type = 'WorkerLost'")).toBe(0);
  });

  test("of one of two workers of a process leaves the other one at work", async () => {
    const quick = defineWorkflow({ name: "quick", run: async (ctx) => ctx.step("one", () => "done") });
    const { pawl, worker } = await h.run([quick]);
    const second = await pawl.worker({ workflows: [quick], ...soon });
    await worker.stop();
    expect(await Promise.all(Array.from({ length: 10 }, () => pawl.execute(quick, undefined)))).toEqual(Array(10).fill("done"));
    expect(second.health().state).toBe("running");
  });
});

describe("runOnce()", () => {
  test("of a manual worker runs what is due until it ends or waits, and says how many it claimed", async () => {
    const ran: number[] = [];
    const work = defineWorkflow({
      name: "manual",
      run: async (ctx, n: number) => {
        await ctx.step("work", () => void ran.push(n));
        if (n === 3) await ctx.sleep("1 day");
      },
    });
    const pawl = await h.open();
    const worker = await pawl.worker({ workflows: [work], manual: true });
    const handles = await Promise.all([1, 2, 3].map((n) => pawl.start(work, n)));
    expect(ran).toEqual([]);
    expect(await worker.runOnce()).toBe(3);
    expect(ran.toSorted((a, b) => a - b)).toEqual([1, 2, 3]);
    expect(await worker.runOnce()).toBe(0);
    expect(await Promise.all(handles.map(async (handle) => (await handle.status()).state))).toEqual(["completed", "completed", "running"]);
    await handles[2]!.terminate();
  });
});

describe("health()", () => {
  test("shows slots, executions in memory, the lease and whether it runs", async () => {
    const held = gate();
    const waiting = defineWorkflow({ name: "waiting", run: async (ctx) => ctx.step("wait", () => held.opened) });
    const { pawl, worker } = await h.run([waiting], { concurrency: 5 });
    expect(worker.health()).toEqual({
      workerId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      state: "running",
      leaseValid: true,
      slots: { used: 0, total: 5 },
      active: 0,
      staleWritesRejected: 0,
    });
    const handles = await Promise.all([1, 2].map(() => pawl.start(waiting, undefined)));
    await eventually(() => expect(worker.health()).toMatchObject({ slots: { used: 2, total: 5 }, active: 2 }));
    const [listed] = await pawl.workers();
    expect(listed).toMatchObject({
      workerId: worker.health().workerId,
      state: "live",
      pid: process.pid,
      concurrency: 5,
      claimed: 2,
      definitions: ["waiting@1"],
    });
    held.open();
    await Promise.all(handles.map((handle) => handle.result()));
    await eventually(() => expect(worker.health()).toMatchObject({ slots: { used: 0 }, active: 0 }));
  });
});

test("a step is not begun for what the same answer of the database says is lost", async () => {
  const begun = { first: 0, second: 0 };
  let stopped = false;
  const retry = { backoffCoefficient: 1, jitter: 0 };
  const first = defineWorkflow({
    name: "first",
    retry: { ...retry, initialInterval: 100 },
    run: (ctx) =>
      ctx.step("takes the slot in the end", async ({ signal, attempt }) => {
        begun.first++;
        if (attempt === 1) throw new Error("again");
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        stopped = true;
      }),
  });
  const second = defineWorkflow({
    name: "second",
    retry: { ...retry, initialInterval: 200 },
    run: (ctx) =>
      ctx.step("waits for the slot", () => {
        begun.second++;
        throw new Error("again");
      }),
  });
  const { pawl, worker } = await h.run([first, second], { concurrency: 1 });
  const handles = [await pawl.start(first, undefined, { executionId: "first" }), await pawl.start(second, undefined, { executionId: "second" })];
  await eventually(() => expect(begun).toEqual({ first: 2, second: 1 }));
  // The long step is announced: nothing more is written, and the worker hears of its loss only when it asks.
  await eventually(async () => expect((await handles[0]!.history()).at(-1)!.event.type).toBe("StepStarted"));
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(worker.health()).toMatchObject({ slots: { used: 1 }, active: 2 });
  // Both are taken over at once.
  await execute(
    h.url,
    `WITH freed AS (UPDATE pawl.executions SET worker_id = NULL, epoch = epoch + 1 WHERE execution_id IN ('first', 'second') RETURNING *)
     INSERT INTO pawl.tasks (run_id, visible_at, namespace, task_queue, definition)
     SELECT run_id, now() + interval '1 hour', namespace, task_queue, workflow || '@' || version FROM freed`,
  );
  await eventually(() => expect(stopped).toBe(true));
  await eventually(() => expect(worker.health()).toMatchObject({ slots: { used: 0 }, active: 0 }));
  expect(begun).toEqual({ first: 2, second: 1 });
  await Promise.all(handles.map((handle) => handle.terminate()));
});

test("a live worker is listed first, and starts by name find it, however many have died since it started", async () => {
  const pawl = await h.open({ namespace: "crashing" });
  const lives = defineWorkflow({ name: "lives-long", run: async () => "done" });
  const worker = await pawl.worker({ workflows: [lives], ...soon });
  // Of the newest, only its lease says so far that it is dead.
  await execute(
    h.url,
    `INSERT INTO pawl.workers (id, namespace, state, lease_until, host, pid, pid_started, task_queues, definitions, definition_queues, concurrency, started_at)
 SELECT gen_random_uuid(), 'crashing', CASE WHEN i = 250 THEN 'live' ELSE 'dead' END, now() - interval '1 second', 'h', 1, 'p' || i, '{default}', '{crashes@1}', '{default}', 1,
  now() + i * interval '1 second' FROM generate_series(1, 250) AS i`,
  );
  const listed = await pawl.workers();
  expect(listed[0]).toMatchObject({ workerId: worker.health().workerId, state: "live" });
  expect(listed.slice(1).map(({ state }) => state)).toEqual(Array.from({ length: 200 }, () => "dead"));
  const startedAt = listed.slice(1).map((dead) => dead.startedAt);
  expect(startedAt).toEqual(startedAt.toSorted((a, b) => b - a));
  expect(await pawl.execute("lives-long", undefined)).toBe("done");
  expect(await pawl.workflows.versions()).toMatchObject([{ workflow: "lives-long", workers: [worker.health().workerId] }]);
});

test("a worker that registers deletes a hundred of those that ended more than a day ago, and none that has claims", async () => {
  const parked = defineWorkflow({ name: "parked", run: async (ctx) => ctx.sleep("1 hour") });
  const pawl = await h.open({ namespace: "old" });
  const handle = await pawl.start(parked, undefined);
  // With the age of each as its pid, in hours.
  await execute(
    h.url,
    `INSERT INTO pawl.workers (id, namespace, state, lease_until, host, pid, pid_started, task_queues, definitions, definition_queues, concurrency, started_at, ended_at)
 SELECT gen_random_uuid(), 'old', CASE WHEN i % 2 = 0 THEN 'stopped' ELSE 'dead' END, now() - i * interval '1 hour', 'elsewhere', i, '1', '{}', '{}', '{}', 1, now() - interval '1 year',
  now() - i * interval '1 hour' FROM generate_series(1, 130) AS i;
UPDATE pawl.workers SET ended_at = now() WHERE namespace = 'old' AND pid = 40;
UPDATE pawl.executions SET state = 'running', started_at = now(), worker_id = (SELECT id FROM pawl.workers WHERE namespace = 'old' AND pid = 130), epoch = 1, claims = 1 WHERE execution_id = '${handle.executionId}';
DELETE FROM pawl.tasks WHERE run_id = '${handle.runId}'`,
  );
  const left = async () =>
    (await query<{ pid: number }>(h.url, "SELECT pid FROM pawl.workers WHERE namespace = 'old' AND host = 'elsewhere' ORDER BY pid")).map(({ pid }) => pid);
  const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
  const other = defineWorkflow({ name: "other", run: async () => 1 });
  await pawl.worker({ workflows: [other], ...soon });
  expect(await left()).toEqual([...upTo(28), 40, 130]);
  await eventually(async () => expect((await handle.history()).map(({ event }) => event.type)).toContain("WorkerLost"));
  await (await h.open({ namespace: "old" })).worker({ workflows: [other], ...soon });
  expect(await left()).toEqual([...upTo(23), 40]);
  expect((await pawl.workers()).filter(({ host }) => host === "elsewhere").map(({ pid }) => pid)).toHaveLength(23);
  await handle.terminate();
});

test("what a worker claimed that is forgotten is taken over like what a dead one has", async () => {
  const claimed = defineWorkflow({ name: "claimed", run: async () => "done" });
  const pawl = await h.open({ namespace: "forgotten" });
  const handle = await pawl.start(claimed, undefined);
  await execute(
    h.url,
    `UPDATE pawl.executions SET state = 'running', started_at = now(), worker_id = gen_random_uuid(), epoch = 1, claims = 1 WHERE run_id = '${handle.runId}';
DELETE FROM pawl.tasks WHERE run_id = '${handle.runId}'`,
  );
  await pawl.worker({ workflows: [claimed], ...soon });
  expect(await handle.result({ timeout: 20_000 })).toBe("done");
  expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "WorkerLost", "ExecutionCompleted"]);
});

test("two workers of two processes share the work, and no execution runs twice", async () => {
  const runs = new Map<string, number>();
  const work = defineWorkflow({
    name: "shared",
    run: async (ctx) =>
      ctx.step("work", async () => {
        runs.set(ctx.executionId, (runs.get(ctx.executionId) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }),
  });
  const client = await h.open();
  const handles = await Promise.all(Array.from({ length: 120 }, () => client.start(work, undefined)));
  const one = await h.run([work], { concurrency: 4 });
  const two = await h.run([work], { concurrency: 4 });
  await Promise.all(handles.map((handle) => handle.result()));
  expect([...runs.values()].every((count) => count === 1)).toBe(true);
  expect(runs.size).toBe(120);
  expect(one.worker.health().staleWritesRejected + two.worker.health().staleWritesRejected).toBe(0);
});

test("one connection is enough for everything", async () => {
  const child = defineWorkflow({ name: "frugal-child", run: async (ctx, n: number) => ctx.step("n", () => n) });
  const parent = defineWorkflow({
    name: "frugal",
    run: async (ctx) => {
      const sum = await ctx.map([1, 2, 3], (n) => ctx.child(child, n));
      await ctx.sleep(parkedSleep);
      return sum;
    },
  });
  const sleepy = defineWorkflow({ name: "frugal-sleep", run: async (ctx) => ctx.sleep("1 day") });
  const pawl = await h.open({ poolSize: 1 });
  await pawl.worker({ workflows: [parent, child, sleepy], ...soon });
  const asleep = await pawl.start(sleepy, undefined);
  const results = await Promise.all(Array.from({ length: 10 }, () => pawl.execute(parent, undefined)));
  for (const result of results) expect(result).toEqual([1, 2, 3]);
  await asleep.cancel();
  await expect(asleep.result()).rejects.toThrow("cancelled");
  expect((await pawl.list({ workflow: "frugal", state: "completed" })).executions).toHaveLength(10);
});

test("a worker that is still starting when everything is closed is refused, and leaves no trace of being alive", async () => {
  const held = gate();
  const registering = gate();
  const pawl = await h.open({}, async (name, phase) => {
    if (name !== "register-worker" || phase !== "before") return;
    registering.open();
    await held.opened;
  });
  const client = await h.open();
  const starting = pawl.worker({ workflows: [defineWorkflow({ name: "never", run: async () => 1 })] });
  await registering.opened;
  const closing = pawl.close();
  const refusal = starting.catch((error: unknown) => error);
  held.open();
  await closing;
  expect(await refusal).toBeInstanceOf(Closed);
  expect((await client.workers()).filter(({ definitions }) => definitions.includes("never@1")).map(({ state }) => state)).toEqual(["stopped"]);
});

test("a database that refuses a commit for another reason than its content ends no execution: it is claimed again, and goes on", async () => {
  let refuses = false;
  let refused = 0;
  const pawl = await h.open({}, (name, phase) => {
    if (name !== "commit" || phase !== "before" || !refuses || ++refused > 1) return;
    throw Object.assign(new Error("permission denied for table history"), { code: "42501" });
  });
  const begun: number[] = [];
  const patient = defineWorkflow({
    name: "patient",
    run: (ctx) =>
      ctx.step("once", (step) => {
        refuses = true;
        begun.push(step.attempt);
        return "done";
      }),
  });
  await pawl.worker({ workflows: [patient], ...soon });
  expect(await pawl.execute(patient, undefined)).toBe("done");
  // Its first result could not be kept.
  expect(begun).toEqual([1, 1]);
});
