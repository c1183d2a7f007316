/** What is given to a call is read when it is made: the caller may change and use his objects again while it is under way. */
import { defineWorkflow } from "pawl";
import { expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness } from "./harness.ts";

const h = harness();

const echo = defineWorkflow({ name: "echo", run: async (_ctx, input: unknown) => input });

/** Calls three times with the same object, which holds 1, 2 and 3, and leaves it with 99. */
async function thrice<Result>(call: (value: { n: number }) => Promise<Result>): Promise<Result[]> {
  const value = { n: 0 };
  const calls: Promise<Result>[] = [];
  for (let n = 1; n <= 3; n++) {
    value.n = n;
    calls.push(call(value));
  }
  value.n = 99;
  return Promise.all(calls);
}
const each = [{ n: 1 }, { n: 2 }, { n: 3 }];

test("starts, by definition and by name, with their labels and attributes", async () => {
  const { pawl } = await h.run([echo]);
  for (const workflow of [echo, "echo"] as const) {
    const labels = { team: "red" };
    const attributes = { since: new Date(0) };
    const handle = pawl.start(workflow as typeof echo, 1, { labels, attributes });
    labels.team = "blue";
    attributes.since.setTime(99);
    expect(await (await handle).status()).toMatchObject({ labels: { team: "red" }, attributes: { since: new Date(0) } });
    const handles = await thrice((input) => pawl.start(workflow as typeof echo, input));
    expect(await Promise.all(handles.map((one) => one.result()))).toEqual(each);
  }
});

test("labels and attributes that code sets", async () => {
  const setting = defineWorkflow({
    name: "setting",
    run: async (ctx) => {
      const labels = { team: "red" };
      const attributes = { since: new Date(0) };
      const set = [ctx.setLabels(labels), ctx.setAttributes(attributes)];
      labels.team = "blue";
      attributes.since.setTime(99);
      await Promise.all(set);
    },
  });
  const { pawl } = await h.run([setting]);
  const handle = await pawl.start(setting, undefined);
  await handle.result();
  expect(await handle.status()).toMatchObject({ labels: { team: "red" }, attributes: { since: new Date(0) } });
});

test("signals that start an execution if there is none, by definition and by name", async () => {
  const collecting = defineWorkflow({
    name: "collecting",
    signals: { item: z.object({ n: z.number() }) },
    async run(ctx, first: { n: number }) {
      const items: unknown[] = [first];
      for (let i = 0; i < 3; i++) items.push(await ctx.signal("item"));
      return items;
    },
  });
  const { pawl } = await h.run([collecting]);
  for (const workflow of [collecting, "collecting"] as const) {
    const executionId = `signalled-${typeof workflow}`;
    const [handle] = await thrice((payload) =>
      pawl.signalWithStart(workflow as typeof collecting, payload, { executionId, signal: { name: "item", payload } }),
    );
    expect(await handle!.result()).toEqual([{ n: 1 }, ...each]);
  }
});

test("forks, with their checkpoint, input and results", async () => {
  const adding = defineWorkflow({
    name: "adding",
    run: async (ctx, input: { n: number }) => [input.n, (await ctx.step("one", () => ({ n: 0 }))).n, await ctx.step("two", () => 0)],
  });
  const { pawl } = await h.run([adding]);
  const handle = await pawl.start(adding, { n: 0 });
  await handle.result();
  const from = { step: "one" };
  const forks = await thrice((value) => {
    from.step = "one";
    const fork = handle.fork({ from, input: value, results: { one: value } });
    from.step = "two";
    return fork;
  });
  expect(await Promise.all(forks.map((fork) => fork.result()))).toEqual([1, 2, 3].map((n) => [n, n, 0]));
  expect((await forks[0]!.history()).filter(({ event }) => event.type === "ExecutionForked")).toMatchObject([{ event: { fromSeq: 2 } }]);
});

