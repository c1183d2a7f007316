import { defineWorkflow, ExecutionConflict, ExecutionNotFound, OptionInvalid, type ExecutionHandle } from "pawl";
import { describe, expect, test } from "vitest";
import { eventually, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const double = defineWorkflow({ name: "double", run: async (ctx, input: { n: number }) => ctx.step("double", () => input.n * 2) });
const other = defineWorkflow({ name: "other", run: async (_ctx, input: { n: number }) => input.n });

describe("starting an execution", () => {
  test("start gives a handle at once, execute waits for the result, and a handle can be made from the id alone", async () => {
    const { pawl } = await h.run([double]);
    const handle = await pawl.start(double, { n: 4 }, { executionId: "start-1" });
    expect(handle.executionId).toBe("start-1");
    expect(await handle.result()).toBe(8);
    expect(await pawl.execute(double, { n: 5 })).toBe(10);
    expect(await pawl.handle("start-1", double).result()).toBe(8);
    expect(await handle.status()).toMatchObject({
      executionId: "start-1",
      workflow: "double",
      version: "1",
      taskQueue: "default",
      state: "completed",
      runNumber: 1,
      workerId: null,
    });
  });

  test("makes an id where none is given, another one each time", async () => {
    const { pawl } = await h.run([double]);
    const handles = await Promise.all([1, 2, 3].map((n) => pawl.start(double, { n })));
    expect(new Set(handles.map(({ executionId }) => executionId)).size).toBe(3);
    expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual([2, 4, 6]);
  });

  test("the history tells what happened, in order and without gaps", async () => {
    const { pawl } = await h.run([double]);
    const handle = await pawl.start(double, { n: 1 });
    await handle.result();
    const history = await handle.history();
    expect(history.map(({ seq, event }) => [seq, event.type])).toEqual([
      [1, "ExecutionStarted"],
      [2, "StepCompleted"],
      [3, "ExecutionCompleted"],
    ]);
    expect(history[1]!.event).toMatchObject({ position: 1, name: "double", attempt: 1, result: { value: 2 } });
  });

  test("the same id gives the same execution and its recorded result, whatever the input", async () => {
    let runs = 0;
    const counted = defineWorkflow({ name: "counted", run: async (ctx, input: { n: number }) => ctx.step("count", () => `${input.n} in run ${++runs}`) });
    const { pawl } = await h.run([counted]);
    const first = await pawl.execute(counted, { n: 1 }, { executionId: "same-1" });
    expect(await pawl.execute(counted, { n: 2 }, { executionId: "same-1" })).toBe(first);
    expect(first).toBe("1 in run 1");
    expect(runs).toBe(1);
    expect(await h.count("pawl.executions WHERE execution_id = 'same-1'")).toBe(1);
  });

  test("fifty starts of one id at the same time, from two processes' pools, make one execution", async () => {
    const { pawl } = await h.run([double]);
    const second = await h.open();
    const handles = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? pawl : second).start(double, { n: 3 }, { executionId: "same-50" })),
    );
    expect(new Set(handles.map(({ runId }) => runId)).size).toBe(1);
    expect(await handles[7]!.result()).toBe(6);
    expect(await h.count("pawl.executions WHERE execution_id = 'same-50'")).toBe(1);
  });

  test("the id of another workflow's execution is a conflict that names it and changes nothing", async () => {
    const { pawl } = await h.run([double, other]);
    await pawl.execute(double, { n: 1 }, { executionId: "taken" });
    const conflict = await refusalOf(pawl.start(other, { n: 1 }, { executionId: "taken" }), ExecutionConflict);
    expect(conflict.executionId).toBe("taken");
    expect(conflict.message).toContain('"double"');
    expect(await pawl.handle("taken").status()).toMatchObject({ workflow: "double", state: "completed" });
  });

  test("starts by name what a live worker has", async () => {
    await h.run([double]);
    const client = await h.open();
    expect(await client.execute("double", { n: 21 })).toBe(42);
  });

  test("a version beside a definition is refused unless it is the definition's own", async () => {
    const { pawl } = await h.run([double]);
    const error = await refusalOf(pawl.start(double, { n: 1 }, { version: "7", executionId: "versioned" }), OptionInvalid);
    expect(error.message).toMatch(/^version: is "7", but the definition of workflow "double" that is given is version "1"/);
    const schedule = { scheduleId: "versioned", workflow: double, input: { n: 1 }, interval: "1h" };
    await refusalOf(pawl.schedules.create({ ...schedule, version: "7" }), OptionInvalid);
    const created = await pawl.schedules.create({ ...schedule, version: "1" });
    await refusalOf(created.update({ workflow: double, version: "7" }), OptionInvalid);
    await created.delete();
    await refusalOf(pawl.handle("versioned").status(), ExecutionNotFound);
    expect(await pawl.execute(double, { n: 1 }, { version: "1" })).toBe(2);
  });

  test("a handle to what does not exist says so", async () => {
    const pawl = await h.open();
    for (const ask of [
      () => pawl.handle("nobody").status(),
      () => pawl.handle("nobody").result(),
      () => pawl.handle("nobody").history(),
      () => pawl.handle("nobody").cancel(),
      () => pawl.handle("nobody").terminate(),
      () => pawl.handle("nobody").resume(),
    ]) {
      expect((await refusalOf(ask(), ExecutionNotFound)).executionId).toBe("nobody");
    }
  });
});

