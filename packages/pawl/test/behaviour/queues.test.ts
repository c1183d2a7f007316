/** Limits of queues: concurrency, rates, keys that take turns, priorities, and deduplication. */
import { defineWorkflow, OptionInvalid, type Pawl } from "pawl";
import { expect, test } from "vitest";
import { query } from "../support/database.ts";
import { causeOf, eventually, failureOf, gate, harness, soon } from "./harness.ts";

const h = harness();

/** Notes who begins, and lets all of them go on together. */
function noted(taskQueue: string) {
  const begun: string[] = [];
  const running = { now: 0, most: 0 };
  const door = gate();
  const workflow = defineWorkflow({
    name: `noted-${taskQueue}`,
    taskQueue,
    run: (ctx, input: string) =>
      ctx.step("note", async () => {
        begun.push(input);
        running.most = Math.max(running.most, ++running.now);
        await door.opened;
        running.now--;
        return input;
      }),
  });
  return { workflow, begun, running, open: () => door.open() };
}

/** Executions that only note, with whatever each of them waits for before. */
async function startAll(pawl: Pawl, workflow: ReturnType<typeof noted>["workflow"], starts: readonly (readonly [string, object?])[]) {
  const handles = [];
  for (const [input, options] of starts) handles.push(await pawl.start(workflow, input, { executionId: input, ...options }));
  return handles;
}

const claimedNow = async (taskQueue: string): Promise<number> => h.count("executions WHERE task_queue = $1 AND worker_id IS NOT NULL", taskQueue);

test("at most so many executions of a queue are claimed, over all workers, and the next begins when one ends", async () => {
  const pawl = await h.open();
  await pawl.queues.set("narrow", { concurrency: 3 });
  const { workflow, begun, running, open } = noted("narrow");
  const workers = [await h.open(), await h.open()];
  for (const other of workers) await other.worker({ workflows: [workflow], ...soon });
  const handles = await startAll(
    pawl,
    workflow,
    Array.from({ length: 12 }, (_, index) => [`narrow-${index}`]),
  );
  await eventually(() => expect(begun).toHaveLength(3));
  expect(await pawl.queues.get("narrow")).toMatchObject({ concurrency: 3, claimed: 3, due: 9 });
  open();
  await Promise.all(handles.map((handle) => handle.result()));
  expect(running.most).toBe(3);
  expect(begun).toHaveLength(12);
});

test("a process that starts and works itself does not pass by a limit", async () => {
  const pawl = await h.open();
  await pawl.queues.set("eager", { concurrency: 1 });
  const { workflow, running, open } = noted("eager");
  await pawl.worker({ workflows: [workflow], ...soon });
  const handles = await startAll(pawl, workflow, [["eager-1"], ["eager-2"], ["eager-3"]]);
  await eventually(async () => expect(await claimedNow("eager")).toBe(1));
  open();
  await Promise.all(handles.map((handle) => handle.result()));
  expect(running.most).toBe(1);
});

test("what waits in the database gives its place back, and goes on before others begin", async () => {
  const pawl = await h.open();
  await pawl.queues.set("sleepy", { concurrency: 1 });
  const order: string[] = [];
  const workflow = defineWorkflow({
    name: "sleepy",
    taskQueue: "sleepy",
    async run(ctx, name: string) {
      await ctx.step("begin", () => void order.push(`${name} begins`));
      if (name === "first") await ctx.sleep("400ms");
      else await ctx.step("work", () => new Promise((resolve) => setTimeout(resolve, 500)));
      await ctx.step("end", () => void order.push(`${name} ends`));
    },
  });
  const handles = [];
  for (const name of ["first", "second", "third"]) handles.push(await pawl.start(workflow, name, { executionId: `sleepy-${name}` }));
  await pawl.worker({ workflows: [workflow], ...soon });
  await Promise.all(handles.map((handle) => handle.result()));
  expect(order).toEqual(["first begins", "second begins", "second ends", "first ends", "third begins", "third ends"]);
});

