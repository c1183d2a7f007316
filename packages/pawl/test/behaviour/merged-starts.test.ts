/** Starts that become one execution: debounced ones, and batches. */
import { defineWorkflow, ExecutionCancelled, OptionInvalid, type StartOptions } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { expect, test } from "vitest";
import { z } from "zod";
import { execute } from "../support/database.ts";
import { causeOf, eventually, failureOf, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const echo = defineWorkflow({ name: "echo", run: async (ctx, input: string) => ctx.step("echo", () => input) });
const all = defineWorkflow({ name: "all", input: z.array(z.number()), run: async (ctx, input) => ctx.step("all", () => input) });

test("debounced starts become one execution with the input of the last, which begins when none has come for the period", async () => {
  const { pawl } = await h.run([echo]);
  const handles = [];
  const options = { debounce: { key: "doc-1", period: 300 } };
  for (const input of ["a", "b", "c"]) handles.push(await pawl.start(echo, input, options));
  const other = await pawl.start(echo, "other", { debounce: { key: "doc-2", period: 10 } });
  expect(new Set(handles.map((handle) => handle.executionId)).size).toBe(1);
  expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual(["c", "c", "c"]);
  expect(await other.result()).toBe("other");
  const history = await handles[0]!.history();
  expect(history.map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StartMerged", "StartMerged", "StepCompleted", "ExecutionCompleted"]);
  const { startedAt } = await handles[0]!.status();
  expect(startedAt!.getTime() - history[2]!.at.getTime()).toBeGreaterThanOrEqual(300);
  const next = await pawl.start(echo, "d", options);
  expect(next.executionId).not.toBe(handles[0]!.executionId);
  expect(await next.result()).toBe("d");
});

test("it does not wait for longer than maxWait, however many come", async () => {
  const { pawl } = await h.run([echo]);
  const options = { debounce: { key: "busy", period: 400, maxWait: 600 } };
  const first = await pawl.start(echo, "0", options);
  let last = first;
  for (let index = 1; last.executionId === first.executionId && index < 500; index++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    last = await pawl.start(echo, String(index), options);
  }
  expect(last.executionId).not.toBe(first.executionId);
  const { createdAt, startedAt } = await first.status();
  expect(startedAt!.getTime() - createdAt.getTime()).toBeGreaterThanOrEqual(600);
  await Promise.all([first.result(), last.result()]);
});

test("with 10,000 starts it takes no more: it begins at its time, and the next start makes another one", async () => {
  const pawl = await h.open();
  const start = (input: string) => pawl.start(echo, input, { debounce: { key: "very-busy", period: 500, maxWait: "1 hour" } });
  const first = await start("first");
  // As if so many had come meanwhile.
  await execute(
    h.url,
    `WITH e AS (UPDATE pawl.executions SET last_seq = 9999 WHERE execution_id = '${first.executionId}' RETURNING run_id)
     INSERT INTO pawl.history (run_id, seq, epoch, at, type, data)
     SELECT e.run_id, n, 0, pawl.current_time_of_pawl(), 'StartMerged', json_build_object('startId', gen_random_uuid(), 'input', n::text)::text
     FROM e, generate_series(2, 9999) n`,
  );
  const [last, next] = [await start("last"), await start("next")];
  expect(last.executionId).toBe(first.executionId);
  expect(next.executionId).not.toBe(first.executionId);
  await pawl.worker({ workflows: [echo], ...soon });
  expect(await Promise.all([first.result(), next.result()])).toEqual(["last", "next"]);
  const { startedAt } = await first.status();
  expect(startedAt!.getTime() - (await first.history())[9999]!.at.getTime()).toBeGreaterThanOrEqual(500);
});

test("a batch begins with so many starts and gets their elements in the order of their acknowledgement, or after its window", async () => {
  const { pawl } = await h.run([all]);
  const options = { batch: { key: "index", size: 3, window: "1 hour" } };
  const full = [await pawl.start(all, [1], options), await pawl.start(all, [2, 3], options), await pawl.start(all, [4], options)];
  expect(await full[0]!.result()).toEqual([1, 2, 3, 4]);
  expect(new Set(full.map(({ executionId }) => executionId)).size).toBe(1);
  const part = [
    await pawl.start(all, [5], { batch: { key: "part", size: 3, window: 200 } }),
    await pawl.start(all, [6], { batch: { key: "part", size: 3, window: 200 } }),
  ];
  expect(await part[1]!.result()).toEqual([5, 6]);
});

test("what a batch comes to is checked when it begins: with what the schema refuses then, all its starts have failed", async () => {
  const few = defineWorkflow({ name: "few", input: z.array(z.number()).max(2), run: async (ctx, input) => ctx.step("few", () => input) });
  const { pawl } = await h.run([few]);
  const options = { batch: { key: "few", size: 2, window: "1 hour" } };
  expect(await failureOf(pawl.start(few, [1, 2, 3], options))).toMatchObject({ code: "INPUT_INVALID" });
  const starts = [await pawl.start(few, [1, 2], options), await pawl.start(few, [3], options)];
  for (const handle of starts) expect(await causeOf(handle.result())).toMatchObject({ code: "INPUT_INVALID" });
});

test.each([{ events: 3 }, { characters: 300 }])(
  "starts that come to more than a history may hold (%j) have all failed before the code runs",
  async (historyLimit) => {
    let runs = 0;
    const counted = defineWorkflow({ name: "counted", run: async (_ctx, input: string[]) => void (runs += input.length) });
    const pawl = await h.open();
    const options = { batch: { key: "long", size: 3, window: "1 hour" } };
    const handles = [];
    for (let index = 0; index < 3; index++) handles.push(await pawl.start(counted, ["x".repeat(100)], options));
    await pawl.worker({ workflows: [counted], historyLimit, ...soon });
    for (const handle of handles) expect(await causeOf(handle.result())).toMatchObject({ code: "HISTORY_TOO_LONG" });
    expect(runs).toBe(0);
  },
);

test("a batch is never larger than its size, and nothing is lost or doubled, also without a worker and with many at once", async () => {
  const pawls = [await h.open(), await h.open()];
  const options = { batch: { key: "many", size: 10, window: "100ms" } };
  const handles = await Promise.all(Array.from({ length: 95 }, (_, index) => pawls[index % 2]!.start(all, [index], options)));
  await pawls[0]!.worker({ workflows: [all], ...soon });
  const results = new Map<string, readonly number[]>();
  for (const handle of handles) results.set(handle.executionId, await handle.result());
  for (const [index, handle] of handles.entries()) expect(results.get(handle.executionId)).toContain(index);
  expect([...results.values()].flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 95 }, (_, index) => index));
  expect(Math.max(...[...results.values()].map((list) => list.length))).toBe(10);
});

