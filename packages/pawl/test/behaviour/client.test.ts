import { Closed, defineWorkflow, ExecutionNotFound, Pawl, ResultTimeout, type ExecutionInfo, type ListOptions } from "pawl";
import { silentLogger } from "pawl/internal";
import { describe, expect, test } from "vitest";
import { execute, query } from "../support/database.ts";
import { eventually, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const echo = defineWorkflow({ name: "echo", run: async (_ctx, input: unknown) => input });
const other = defineWorkflow({ name: "other", taskQueue: "others", run: async () => "other" });
const fails = defineWorkflow({
  name: "fails",
  run: async () => {
    throw new Error("no");
  },
});
const sleepy = defineWorkflow({ name: "sleepy", run: async (ctx) => ctx.sleep("1 day") });

describe("result()", () => {
  test("gives up after its timeout while the execution goes on, and can be asked again", async () => {
    const held = gate<string>();
    const waiting = defineWorkflow({ name: "waiting", run: async (ctx) => ctx.step("wait", () => held.opened) });
    const { pawl } = await h.run([waiting]);
    const handle = await pawl.start(waiting, undefined);
    const error = await refusalOf(handle.result({ timeout: 30 }), ResultTimeout);
    expect(error.message).toContain("30 ms");
    await refusalOf((await h.open()).handle(handle.executionId).result({ timeout: 30 }), ResultTimeout);
    expect((await handle.status()).state).toBe("running");
    held.open("now");
    expect(await handle.result({ timeout: "2 minutes" })).toBe("now");
    expect(await handle.result({ timeout: 0 }).catch((late: Error) => late.name)).toMatch(/^(now|ResultTimeout)$/);
  });

  test("reaches everyone who waits, in this and in other processes, with and without notifications", async () => {
    for (const notify of [true, false]) {
      const held = gate<number>();
      const waiting = defineWorkflow({ name: "waiting", run: async (ctx) => ctx.step("wait", () => held.opened) });
      const { pawl, worker } = await h.run([waiting]);
      const elsewhere = await h.open({ notify });
      const handle = await pawl.start(waiting, undefined);
      const waits = [
        handle.result(),
        handle.result(),
        pawl.handle(handle.executionId).result(),
        elsewhere.handle(handle.executionId).result(),
        elsewhere.handle(handle.executionId).result({ timeout: "2 minutes" }),
      ];
      held.open(7);
      expect(await Promise.all(waits)).toEqual([7, 7, 7, 7, 7]);
      await worker.stop();
    }
  });

  test("is given to each who asks as a value of its own", async () => {
    const { pawl } = await h.run([echo]);
    const handle = await pawl.start(echo, { list: [1] });
    const [one, two] = (await Promise.all([handle.result(), handle.result()])) as [{ list: number[] }, { list: number[] }];
    one.list.push(2);
    expect(two).toEqual({ list: [1] });
    expect(await handle.result()).toEqual({ list: [1] });
  });
});

describe("list()", () => {
  const ids = (rows: readonly ExecutionInfo[]) => rows.map(({ executionId }) => executionId);

  test("finds by workflow, state, task queue, parent and time, alone and together, newest first", async () => {
    const pawl = await h.open({ namespace: "lists" });
    const parent = defineWorkflow({ name: "parent", run: async (ctx) => ctx.all([() => ctx.child(echo, 1), () => ctx.child(echo, 2)]) });
    await pawl.worker({ workflows: [echo, other, fails, sleepy, parent], taskQueues: ["default", "others"], ...soon });
    for (let n = 0; n < 3; n++) await pawl.execute(echo, n, { executionId: `echo-${n}` });
    await pawl.execute(other, undefined, { executionId: "other-0" });
    await pawl.execute(fails, undefined, { executionId: "fails-0" }).catch(() => {});
    await pawl.start(sleepy, undefined, { executionId: "sleepy-0" });
    await pawl.execute(parent, undefined, { executionId: "parent-0" });
    await pawl.start(echo, 9, { executionId: "echo-late", delay: "1 day" });
    const { createdAt } = await pawl.handle("other-0").status();
    const cases: readonly [ListOptions, string[]][] = [
      [{}, ["echo-late", "parent-0.2", "parent-0.1", "parent-0", "sleepy-0", "fails-0", "other-0", "echo-2", "echo-1", "echo-0"]],
      [{ workflow: "echo" }, ["echo-late", "parent-0.2", "parent-0.1", "echo-2", "echo-1", "echo-0"]],
      [{ workflow: "nothing" }, []],
      [{ state: "failed" }, ["fails-0"]],
      [{ state: ["running", "failed", "pending"] }, ["echo-late", "sleepy-0", "fails-0"]],
      [{ state: [] }, []],
      [{ taskQueue: "others" }, ["other-0"]],
      [{ parent: "parent-0" }, ["parent-0.2", "parent-0.1"]],
      [{ parent: "echo-0" }, []],
      [{ createdBefore: createdAt, workflow: "echo" }, ["echo-2", "echo-1", "echo-0"]],
      [{ createdAfter: createdAt, state: "completed" }, ["parent-0.2", "parent-0.1", "parent-0", "other-0"]],
      [{ createdAfter: createdAt, createdBefore: createdAt }, []],
      [{ limit: 2 }, ["echo-late", "parent-0.2"]],
    ];
    for (const [options, expected] of cases) expect(ids((await pawl.list(options)).executions), JSON.stringify(options)).toEqual(expected);
    await pawl.handle("sleepy-0").terminate();
  });

  test("goes through all pages without skipping or doubling a row while new ones are started and old ones end", async () => {
    const pawl = await h.open({ namespace: "pages" });
    await pawl.worker({ workflows: [echo, sleepy], ...soon });
    const before = await Promise.all(Array.from({ length: 95 }, (_, n) => pawl.start(n % 2 === 0 ? echo : sleepy, undefined, { executionId: `before-${n}` })));
    const seen: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await pawl.list({ limit: 10, ...(cursor === undefined ? {} : { cursor }) });
      seen.push(...ids(page.executions));
      cursor = page.nextCursor;
      await Promise.all([pawl.start(echo, 1), pawl.start(echo, 2), before[pages * 2 + 1]?.terminate()]);
      pages++;
    } while (cursor !== undefined);
    expect(pages).toBe(10);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => id.startsWith("before-"))).toHaveLength(95);
    expect([...seen].toSorted()).toEqual(before.map(({ executionId }) => executionId).toSorted());
    for (const { executionId } of (await pawl.list({ workflow: "sleepy", state: "running", limit: 1000 })).executions)
      await pawl.handle(executionId).terminate();
  });

  test("gives no cursor where a page is the last one, full or not", async () => {
    const pawl = await h.open({ namespace: "last-page" });
    await Promise.all([1, 2, 3, 4].map((n) => pawl.start(echo, n)));
    expect((await pawl.list({ limit: 4 })).nextCursor).toBeUndefined();
    expect((await pawl.list({ limit: 5 })).nextCursor).toBeUndefined();
    const first = await pawl.list({ limit: 3 });
    expect((await pawl.list({ limit: 3, cursor: first.nextCursor! })).executions).toHaveLength(1);
  });
});