describe("an idempotency key", () => {
  test("gives one execution for fifty parallel starts from two processes' pools", async () => {
    const { pawl } = await h.run([double]);
    const second = await h.open();
    const handles = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? pawl : second).start(double, { n: 9 }, { idempotencyKey: "key-50" })),
    );
    expect(new Set(handles.map(({ executionId }) => executionId)).size).toBe(1);
    expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual(Array(50).fill(18));
    expect(await h.count("pawl.executions WHERE idempotency_key = 'key-50'")).toBe(1);
  });

  test("with another input is a conflict that names the execution that has it", async () => {
    const { pawl } = await h.run([double]);
    const handle = await pawl.start(double, { n: 1 }, { idempotencyKey: "key-other" });
    const conflict = await refusalOf(pawl.start(double, { n: 2 }, { idempotencyKey: "key-other" }), ExecutionConflict);
    expect(conflict.executionId).toBe(handle.executionId);
    expect(conflict.message).toContain("input");
    expect((await pawl.start(double, { n: 1 }, { idempotencyKey: "key-other" })).executionId).toBe(handle.executionId);
  });

  test("recognises an equal input of rich values", async () => {
    const rich = defineWorkflow({ name: "rich-key", run: async (_ctx, input: { at: Date; tags: Set<string>; amount: bigint }) => input.tags.size });
    const { pawl } = await h.run([rich]);
    const input = () => ({ at: new Date(7), tags: new Set(["a", "b"]), amount: 10n });
    const first = await pawl.start(rich, input(), { idempotencyKey: "rich" });
    expect((await pawl.start(rich, input(), { idempotencyKey: "rich" })).executionId).toBe(first.executionId);
    await refusalOf(pawl.start(rich, { ...input(), amount: 11n }, { idempotencyKey: "rich" }), ExecutionConflict);
  });

  test("belongs to one workflow: another one may use it too", async () => {
    const { pawl } = await h.run([double, other]);
    const one = await pawl.start(double, { n: 1 }, { idempotencyKey: "shared" });
    const two = await pawl.start(other, { n: 1 }, { idempotencyKey: "shared" });
    expect(one.executionId).not.toBe(two.executionId);
    expect([await one.result(), await two.result()]).toEqual([2, 1]);
  });
});