test("limits of a key hold for each key, and keys take turns", async () => {
  const pawl = await h.open();
  await pawl.queues.set("keyed", { concurrency: 4, perKey: { concurrency: 2 } });
  const { workflow, begun, open } = noted("keyed");
  const many = Array.from({ length: 20 }, (_, index) => [`a${index}`, { key: "a" }] as const);
  const handles = await startAll(pawl, workflow, [...many, ["b0", { key: "b" }], ["b1", { key: "b" }], ["b2", { key: "b" }]]);
  await pawl.worker({ workflows: [workflow], ...soon });
  await eventually(() => expect(begun).toHaveLength(4));
  expect(begun.toSorted()).toEqual(["a0", "a1", "b0", "b1"]);
  open();
  await Promise.all(handles.map((handle) => handle.result()));
});

test("children have keys and priorities of their own", async () => {
  const pawl = await h.open();
  await pawl.queues.set("children", { concurrency: 1 });
  const order: string[] = [];
  const child = defineWorkflow({ name: "ranked-child", taskQueue: "children", run: (ctx, name: string) => ctx.step("note", () => void order.push(name)) });
  const parent = defineWorkflow({
    name: "ranked-parent",
    run: async (ctx) =>
      ctx.all([
        () => ctx.child(child, "last", { key: "k", priority: 7 }),
        () => ctx.child(child, "second", { key: "k" }),
        () => ctx.child(child, "first", { key: "k", priority: -7, executionId: "ranked-first" }),
      ]),
  });
  await pawl.worker({ workflows: [parent], ...soon });
  const handle = await pawl.start(parent, undefined);
  await eventually(async () => expect(await h.count("tasks WHERE task_queue = 'children'")).toBe(3));
  expect(await pawl.handle("ranked-first").status()).toMatchObject({ key: "k", priority: -7 });
  await pawl.worker({ workflows: [child], ...soon });
  await handle.result();
  expect(order).toEqual(["first", "second", "last"]);
  const wrong = defineWorkflow({ name: "wrong", run: (ctx) => ctx.child(child, "x", { priority: 2000 }) });
  await pawl.worker({ workflows: [wrong], ...soon });
  expect((await causeOf((await pawl.start(wrong, undefined)).result())).message).toContain("ctx.child priority: must be a whole number");
});

test("a key with much to do does not hold up the others", async () => {
  const pawl = await h.open();
  await pawl.queues.set("fair", { concurrency: 1 });
  const order: string[] = [];
  const workflow = defineWorkflow({ name: "fair", taskQueue: "fair", run: (ctx, name: string) => ctx.step("note", () => order.push(name)) });
  const handles = [];
  for (let index = 0; index < 8; index++) handles.push(await pawl.start(workflow, `a${index}`, { key: "a" }));
  for (const name of ["b0", "b1"]) handles.push(await pawl.start(workflow, name, { key: "b" }));
  handles.push(await pawl.start(workflow, "c0", { key: "c" }));
  await pawl.worker({ workflows: [workflow], ...soon });
  await Promise.all(handles.map((handle) => handle.result()));
  expect(order.slice(0, 6).toSorted()).toEqual(["a0", "a1", "a2", "b0", "b1", "c0"].toSorted());
  expect(order.filter((name) => name.startsWith("a"))).toEqual(Array.from({ length: 8 }, (_, index) => `a${index}`));
});

test("the executions of a key run one after the other, in the order of their starts", async () => {
  const pawl = await h.open();
  await pawl.queues.set("fifo", { perKey: { concurrency: 1 } });
  const order: string[] = [];
  const workflow = defineWorkflow({
    name: "fifo",
    taskQueue: "fifo",
    run: (ctx, name: string) =>
      ctx.step("note", async () => {
        order.push(name);
        await new Promise((resolve) => setTimeout(resolve, 5));
        order.push(`/${name}`);
      }),
  });
  const names = Array.from({ length: 10 }, (_, index) => `n${index}`);
  const handles = [];
  for (const name of names) handles.push(await pawl.start(workflow, name, { key: "account-7" }));
  await Promise.all([pawl.worker({ workflows: [workflow], ...soon }), (await h.open()).worker({ workflows: [workflow], ...soon })]);
  await Promise.all(handles.map((handle) => handle.result()));
  expect(order).toEqual(names.flatMap((name) => [name, `/${name}`]));
});