describe("a namespace", () => {
  test("keeps ids, keys, queues, workers, lists and controls apart from every other", async () => {
    const a = await h.open({ namespace: "team/a" });
    const b = await h.open({ namespace: "team/b" });
    await a.worker({ workflows: [echo], ...soon });
    expect(await a.execute(echo, "a", { executionId: "same", idempotencyKey: "key" })).toBe("a");
    const inB = await b.start(echo, "b", { executionId: "same", idempotencyKey: "key" });
    expect((await inB.status()).state).toBe("pending");
    expect(await a.workers()).toHaveLength(1);
    expect(await b.workers()).toHaveLength(0);
    expect((await b.list()).executions).toHaveLength(1);
    await refusalOf(b.handle("only-in-a").status(), ExecutionNotFound);
    await inB.terminate();
    expect(await a.handle("same").result()).toBe("a");
    await b.worker({ workflows: [echo], ...soon });
    expect(await b.execute(echo, "b2")).toBe("b2");
  });

  test("makes ctx.uuid of executions with the same id differ", async () => {
    const uuid = defineWorkflow({ name: "uuid", run: async (ctx) => ctx.uuid() });
    const found: unknown[] = [];
    for (const namespace of ["uuid-a", "uuid-b"]) {
      const pawl = await h.open({ namespace });
      await pawl.worker({ workflows: [uuid], ...soon });
      found.push(await pawl.execute(uuid, undefined, { executionId: "same-id" }));
    }
    expect(found[0]).not.toBe(found[1]);
  });
});

test("two schemas in one database know nothing of each other", async () => {
  const second = await Pawl.open({ url: h.url, schema: "second_pawl", logger: silentLogger });
  try {
    const first = await h.open();
    await first.worker({ workflows: [echo], ...soon });
    expect(await first.execute(echo, 1, { executionId: "schema" })).toBe(1);
    const handle = await second.start(echo, 2, { executionId: "schema" });
    expect((await handle.status()).state).toBe("pending");
    await second.worker({ workflows: [echo], ...soon });
    expect(await handle.result()).toBe(2);
    expect(await first.handle("schema").result()).toBe(1);
    expect(await query(h.url, "SELECT execution_id FROM second_pawl.executions")).toEqual([{ execution_id: "schema" }]);
  } finally {
    await second.close();
    await execute(h.url, "DROP SCHEMA second_pawl CASCADE");
  }
});