describe("an idempotency key beside another id", () => {
  test("is compared with nothing where the execution was found by its id and has another key, or none", async () => {
    const pawl = await h.open();
    await pawl.start(double, { n: 1 }, { executionId: "keyless" });
    await pawl.start(double, { n: 1 }, { executionId: "keyed", idempotencyKey: "its-own" });
    for (const executionId of ["keyless", "keyed"]) {
      const found = await pawl.start(double, { n: 2 }, { executionId, idempotencyKey: "another" });
      expect(found.executionId).toBe(executionId);
    }
    // Neither has got the key by that.
    const third = await pawl.start(double, { n: 3 }, { idempotencyKey: "another" });
    expect(["keyless", "keyed"]).not.toContain(third.executionId);
    // The id decides where the key is another's, and that one's input does not matter.
    expect((await pawl.start(double, { n: 2 }, { executionId: "keyed", idempotencyKey: "another" })).executionId).toBe("keyed");
    await refusalOf(pawl.start(double, { n: 2 }, { executionId: "keyed", idempotencyKey: "its-own" }), ExecutionConflict);
    await refusalOf(pawl.start(other, { n: 1 }, { executionId: "keyed", idempotencyKey: "its-own" }), ExecutionConflict);
  });

  test("is compared with nothing where the execution was found by its deduplication id", async () => {
    const pawl = await h.open();
    const open = await pawl.start(double, { n: 1 }, { deduplicationId: "open" });
    expect((await pawl.start(double, { n: 2 }, { deduplicationId: "open", idempotencyKey: "late" })).executionId).toBe(open.executionId);
    // What has the key comes before what has the deduplication id.
    const keyed = await pawl.start(double, { n: 3 }, { idempotencyKey: "late" });
    expect(keyed.executionId).not.toBe(open.executionId);
    expect((await pawl.start(double, { n: 3 }, { deduplicationId: "open", idempotencyKey: "late" })).executionId).toBe(keyed.executionId);
    await refusalOf(pawl.start(double, { n: 2 }, { deduplicationId: "open", idempotencyKey: "late" }), ExecutionConflict);
  });
});

describe("when an execution begins", () => {
  test("a delayed start is durable at once, not claimed before its time, and then runs", async () => {
    const { pawl } = await h.run([double]);
    const handle = await pawl.start(double, { n: 1 }, { delay: 300 });
    expect(await handle.status()).toMatchObject({ state: "pending", startedAt: null });
    expect(await handle.result()).toBe(2);
    const { createdAt, startedAt } = await handle.status();
    expect(startedAt!.getTime() - createdAt.getTime()).toBeGreaterThanOrEqual(299);
  });

  test("a start in a process whose worker has room is claimed by the same commit and needs no poll", async () => {
    const pawl = await h.open({ notify: false });
    const worker = await pawl.worker({ workflows: [double], pollInterval: "1 hour" });
    const handle = await pawl.start(double, { n: 1 });
    expect(await handle.result({ timeout: "2 minutes" })).toBe(2);
    const { startedAt, createdAt } = await handle.status();
    expect(startedAt).toEqual(createdAt);
    await eventually(() => expect(worker.health()).toMatchObject({ slots: { used: 0, total: 100 }, active: 0 }));
  });

  test("a start in a process without a worker is found by another process, with and without notifications", async () => {
    for (const notify of [true, false]) {
      const client = await h.open({ notify });
      const handle = await client.start(double, { n: 2 });
      expect((await handle.status()).state).toBe("pending");
      const runner = await h.open({ notify });
      const worker = await runner.worker({ workflows: [double], ...soon });
      expect(await handle.result()).toBe(4);
      expect(await (await client.start(double, { n: 3 })).result()).toBe(6);
      await worker.stop();
    }
  });

  test("a start beyond the worker's slots waits for the next slot, not for the next poll", async () => {
    const held = gate();
    const waiting = defineWorkflow({ name: "waiting", run: async (ctx) => ctx.step("wait", () => held.opened) });
    const pawl = await h.open({ notify: false });
    await pawl.worker({ workflows: [waiting], concurrency: 1, pollInterval: "1 hour" });
    const handles: ExecutionHandle<void>[] = [];
    for (let index = 0; index < 5; index++) handles.push(await pawl.start(waiting, undefined));
    await eventually(async () => expect((await handles[0]!.status()).state).toBe("running"));
    expect((await handles[4]!.status()).state).toBe("pending");
    held.open();
    await Promise.all(handles.map((handle) => handle.result({ timeout: "2 minutes" })));
  });
});

test("starts with large inputs are committed in parts, so that no statement outgrows what PostgreSQL takes", async () => {
  const large = defineWorkflow({ name: "large", run: async (_ctx, input: string) => input.length });
  let commits = 0;
  const pawl = await h.open({}, (name, phase) => {
    if (name === "commit" && phase === "before") commits++;
  });
  const input = "x".repeat(4 * 1024 * 1024);
  const handles = await Promise.all(Array.from({ length: 20 }, () => pawl.start(large, input)));
  expect(commits).toBeGreaterThanOrEqual(3);
  await pawl.worker({ workflows: [large], ...soon });
  expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual(Array(20).fill(input.length));
});