test.each([
  ["a retry that comes within a moment keeps the place of its key", { initialInterval: "100ms", maximumInterval: "200ms" }, ["1", "1 again", "2"]],
  ["a retry that waits in the database lets the next of its key begin", { initialInterval: "2s" }, ["1", "2", "1 again"]],
] as const)("%s", async (_title, retry, expected) => {
  const pawl = await h.open();
  const taskQueue = `retried-${retry.initialInterval}`;
  await pawl.queues.set(taskQueue, { perKey: { concurrency: 1 } });
  const order: string[] = [];
  const workflow = defineWorkflow({
    name: taskQueue,
    taskQueue,
    retry,
    run: (ctx, name: string) =>
      ctx.step("note", ({ attempt }) => {
        order.push(attempt === 1 ? name : `${name} again`);
        if (name === "1" && attempt === 1) throw new Error("not yet");
      }),
  });
  const handles = [];
  for (const name of ["1", "2"]) handles.push(await pawl.start(workflow, name, { key: "account-7" }));
  await pawl.worker({ workflows: [workflow], ...soon });
  await Promise.all(handles.map((handle) => handle.result()));
  expect(order).toEqual(expected);
});

test("smaller priorities go first, equal ones in the order of their starts", async () => {
  const pawl = await h.open();
  await pawl.queues.set("ranked", { concurrency: 1 });
  const { workflow, begun, open } = noted("ranked");
  open();
  const handles = await startAll(pawl, workflow, [
    ["late", { priority: 5 }],
    ["plain-1"],
    ["first", { priority: -1000 }],
    ["plain-2"],
    ["soon", { priority: -1 }],
    ["zero", { priority: 0 }],
  ]);
  await pawl.worker({ workflows: [workflow], ...soon });
  await Promise.all(handles.map((handle) => handle.result()));
  expect(begun).toEqual(["first", "soon", "plain-1", "plain-2", "zero", "late"]);
});

test("no more begin in any period than a rate allows, and the next as soon as it does", async () => {
  const pawl = await h.open();
  await pawl.queues.set("rated", { rate: { limit: 4, per: "500ms" } });
  const { workflow, open } = noted("rated");
  open();
  await pawl.worker({ workflows: [workflow], pollInterval: "1m" });
  const handles = await startAll(
    pawl,
    workflow,
    Array.from({ length: 14 }, (_, index) => [`rated-${index}`]),
  );
  await Promise.all(handles.map((handle) => handle.result()));
  const begins = await beginsOf("rated");
  for (let index = 4; index < begins.length; index++) expect(begins[index]! - begins[index - 4]!).toBeGreaterThanOrEqual(500);
  // It came as soon as it could, not with the next poll.
  expect(begins.at(-1)! - begins[0]!).toBeLessThan(10_000);
});

test("a rate of a key leaves other keys alone", async () => {
  const pawl = await h.open();
  await pawl.queues.set("key-rated", { perKey: { rate: { limit: 1, per: "1h" } } });
  const { workflow, begun, open } = noted("key-rated");
  open();
  await startAll(pawl, workflow, [["x1", { key: "x" }], ["x2", { key: "x" }], ["y1", { key: "y" }], ["y2", { key: "y" }], ["none-1"], ["none-2"]]);
  await pawl.worker({ workflows: [workflow], ...soon });
  await eventually(async () => expect(await h.count("executions WHERE task_queue = 'key-rated' AND state = 'completed'")).toBe(3));
  expect(begun.toSorted()).toEqual(["none-1", "x1", "y1"]);
  await pawl.queues.delete("key-rated");
  await eventually(() => expect(begun).toHaveLength(6));
});