test("readers of streams, with the place where they begin", async () => {
  const writing = defineWorkflow({
    name: "writing",
    async run(ctx) {
      for (let n = 0; n < 3; n++) await ctx.stream("out").write(n);
    },
  });
  const { pawl } = await h.run([writing]);
  const handle = await pawl.start(writing, undefined);
  await handle.result();
  const options = { from: 1 };
  const chunks = handle.stream("out", options);
  options.from = 2;
  const values: unknown[] = [];
  for await (const { value } of chunks) values.push(value);
  expect(values).toEqual([1, 2]);
});

test("rollbacks, with their checkpoint", async () => {
  const ran: string[] = [];
  const two = defineWorkflow({
    name: "two-steps",
    run: async (ctx) => {
      await ctx.step("one", () => void ran.push("one"));
      await ctx.step("two", () => void ran.push("two"));
    },
  });
  const { pawl } = await h.run([two]);
  const handle = await pawl.start(two, undefined);
  await handle.result();
  const to = { step: "one" };
  const rollback = handle.rollback({ to });
  to.step = "two";
  await (await rollback).result();
  expect(ran).toEqual(["one", "two", "two"]);
});

test("schedules and their changes, by definition and by name", async () => {
  const { pawl } = await h.run([echo]);
  for (const workflow of [echo, "echo"] as const) {
    const given = { input: { n: 1 }, labels: { team: "red" }, calendar: { dates: [new Date("2099-01-01T00:00:00Z")] } };
    const spoil = (): void => {
      given.input.n = 99;
      given.labels.team = "blue";
      given.calendar.dates[0]!.setTime(0);
    };
    const creating = pawl.schedules.create({ scheduleId: `changed-${typeof workflow}`, workflow: workflow as typeof echo, ...given });
    spoil();
    const schedule = await creating;
    expect(await schedule.describe()).toMatchObject({ input: { n: 1 }, labels: { team: "red" }, nextTimes: [new Date("2099-01-01T00:00:00Z")] });
    given.input.n = 2;
    given.labels.team = "green";
    given.calendar.dates[0] = new Date("2098-01-01T00:00:00Z");
    const updating = schedule.update({ workflow, ...given });
    spoil();
    await updating;
    expect(await schedule.describe()).toMatchObject({ input: { n: 2 }, labels: { team: "green" }, nextTimes: [new Date("2098-01-01T00:00:00Z")] });
    await schedule.delete();
  }
});

test("bulk operations, with the signal that they send", async () => {
  const told = defineWorkflow({ name: "told", signals: { go: z.object({ n: z.number() }) }, run: async (ctx) => ctx.signal("go") });
  const { pawl } = await h.run([told]);
  const handle = await pawl.start(told, undefined);
  const payload = { n: 1 };
  const bulk = pawl.bulk({ operation: "signal", filter: `workflow == "told"`, signal: { name: "go", payload } });
  payload.n = 99;
  await (await bulk).result();
  expect(await handle.result()).toEqual({ n: 1 });
});

test("children, with their options, also where they are started only after the history that is there", async () => {
  const waiting = defineWorkflow({ name: "waiting", signals: { go: z.null() }, run: async (ctx) => ctx.signal("go") });
  const parent = defineWorkflow({
    name: "parent",
    async run(ctx) {
      const labels = { n: "" };
      const children: Promise<unknown>[] = [];
      for (const n of ["1", "2", "3"]) {
        labels.n = n;
        children.push(ctx.child(waiting, undefined, { labels }));
      }
      labels.n = "99";
      await ctx.step("after", () => 1);
      await Promise.all(children);
    },
  });
  const { pawl } = await h.run([parent, waiting]);
  const handle = await pawl.start(parent, undefined);
  await eventually(async () => expect(await handle.checkpoints()).toHaveLength(1));
  // Its children have not ended, so it begins its own, with the step recorded before.
  const fork = await handle.fork({ from: { step: "after" } });
  for (const { executionId } of [handle, fork]) {
    const started = { parent: executionId, workflow: "waiting", groupBy: "labels.n" };
    await eventually(async () => expect(await pawl.count(started)).toMatchObject({ count: 3 }));
    const { groups } = await pawl.count(started);
    expect(new Set(groups.map(({ value }) => value))).toEqual(new Set(["1", "2", "3"]));
    await pawl.handle(executionId).terminate();
  }
});
