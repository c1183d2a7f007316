import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { defineWorkflow, OptionInvalid, ResultTimeout, type ExecutionHandle } from "pawl";
import { exploreCrashes, openInMemory, TestPawl } from "pawl/testing";

// The first in-memory database of a process takes long to make where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const day = 86_400_000;
const start = new Date("2030-01-01T00:00:00Z");
let pawl: TestPawl;

beforeEach(async () => {
  pawl = await TestPawl.open({ now: start });
});

afterEach(async () => {
  await pawl.close({ drain: 0 });
});

/** How much of the test's time has passed. */
const passed = (): number => pawl.time.now().getTime() - start.getTime();

describe("while a result is waited for", () => {
  test("a sleep of 30 days takes exactly so long, and no real time", async () => {
    const remind = defineWorkflow({
      name: "remind",
      async run(ctx, { days }: { days: number }) {
        await ctx.step("first", () => "sent");
        await ctx.sleep(`${days} days`);
        await ctx.step("second", () => "sent again");
        return ctx.now().getTime() - start.getTime();
      },
    });
    await pawl.worker({ workflows: [remind] });
    expect(await pawl.execute(remind, { days: 30 })).toBe(30 * day);
    expect(passed()).toBe(30 * day);
  });

  test("short and long sleeps, sleeps side by side and years of them pass in their order", async () => {
    const sleeper = defineWorkflow({
      name: "sleeper",
      async run(ctx) {
        const woken: string[] = [];
        const nap = async (duration: string): Promise<void> => {
          await ctx.sleep(duration);
          woken.push(duration);
        };
        await Promise.all([nap("40 days"), nap("3 ms"), nap("400 ms"), nap("2 hours"), nap("260 ms")]);
        await ctx.sleep("1800 days");
        return woken;
      },
    });
    await pawl.worker({ workflows: [sleeper] });
    expect(await pawl.execute(sleeper, undefined)).toEqual(["3 ms", "260 ms", "400 ms", "2 hours", "40 days"]);
    expect(passed()).toBe((40 + 1800) * day);
  });

  test("retries wait as long as their policy says, without jitter", async () => {
    const attempts: number[] = [];
    const flaky = defineWorkflow({
      name: "flaky",
      retry: { initialInterval: "1 minute", backoffCoefficient: 3 },
      run: (ctx) =>
        ctx.step("call", ({ attempt }) => {
          attempts.push(passed());
          if (attempt < 4) throw new Error("busy");
        }),
    });
    await pawl.worker({ workflows: [flaky] });
    await pawl.execute(flaky, undefined);
    expect(attempts).toEqual([0, 60_000, 240_000, 780_000]);
  });

  test("parents wait for children that sleep", async () => {
    const child = defineWorkflow({
      name: "child",
      async run(ctx, { hours }: { hours: number }) {
        await ctx.sleep(`${hours} hours`);
        return hours;
      },
    });
    const parent = defineWorkflow({
      name: "parent",
      run: (ctx) => ctx.map([5, 1, 3], (hours) => ctx.child(child, { hours })),
    });
    await pawl.worker({ workflows: [parent, child] });
    expect(await pawl.execute(parent, undefined)).toEqual([5, 1, 3]);
    expect(passed()).toBe(5 * 3_600_000);
  });

  test("a delayed start comes when it is due", async () => {
    const later = defineWorkflow({ name: "later", run: (ctx) => ctx.step("when", () => passed()) });
    await pawl.worker({ workflows: [later] });
    expect(await pawl.execute(later, undefined, { delay: "10 days" })).toBe(10 * day);
  });

  test("executions are found by the labels that their code sets, then and only then", async () => {
    const trial = defineWorkflow({
      name: "trial",
      async run(ctx) {
        await ctx.setLabels({ plan: "trial" });
        await ctx.sleep("14 days");
        await ctx.setLabels({ plan: "paid", trial: "over" });
      },
    });
    await pawl.worker({ workflows: [trial] });
    const handle = await pawl.start(trial, undefined, { labels: { plan: "none", customer: "acme" } });
    const found = async (filter: string) => (await pawl.list({ filter })).executions.map(({ labels }) => labels);
    await pawl.time.advance("13 days");
    expect(await found('labels.plan == "trial"')).toEqual([{ plan: "trial", customer: "acme" }]);
    await handle.result();
    expect(await found('labels.plan == "trial"')).toEqual([]);
    expect(await found("has(labels.trial)")).toEqual([{ plan: "paid", customer: "acme", trial: "over" }]);
  });

  test("no time is skipped while the function of a step runs", async () => {
    const work = defineWorkflow({
      name: "work",
      async run(ctx) {
        const naps = ctx.sleep("1 day");
        const seen = await ctx.step("real", async () => {
          const before = passed();
          await new Promise((resolve) => setImmediate(resolve));
          return [before, passed()];
        });
        await naps;
        return seen;
      },
    });
    await pawl.worker({ workflows: [work] });
    expect(await pawl.execute(work, undefined)).toEqual([0, 0]);
    expect(passed()).toBe(day);
  });

  test("time goes at its real pace while the function of a step takes long", async () => {
    const work = defineWorkflow({
      name: "long-work",
      async run(ctx) {
        const nap = ctx.sleep("1 day");
        await ctx.step("real", async () => {
          while (passed() === 0) await new Promise((resolve) => setImmediate(resolve));
          expect(passed()).toBeLessThan(day);
        });
        await nap;
      },
    });
    await pawl.worker({ workflows: [work] });
    await pawl.execute(work, undefined);
    expect(passed()).toBe(day);
  });

  test("a step's function can take time, and its timeout and heartbeats go by that", async () => {
    const slow = defineWorkflow({
      name: "slow",
      retry: { maximumAttempts: 1 },
      async run(ctx) {
        await ctx.step("takes an hour", () => pawl.time.sleep("1 hour"), { timeout: "2 hours" });
        await ctx.step("takes too long", () => pawl.time.sleep("3 hours"), { timeout: "2 hours" }).catch(() => {});
        await ctx.step("falls silent", () => pawl.time.sleep("3 hours"), { heartbeatTimeout: "1 minute" });
      },
    });
    await pawl.worker({ workflows: [slow] });
    await expect(pawl.execute(slow, undefined)).rejects.toThrow(/falls silent/);
    expect(passed()).toBe(3 * 3_600_000 + 60_000);
  });

  test("a step whose function never ends is given up after its timeout", async () => {
    const hanging = defineWorkflow({
      name: "hanging",
      retry: { maximumAttempts: 1 },
      run: (ctx) => ctx.step("hang", () => new Promise<void>(() => {}), { timeout: 60 }),
    });
    await pawl.worker({ workflows: [hanging] });
    await expect(pawl.execute(hanging, undefined)).rejects.toThrow(/"hang" did not finish within 60 ms/);
  });

  test("what can never end is waited for in vain until the wait times out, in the test's time", async () => {
    const childless = defineWorkflow({ name: "childless", run: (ctx) => ctx.child(nobody, undefined) });
    const nobody = defineWorkflow({ name: "nobody", run: () => {} });
    await pawl.worker({ workflows: [childless] });
    const handle = await pawl.start(childless, undefined);
    await expect(handle.result({ timeout: "90 days" })).rejects.toThrow(ResultTimeout);
    expect(passed()).toBe(90 * day);
  });

  test("what happens later still counts when time had nothing more to bring", async () => {
    const forever = defineWorkflow({
      name: "forever",
      async run(ctx) {
        try {
          await ctx.child(nobody, undefined);
        } finally {
          await ctx.shield((shielded) => shielded.sleep("1 day"));
        }
      },
    });
    const nobody = defineWorkflow({ name: "nobody", taskQueue: "elsewhere", run: () => {} });
    await pawl.worker({ workflows: [forever] });
    const handle = await pawl.start(forever, undefined);
    const result = handle.result().catch((error: Error) => error.name);
    await pawl.time.advance("1 hour");
    await handle.cancel();
    expect(await result).toBe("ExecutionCancelled");
  });
});