test("a start whose reply was lost is merged once", async () => {
  let lose = true;
  const pawl = await openPawl({ url: h.url, logger: silentLogger }, (name, phase) => {
    if (name !== "merge-start" || phase !== "after" || !lose) return;
    lose = false;
    throw Object.assign(new Error("connection lost"), { code: "ECONNRESET" });
  });
  const options = { batch: { key: "lost", size: 3, window: "1 hour" } };
  const first = await pawl.start(all, [1], options);
  await pawl.start(all, [2], options);
  expect(lose).toBe(false);
  expect((await first.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StartMerged"]);
  await pawl.start(all, [3], options);
  await pawl.worker({ workflows: [all], ...soon });
  expect(await first.result()).toEqual([1, 2, 3]);
  await pawl.close();
});

test("a start whose reply was lost is merged once, also if what it is part of has begun by then", async () => {
  const worker = await (await h.open()).worker({ workflows: [all], ...soon });
  let lose = true;
  const pawl = await openPawl({ url: h.url, logger: silentLogger }, async (name, phase) => {
    if (name !== "merge-start" || phase !== "after" || !lose) return;
    lose = false;
    // It was the last of its batch.
    await first.result();
    throw Object.assign(new Error("connection lost"), { code: "ECONNRESET" });
  });
  const options = { batch: { key: "lost-and-begun", size: 2, window: "1 hour" } };
  const first = await pawl.start(all, [1], options);
  const second = await pawl.start(all, [2], options);
  expect(lose).toBe(false);
  expect(second.executionId).toBe(first.executionId);
  expect(await second.result()).toEqual([1, 2]);
  await worker.stop();
  await pawl.close();
});

test("what waits for a limit of its queue is put off by another start, as if it waited for a worker", async () => {
  const released = gate();
  const held = defineWorkflow({ name: "held", run: async (ctx) => ctx.step("hold", () => released.opened) });
  const pawl = await h.open();
  await pawl.queues.set("default", { concurrency: 1 });
  await pawl.worker({ workflows: [echo, held], ...soon });
  const holder = await pawl.start(held, undefined);
  await eventually(async () => expect((await holder.status()).state).toBe("running"));

  const start = async (input: string, period: number) => pawl.start(echo, input, { debounce: { key: "limited", period, maxWait: "1 hour" } });
  const first = await start("a", 1);
  // A claim has put it in order, and found no room.
  await eventually(async () => expect(await h.count("tasks WHERE queue_key IS NOT NULL")).toBe(1));
  await start("b", 2000);
  released.open();
  await holder.result();
  const last = await start("c", 10);
  expect(last.executionId).toBe(first.executionId);
  expect(await first.result()).toBe("c");
});

test("starts that are merged and cancelled before they begin have all been cancelled, and the next start is another execution", async () => {
  const pawl = await h.open();
  const options = { batch: { key: "cancelled", size: 3, window: "1 hour" } };
  const first = await pawl.start(all, [1], options);
  const second = await pawl.start(all, [2], options);
  expect(await second.cancel()).toBe("cancelled");
  await refusalOf(first.result(), ExecutionCancelled);
  // The invariants, which are checked after each test, see that nobody had to ask its code.
  expect((await first.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StartMerged", "ExecutionCancelled"]);
  expect((await pawl.start(all, [3], options)).executionId).not.toBe(first.executionId);
});

test("what cannot be merged is refused", async () => {
  const pawl = await h.open();
  const debounce = { key: "k", period: 10 };
  const batch = { key: "k", size: 2, window: 10 };
  const refused: StartOptions[] = [
    { debounce, batch },
    { debounce, executionId: "x" },
    { debounce, delay: 5 },
    { debounce, idempotencyKey: "x" },
    { debounce: { key: "k", period: 0 } },
    { debounce: { key: "", period: 5 } },
    { batch: { ...batch, size: 1 } },
    { batch: { ...batch, window: 0 } },
  ];
  for (const options of refused) expect(await failureOf(pawl.start(all, [1], options)), JSON.stringify(options)).toBeInstanceOf(OptionInvalid);
  expect(await failureOf(pawl.start(echo, "no array", { batch }))).toBeInstanceOf(OptionInvalid);
});

test("a signal with a start keeps key and priority, and takes nothing that merges starts", async () => {
  const waiting = defineWorkflow({ name: "waiting-for-go", signals: { go: z.number() }, run: async (ctx) => ctx.signal("go") });
  const pawl = await h.open();
  const options = { executionId: "keyed", signal: { name: "go", payload: 1 }, key: "acme", priority: 3 } as const;
  const handle = await pawl.signalWithStart(waiting, undefined, options);
  expect(await handle.status()).toMatchObject({ key: "acme", priority: 3 });
  const refused = pawl.signalWithStart(waiting, undefined, { ...options, deduplicationId: "d" });
  await expect(refused).rejects.toMatchObject({ code: "OPTION_INVALID", path: "deduplicationId" });
});