describe("close()", () => {
  test("lets running steps finish, writes their results, and leaves nothing claimed", async () => {
    const begun = gate();
    const held = gate();
    const waiting = defineWorkflow({
      name: "draining",
      run: async (ctx) =>
        ctx.step("wait", async () => {
          begun.open();
          await held.opened;
          return "finished";
        }),
    });
    const { pawl } = await h.run([waiting]);
    const handle = await pawl.start(waiting, undefined);
    await begun.opened;
    const closing = pawl.close();
    held.open();
    await closing;
    expect(await (await h.open()).handle(handle.executionId).result({ timeout: "5s" })).toBe("finished");
  });

  test("in the middle of anything loses nothing that was acknowledged: another process finishes it", async () => {
    const busy = defineWorkflow({
      name: "busy",
      run: async (ctx, input: number) => {
        let sum = input;
        for (let n = 0; n < 5; n++) {
          sum += await ctx.step("add", async () => {
            await new Promise((resolve) => setTimeout(resolve, 2));
            return n;
          });
          if (n === 2) await ctx.sleep(5);
        }
        return sum;
      },
    });
    const pawl = await h.open();
    await pawl.worker({ workflows: [busy], ...soon });
    const acknowledged: string[] = [];
    const outcomes = Promise.allSettled(
      Array.from({ length: 150 }, async (_, n) => {
        for (let turn = 0; turn < n; turn++) await new Promise((resolve) => setImmediate(resolve));
        await pawl.start(busy, n, { executionId: `busy-${n}` });
        acknowledged.push(`busy-${n}`);
      }),
    );
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(20));
    await pawl.close({ drain: 5 });
    for (const outcome of await outcomes) if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(Closed);
    const next = await h.open();
    expect(await h.count("pawl.executions WHERE workflow = 'busy' AND worker_id IS NOT NULL")).toBe(0);
    await next.worker({ workflows: [busy], ...soon });
    for (const id of acknowledged) expect(await next.handle(id).result()).toBe(Number(id.slice(5)) + 10);
  });

  test("ends everything that waits, and every operation afterwards, with Closed", async () => {
    const { pawl, worker } = await h.run([sleepy]);
    const handle = await pawl.start(sleepy, undefined, { executionId: "closed-over" });
    // Nobody replies to its update.
    const untouched = await pawl.start(sleepy, undefined, { executionId: "untouched", taskQueue: "nobody" });
    const anybody = pawl.handle("untouched");
    const waiting = [
      handle.result(),
      untouched.value("never", { wait: true }),
      anybody.update("never", 1),
      untouched.stream("never").next(),
      untouched.value("never", { wait: true, timeout: "1 hour" }),
    ].map((wait) => refusalOf(wait, Closed));
    await eventually(async () => expect(await h.count("inbox")).toBe(1));
    const underWay = Promise.allSettled([1, 2, 3].map((n) => anybody.signal("never", n)));
    await pawl.close({ drain: 0 });
    await Promise.all(waiting);
    for (const outcome of await underWay) if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(Closed);
    await pawl.close();
    expect(worker.health().state).toBe("stopped");
    const operations: readonly [string, () => Promise<unknown>][] = [
      ["start", () => pawl.start(echo, 1)],
      ["start by name", () => pawl.start("echo", 1)],
      ["execute", () => pawl.execute(echo, 1)],
      ["list", () => pawl.list()],
      ["workers", () => pawl.workers()],
      ["worker", () => pawl.worker({ workflows: [echo] })],
      ["result", () => pawl.handle("closed-over").result()],
      ["status", () => handle.status()],
      ["history", () => handle.history()],
      ["cancel", () => handle.cancel()],
      ["terminate", () => handle.terminate()],
      ["signal", () => anybody.signal("never", 1)],
      ["update", () => anybody.update("never", 1)],
      ["value", () => handle.value("never", { wait: true })],
      ["resume", () => handle.resume()],
    ];
    for (const [name, operation] of operations) {
      const error = await Promise.race([
        operation().then(
          () => undefined,
          (refusal: unknown) => refusal,
        ),
        new Promise((resolve) => setTimeout(resolve, 3000, "hung")),
      ]);
      expect(error, name).toBeInstanceOf(Closed);
    }
    const open = await h.open();
    await Promise.all(["closed-over", "untouched"].map((id) => open.handle(id).terminate()));
  });

  test("leaves no connection behind", async () => {
    const pawl = await h.open();
    await pawl.worker({ workflows: [echo], ...soon });
    await pawl.execute(echo, 1);
    const connections = async () =>
      (
        await query<{ n: number }>(h.url, "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'test'")
      )[0]!.n;
    expect(await connections()).toBeGreaterThan(0);
    await pawl.close();
    await eventually(async () => expect(await connections()).toBe(0));
  });
});
