import { defineWorkflow } from "pawl";
import { expect, test } from "vitest";
import { eventually, harness, parkedSleep, soon } from "./harness.ts";

const h = harness();

test("a short sleep lasts at least its time and keeps the execution in memory", async () => {
  const workflow = defineWorkflow({ name: "short", run: async (ctx) => ctx.sleep(40) });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  await handle.result();
  const [, started, fired] = await handle.history();
  expect([started!.event.type, fired!.event.type]).toEqual(["TimerStarted", "TimerFired"]);
  expect(fired!.at.getTime() - started!.at.getTime()).toBeGreaterThanOrEqual(39);
  const epochs = await h.count("pawl.executions WHERE execution_id = $1 AND epoch <= 2", handle.executionId);
  expect(epochs).toBe(1);
});

test("a sleep of no time at all goes on at once", async () => {
  const workflow = defineWorkflow({
    name: "no-time",
    run: async (ctx) => {
      for (let index = 0; index < 5; index++) await ctx.sleep(0);
      return "done";
    },
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toBe("done");
});

test("a sleep until a time lasts until then, and a time that is over is not waited for", async () => {
  const until = new Date(Date.now() + 400);
  const workflow = defineWorkflow({
    name: "until-then",
    run: async (ctx) => {
      await ctx.sleep(new Date(0));
      await ctx.sleep(until);
      return "done";
    },
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  expect(await handle.result()).toBe("done");
  const times = (await handle.history()).filter(({ event }) => event.type === "TimerStarted" || event.type === "TimerFired");
  expect(times.map(({ event }) => event.type)).toEqual(["TimerStarted", "TimerFired", "TimerStarted", "TimerFired"]);
  expect(times[0]!.event).toMatchObject({ durationMs: 0 });
  expect(times[3]!.at.getTime()).toBeGreaterThanOrEqual(until.getTime() - 1);
});

test("a long sleep parks: no slot, no memory, a row that says what it waits for; any worker goes on", async () => {
  let before = 0;
  let after = 0;
  const workflow = defineWorkflow({
    name: "parked",
    run: async (ctx) => {
      await ctx.step("before", () => ++before);
      await ctx.sleep(700);
      return ctx.step("after", () => ++after);
    },
  });
  const { pawl, worker } = await h.run([workflow], { concurrency: 1 });
  const handle = await pawl.start(workflow, undefined);
  await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null, waitingFor: "a timer" }));
  await eventually(() => expect(worker.health()).toMatchObject({ active: 0, slots: { used: 0, total: 1 } }));
  await worker.stop();
  const second = await h.open();
  await second.worker({ workflows: [workflow], ...soon });
  expect(await handle.result()).toBe(1);
  expect([before, after]).toEqual([1, 1]);
  const times = (await handle.history()).filter(({ event }) => event.type === "TimerStarted" || event.type === "TimerFired").map(({ at }) => at.getTime());
  expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(699);
});

test("sleeps that run together fire in the order of their times", async () => {
  const workflow = defineWorkflow({
    name: "order",
    run: async (ctx) => {
      const order: string[] = [];
      await ctx.all([
        () => ctx.sleep(60).then(() => order.push("60")),
        () => ctx.sleep(parkedSleep + 60).then(() => order.push("long")),
        () => ctx.sleep(5).then(() => order.push("5")),
      ]);
      return order;
    },
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toEqual(["5", "60", "long"]);
});

test("now, random and uuid are the same on every replay, and differ between executions and calls", async () => {
  const runs: unknown[][] = [];
  const workflow = defineWorkflow({
    name: "same-values",
    run: async (ctx) => {
      const values: unknown[] = [ctx.now().getTime(), ctx.random(), ctx.uuid()];
      runs.push(values);
      await ctx.step("one", () => 1);
      values.push(ctx.now().getTime(), ctx.random(), ctx.uuid());
      await ctx.sleep(parkedSleep);
      values.push(ctx.now().getTime(), ctx.random());
      await ctx.sleep(parkedSleep);
      values.push(ctx.now().getTime(), ctx.uuid());
      return values;
    },
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  const result = await handle.result();
  expect(runs).toHaveLength(3);
  for (const run of runs) expect(result.slice(0, run.length)).toEqual(run);
  expect(runs[2]).toEqual(result);
  expect(new Set(result.filter((value) => typeof value === "string")).size).toBe(3);
  const [first, second, third, fourth] = [0, 3, 6, 8].map((index) => result[index]) as number[];
  const { createdAt } = await handle.status();
  expect(first).toBe(createdAt.getTime());
  expect(second!).toBeGreaterThanOrEqual(first!);
  expect(third! - second!).toBeGreaterThanOrEqual(parkedSleep);
  expect(fourth! - third!).toBeGreaterThanOrEqual(parkedSleep);
  const another = await pawl.execute(workflow, undefined);
  expect(another[1]).not.toBe(result[1]);
  expect(another[2]).not.toBe(result[2]);
});