describe("without anybody waiting for a result", () => {
  const daily = defineWorkflow({
    name: "daily",
    async run(ctx) {
      for (let n = 0; n < 3; n++) {
        await ctx.step(`day ${n}`, () => n);
        await ctx.sleep("1 day");
      }
    },
  });
  const steps = async (): Promise<string[]> =>
    (await pawl.handle("daily").history()).flatMap(({ event }) => (event.type === "StepCompleted" ? [event.name] : []));

  test("time stands still", async () => {
    await pawl.worker({ workflows: [daily] });
    await pawl.start(daily, undefined, { executionId: "daily" });
    await pawl.time.advance(0);
    expect(await steps()).toEqual(["day 0"]);
    expect(passed()).toBe(0);
  });

  test("it goes by as much as it is told to, with everything that happens meanwhile", async () => {
    await pawl.worker({ workflows: [daily] });
    await pawl.start(daily, undefined, { executionId: "daily" });
    await pawl.time.advance("36 hours");
    expect(await steps()).toEqual(["day 0", "day 1"]);
    expect(passed()).toBe(1.5 * day);
    await pawl.time.advance("12 hours");
    expect(await steps()).toEqual(["day 0", "day 1", "day 2"]);
    await expect(pawl.time.advance("soon")).rejects.toThrow(OptionInvalid);
  });

  test("a worker that claims only when told to sees what has become due", async () => {
    const worker = await pawl.worker({ workflows: [daily], manual: true });
    await pawl.start(daily, undefined, { executionId: "daily" });
    await worker.runOnce();
    await pawl.time.advance("1 day");
    expect(await worker.runOnce()).toBe(1);
    expect(await steps()).toEqual(["day 0", "day 1"]);
  });

  test("a cancel request reaches what sleeps", async () => {
    await pawl.worker({ workflows: [daily] });
    const handle = await pawl.start(daily, undefined, { executionId: "daily" });
    await pawl.time.advance("1 hour");
    await handle.cancel({ reason: "enough" });
    await expect(handle.result()).rejects.toThrow(/cancelled: enough/);
    expect(passed()).toBe(3_600_000);
  });
});