test("a fork has begun already: no rate counts it or holds it back", async () => {
  const pawl = await h.open();
  await pawl.queues.set("forked", { rate: { limit: 2, per: "1h" } });
  const { workflow, begun, open } = noted("forked");
  open();
  await pawl.worker({ workflows: [workflow], ...soon });
  const [first] = await startAll(pawl, workflow, [["forked-0"]]);
  await first!.result();
  for (let fork = 1; fork <= 3; fork++) expect(await (await first!.fork({ from: 1, executionId: `forked-fork-${fork}` })).result()).toBe("forked-0");
  await startAll(pawl, workflow, [["forked-1"], ["forked-2"]]);
  await eventually(() => expect(begun).toContain("forked-1"));
  expect(await pawl.handle("forked-2").status()).toMatchObject({ state: "pending" });
  expect(await (await first!.fork({ from: 1, executionId: "forked-fork-4" })).result()).toBe("forked-0");
  await pawl.handle("forked-2").terminate();
});

test("limits change while the queue is in use: more begin above, nothing is stopped below", async () => {
  const { workflow, begun, open } = noted("changing");
  const pawl = await h.open();
  // The first limits of a queue are heard of a moment later; from then on each claim reads them.
  await pawl.queues.set("changing", { concurrency: 8 });
  await pawl.worker({ workflows: [workflow], ...soon });
  const handles = await startAll(
    pawl,
    workflow,
    Array.from({ length: 8 }, (_, index) => [`changing-${index}`]),
  );
  await eventually(() => expect(begun).toHaveLength(8));
  await pawl.queues.set("changing", { concurrency: 2 });
  await eventually(async () => expect(await pawl.queues.get("changing")).toMatchObject({ claimed: 8 }));
  const more = await startAll(pawl, workflow, [["changing-8"]]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(begun).toHaveLength(8);
  await pawl.queues.set("changing", { concurrency: 9 });
  await eventually(() => expect(begun).toHaveLength(9));
  open();
  await Promise.all([...handles, ...more].map((handle) => handle.result()));
});

test("what a worker claims before it has heard of the first limits of a queue counts as soon as another claims", async () => {
  const pawl = await h.open();
  const heard = gate();
  let isDeaf = false;
  const deaf = await h.open({}, async (name, phase) => {
    if (name === "read-claim-rules" && phase === "before" && isDeaf) await heard.opened;
  });
  const { workflow, begun, open } = noted("unheard");
  // With four it is full, so it claims nothing that would count the others.
  await deaf.worker({ workflows: [workflow], concurrency: 4, ...soon });
  isDeaf = true;
  await pawl.queues.set("unheard", { concurrency: 3 });
  const early = await startAll(
    deaf,
    workflow,
    Array.from({ length: 4 }, (_, index) => [`unheard-${index}`]),
  );
  await eventually(() => expect(begun).toHaveLength(4));
  expect(await pawl.queues.get("unheard")).toMatchObject({ claimed: 0 });
  await pawl.worker({ workflows: [workflow], ...soon });
  const late = await startAll(pawl, workflow, [["unheard-4"], ["unheard-5"]]);
  await eventually(async () => expect(await pawl.queues.get("unheard")).toMatchObject({ claimed: 4 }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(begun).toHaveLength(4);
  heard.open();
  open();
  await Promise.all([...early, ...late].map((handle) => handle.result()));
});

test("a queue whose limits are deleted while tasks wait loses none of them", async () => {
  const pawl = await h.open();
  await pawl.queues.set("freed", { concurrency: 1 });
  const { workflow, begun, open } = noted("freed");
  await pawl.worker({ workflows: [workflow], ...soon });
  const handles = await startAll(pawl, workflow, [["freed-1", { key: "k" }], ["freed-2", { key: "k", priority: 3 }], ["freed-3"]]);
  await eventually(async () => expect(await h.count("tasks WHERE task_queue = 'freed' AND queue_key IS NOT NULL")).toBe(2));
  expect(await pawl.queues.delete("freed")).toBe(true);
  expect(await pawl.queues.delete("freed")).toBe(false);
  expect(await pawl.queues.get("freed")).toBeUndefined();
  await eventually(() => expect(begun).toHaveLength(3));
  open();
  await Promise.all(handles.map((handle) => handle.result()));
});

test("a delayed start of a queue with limits begins when it is due, and one that is cancelled leaves nothing behind", async () => {
  const pawl = await h.open();
  await pawl.queues.set("later", { concurrency: 1 });
  const { workflow, begun, open } = noted("later");
  await pawl.worker({ workflows: [workflow], ...soon });
  const [first, second, third] = await startAll(pawl, workflow, [["later-1", { delay: 300, key: "k" }], ["later-2"], ["later-3"]]);
  await eventually(() => expect(begun).toEqual(["later-2"]));
  await third!.cancel();
  open();
  await Promise.all([first!.result(), second!.result()]);
  expect(begun).toEqual(["later-2", "later-1"]);
  expect(await h.count("tasks WHERE task_queue = 'later'")).toBe(0);
});

test("while an execution with a deduplication id is open, a start with the same id gives that one", async () => {
  const pawl = await h.open();
  const { workflow, begun, open } = noted("dedup");
  const other = defineWorkflow({ name: "other", taskQueue: "dedup", run: async () => "other" });
  const [first] = await startAll(pawl, workflow, [["dedup-1", { deduplicationId: "d" }]]);
  const again = await pawl.start(workflow, "dedup-2", { deduplicationId: "d" });
  expect(again.executionId).toBe(first!.executionId);
  const elsewhere = await pawl.start(other, undefined, { deduplicationId: "d" });
  expect(elsewhere.executionId).not.toBe(first!.executionId);
  const many = await Promise.all(Array.from({ length: 20 }, () => pawl.start(workflow, "dedup-3", { deduplicationId: "e" })));
  expect(new Set(many.map((handle) => handle.executionId)).size).toBe(1);
  open();
  await pawl.worker({ workflows: [workflow, other], ...soon });
  await Promise.all([first!.result(), elsewhere.result(), many[0]!.result()]);
  const next = await pawl.start(workflow, "dedup-4", { deduplicationId: "d" });
  expect(next.executionId).not.toBe(first!.executionId);
  await next.result();
  expect(begun.toSorted()).toEqual(["dedup-1", "dedup-3", "dedup-4"]);
});

test("a cancelled execution that is resumed does not claim its deduplication id back", async () => {
  const pawl = await h.open();
  const { workflow, open } = noted("dedup-resumed");
  const [first] = await startAll(pawl, workflow, [["dr-1", { deduplicationId: "r" }]]);
  await first!.cancel();
  const second = await pawl.start(workflow, "dr-2", { deduplicationId: "r", executionId: "dr-2" });
  expect(second.executionId).toBe("dr-2");
  await first!.resume();
  open();
  await pawl.worker({ workflows: [workflow], ...soon });
  expect(await Promise.all([first!.result(), second.result()])).toEqual(["dr-1", "dr-2"]);
});

test("limits are listed as they were set, and refused when they are none", async () => {
  const pawl = await h.open();
  await pawl.queues.set("listed", { rate: { limit: 5, per: "90s" }, perKey: { concurrency: 1, rate: { limit: 1, per: 1500 } } });
  await pawl.queues.set("bare");
  const listed = (await pawl.queues.list()).filter(({ name }) => name === "listed" || name === "bare");
  expect(listed).toMatchObject([
    { name: "bare" },
    { name: "listed", rate: { limit: 5, per: "1m 30s" }, perKey: { concurrency: 1, rate: { limit: 1, per: "1.5s" } } },
  ]);
  expect(listed[0]).not.toHaveProperty("concurrency");
  for (const limits of [
    { concurrency: 0 },
    { concurrency: 1.5 },
    { rate: { limit: 1, per: 0 } },
    { rate: { limit: 1, per: "60 days" } },
    { rate: { per: 5 } as never },
    { perKey: { concurrency: -1 } },
  ])
    expect(await failureOf(pawl.queues.set("listed", limits))).toBeInstanceOf(OptionInvalid);
  const workflow = defineWorkflow({ name: "w", run: () => 1 });
  for (const options of [{ priority: 1001 }, { priority: 0.5 }, { key: "" }, { key: "a b" }, { deduplicationId: "/" }])
    expect(await failureOf(pawl.start(workflow, undefined, options))).toBeInstanceOf(OptionInvalid);
});

test("thousands of tasks of one key do not make another key wait", async () => {
  const pawl = await h.open();
  await pawl.queues.set("deep", { concurrency: 1 });
  const { workflow, begun, open } = noted("deep");
  await Promise.all(Array.from({ length: 2200 }, (_, index) => pawl.start(workflow, `many-${index}`, { key: "many" })));
  await startAll(pawl, workflow, [["other", { key: "other" }]]);
  open();
  await pawl.worker({ workflows: [workflow], ...soon });
  await eventually(() => expect(begun).toContain("other"));
  // As soon as it was put in order with those before it, it was its key's turn.
  expect(begun.indexOf("other")).toBeLessThan(10);
  await pawl.queues.delete("deep");
});

/** More keys than one claim looks at. */
const manyKeys = Array.from({ length: 1015 }, (_, index) => `k${String(index).padStart(4, "0")}`);

test("more keys than one claim looks at, all of them at their limit, do not starve the one that may go on", async () => {
  const pawl = await h.open();
  await pawl.queues.set("crowded", { perKey: { concurrency: 1 } });
  const { workflow, begun, open } = noted("crowded");
  await pawl.worker({ workflows: [workflow], concurrency: 1100, pollInterval: "500ms" });
  const startEach = () => Promise.all(manyKeys.map((key) => pawl.start(workflow, key, { key })));
  const first = await startEach();
  await eventually(() => expect(begun).toHaveLength(manyKeys.length));
  const second = await startEach();
  // The last one of all that the next search comes to.
  const [queue] = await query<{ readonly last_key: string }>(h.url, "SELECT last_key FROM queues WHERE name = 'crowded'");
  const eligible = await pawl.start(workflow, "eligible", { key: queue!.last_key.slice(0, -1) });
  await eventually(() => expect(begun).toContain("eligible"), 20_000);
  expect(await claimedNow("crowded")).toBe(manyKeys.length + 1);
  await pawl.queues.delete("crowded");
  open();
  await Promise.all([...first, ...second, eligible].map((handle) => handle.result()));
});

test("more keys than one claim looks at, of a version that no worker runs, do not starve another version", async () => {
  const pawl = await h.open();
  await pawl.queues.set("deployed", { concurrency: 5 });
  const [before, now] = ["1", "2"].map((version) => defineWorkflow({ name: "deployed", version, taskQueue: "deployed", run: async () => version }));
  await Promise.all(manyKeys.map((key) => pawl.start(before!, undefined, { key })));
  await pawl.worker({ workflows: [now!], pollInterval: "1h" });
  const handles = [];
  for (const key of ["a", "m", "z"]) handles.push(await pawl.start(now!, undefined, { key }));
  expect(await Promise.all(handles.map((handle) => handle.result({ timeout: "20s" })))).toEqual(["2", "2", "2"]);
});

/** When the executions of a queue began, in milliseconds, ascending. */
async function beginsOf(taskQueue: string): Promise<readonly number[]> {
  const rows = await query<{ readonly at: number }>(
    h.url,
    "SELECT (extract(epoch FROM started_at) * 1000)::float8 AS at FROM executions WHERE task_queue = $1 AND started_at IS NOT NULL ORDER BY 1",
    [taskQueue],
  );
  return rows.map(({ at }) => at);
}