test("a start that is not a date is refused", async () => {
  await expect(TestPawl.open({ now: "2030" as unknown as Date })).rejects.toThrow(/^now: must be a valid Date/);
});

test("misspelt options are refused, and a close that is closes nothing", async () => {
  const wrong = (value: unknown): never => value as never;
  await expect(TestPawl.open(wrong({ start }))).rejects.toThrow(/^TestPawl.open.start: /);
  await expect(openInMemory(wrong({ now: start }))).rejects.toThrow(/^openInMemory.now: /);
  await expect(pawl.worker(wrong(undefined))).rejects.toThrow(OptionInvalid);
  const nap = defineWorkflow({ name: "nap", run: async (ctx) => ctx.sleep("1 day") });
  await expect(exploreCrashes(nap, undefined, wrong({ worflows: [] }))).rejects.toThrow(/^exploreCrashes.worflows: .*did you mean workflows\?/);
  expect(() => pawl.mocks.step("a", () => 1, wrong({ time: 1 }))).toThrow(/^mocks.step "a".time: /);
  await pawl.worker({ workflows: [nap] });
  const handle = await pawl.start(nap, undefined);
  await pawl.time.advance("1 hour");
  for (const options of ["x", { drain: "x" }, { timeout: 1 }, null]) await expect(pawl.close(wrong(options))).rejects.toThrow(OptionInvalid);
  await handle.result();
  expect(passed()).toBe(day);
});

describe("heartbeats of a step that runs for long", () => {
  /** One details every five seconds, then nothing for a year. */
  const copy = (details: readonly unknown[], seen: unknown[]) =>
    defineWorkflow({
      name: "copy",
      run: (ctx) =>
        ctx.step("copy", async (step) => {
          if (step.attempt > 1) return void seen.push(step.lastHeartbeat);
          for (const detail of details) {
            step.heartbeat(detail);
            await pawl.time.sleep("5 seconds");
          }
          seen.push(step.lastHeartbeat);
          await pawl.time.sleep("365 days");
        }),
    });
  const heartbeats = async (handle: ExecutionHandle): Promise<unknown[]> =>
    (await handle.history()).flatMap(({ event }) => (event.type === "StepHeartbeat" ? [event.heartbeat] : []));
  const first = new Map([["page", 1]]);
  const second = new Map([["page", 2]]);

  test("are recorded while it runs, and handed to the attempt that follows when its worker is gone", async () => {
    const seen: unknown[] = [];
    const workflow = copy([first, second], seen);
    const worker = await pawl.worker({ workflows: [workflow] });
    const handle = await pawl.start(workflow, undefined);
    await pawl.time.advance("15 seconds");
    expect(await heartbeats(handle)).toEqual([{ value: first }, { value: second }]);
    await worker.stop({ drain: 0 });
    await pawl.worker({ workflows: [workflow] });
    await handle.result();
    // Its own are not handed to an attempt while it runs.
    expect(seen).toEqual([undefined, second]);
  });

  test("add few events to the history, the longer it runs the fewer", async () => {
    const workflow = copy(
      Array.from({ length: 240 }, (_, page) => page),
      [],
    );
    await pawl.worker({ workflows: [workflow] });
    const handle = await pawl.start(workflow, undefined);
    await pawl.time.advance("21 minutes");
    const recorded = await heartbeats(handle);
    expect(recorded.length).toBeGreaterThan(20);
    expect(recorded.length).toBeLessThan(60);
  });

  test("that are large are not recorded before it fails", async () => {
    const seen: unknown[] = [];
    const workflow = copy(["x".repeat(20_000)], seen);
    const worker = await pawl.worker({ workflows: [workflow] });
    const handle = await pawl.start(workflow, undefined);
    await pawl.time.advance("15 seconds");
    expect(await heartbeats(handle)).toEqual([]);
    await worker.stop({ drain: 0 });
    await pawl.worker({ workflows: [workflow] });
    await handle.result();
    expect(seen).toEqual([undefined, undefined]);
  });
});

test("the timeout of a quarantined execution does not end it; resumed after it, the execution ends without running", async () => {
  let changed = false;
  const held = defineWorkflow({
    name: "held",
    timeout: "2 hours",
    async run(ctx) {
      await ctx.step(changed ? "other" : "first", () => {});
      await ctx.sleep("1 hour");
      await ctx.step("second", () => {});
    },
  });
  await pawl.worker({ workflows: [held] });
  const handle = await pawl.start(held, undefined);
  await pawl.time.advance("1 minute");
  changed = true;
  await pawl.time.advance("5 hours");
  expect((await handle.status()).state).toBe("quarantined");
  changed = false;
  await handle.resume();
  await expect(handle.result()).rejects.toThrow(/did not end within/);
  expect((await handle.history()).some(({ event }) => event.type === "StepCompleted" && event.name === "second")).toBe(false);
});
