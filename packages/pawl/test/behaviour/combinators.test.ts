import { defineWorkflow } from "pawl";
import { expect, test } from "vitest";
import { causeOf, eventually, gate, harness, parkedSleep, quickly } from "./harness.ts";

const h = harness();

/** Counts how many are inside at once. */
function crowd() {
  let now = 0;
  const seen = { most: 0, entered: 0 };
  const enter = async <Value>(value: Value, milliseconds = 3): Promise<Value> => {
    seen.entered++;
    seen.most = Math.max(seen.most, ++now);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    now--;
    return value;
  };
  return { seen, enter };
}

test("ctx.all gives the results in order, whatever finishes first", async () => {
  const workflow = defineWorkflow({
    name: "all",
    run: async (ctx) =>
      ctx.all([
        () => ctx.step("slow", () => new Promise<string>((resolve) => setTimeout(resolve, 30, "slow"))),
        () => ctx.step("quick", () => 2),
        () => ctx.sleep(1),
        async () => "plain",
      ]),
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toEqual(["slow", 2, undefined, "plain"]);
});

test("ctx.all and ctx.map of nothing give nothing", async () => {
  const workflow = defineWorkflow({ name: "none", run: async (ctx) => [await ctx.all([]), await ctx.map([], async () => 1, { concurrency: 2 })] });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toEqual([[], []]);
});

test.each([1, 2, 7])("ctx.map never runs more than %i at once, runs all of them and keeps the order", async (concurrency) => {
  const { seen, enter } = crowd();
  const items = Array.from({ length: 25 }, (_, index) => index);
  const workflow = defineWorkflow({
    name: "map",
    run: async (ctx) => ctx.map(items, (item, index) => ctx.step("enter", () => enter(`${item}/${index}`)), { concurrency }),
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toEqual(items.map((item) => `${item}/${item}`));
  expect(seen.entered).toBe(25);
  expect(seen.most).toBe(concurrency);
});

test("ctx.all keeps its limit too, and without one starts everything at once", async () => {
  for (const [concurrency, most] of [
    [3, 3],
    [undefined, 12],
  ] as const) {
    const { seen, enter } = crowd();
    const workflow = defineWorkflow({
      name: "all-limit",
      run: async (ctx) =>
        ctx.all(
          Array.from({ length: 12 }, (_, index) => () => ctx.step("enter", () => enter(index, 20))),
          concurrency === undefined ? {} : { concurrency },
        ),
    });
    const { pawl, worker } = await h.run([workflow]);
    await pawl.execute(workflow, undefined);
    await worker.stop();
    expect(seen).toEqual({ most, entered: 12 });
  }
});

test("the limit holds for whole chains of calls, after failures in between and after the execution was parked", async () => {
  const { seen, enter } = crowd();
  const workflow = defineWorkflow({
    name: "chains",
    retry: quickly,
    run: async (ctx) =>
      ctx.map(
        [0, 1, 2, 3, 4, 5],
        async (item) => {
          await ctx.step("first", () => enter(item));
          if (item === 1) await ctx.sleep(parkedSleep);
          try {
            await ctx.step(
              "second",
              () =>
                enter(0).then(() => {
                  throw new Error("no");
                }),
              { retry: { maximumAttempts: 2 } },
            );
          } catch {
            return ctx.step("third", () => enter(item * 10));
          }
          return -1;
        },
        { concurrency: 2 },
      ),
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toEqual([0, 10, 20, 30, 40, 50]);
  expect(seen.most).toBe(2);
  expect(seen.entered).toBe(6 * 4);
});

test("ctx.map throws the first error and starts nothing more", async () => {
  let started = 0;
  const workflow = defineWorkflow({
    name: "map-fails",
    retry: { maximumAttempts: 1 },
    run: async (ctx) =>
      ctx.map(
        [...Array(20).keys()],
        (item) =>
          ctx.step("maybe", () => {
            started++;
            if (item === 3) throw new Error("item 3");
          }),
        { concurrency: 1 },
      ),
  });
  const { pawl } = await h.run([workflow]);
  expect((await causeOf(pawl.execute(workflow, undefined))).message).toBe("item 3");
  expect(started).toBe(4);
});

test("ctx.race settles as the first does, and what the others bring later changes nothing", async () => {
  const loser = gate<string>();
  const workflow = defineWorkflow({
    name: "race",
    run: async (ctx) => {
      const winner = await ctx.race([() => ctx.step("loser", () => loser.opened), () => ctx.step("winner", () => "winner")]);
      const after = await ctx.step("after", () => {
        loser.open("loser");
        return "after";
      });
      await ctx.sleep(parkedSleep);
      return [winner, after];
    },
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  expect(await handle.result()).toEqual(["winner", "after"]);
  expect((await handle.history()).filter(({ event }) => event.type === "StepCompleted")).toHaveLength(3);
});

test("ctx.race throws when the first to settle fails", async () => {
  const workflow = defineWorkflow({
    name: "race-fails",
    run: async (ctx) =>
      ctx.race([
        () => ctx.sleep("1 hour"),
        () =>
          ctx.step(
            "no",
            () => {
              throw new Error("first");
            },
            { retry: { maximumAttempts: 1 } },
          ),
      ]),
  });
  const { pawl } = await h.run([workflow]);
  expect((await causeOf(pawl.execute(workflow, undefined))).message).toBe("first");
});

test("a race against a sleep is a timeout that outlives parking", async () => {
  const workflow = defineWorkflow({
    name: "timeout",
    run: async (ctx) => {
      const never = defineNever;
      return ctx.race([() => ctx.child(never, undefined), () => ctx.sleep(1300).then(() => "timed out")]);
    },
  });
  const { pawl } = await h.run([workflow, defineNever]);
  const handle = await pawl.start(workflow, undefined, { executionId: "timeout-1" });
  expect(await handle.result()).toBe("timed out");
  // It lost the race.
  await eventually(async () => expect((await pawl.handle("timeout-1.1").status()).state).toBe("cancelled"));
});

const defineNever = defineWorkflow({ name: "never", run: async (ctx) => ctx.sleep("1 day").then(() => "never") });

test("native Promise.all, race and allSettled over durable calls work as the context's own", async () => {
  const workflow = defineWorkflow({
    name: "native",
    retry: { maximumAttempts: 1 },
    run: async (ctx) => {
      const all = await Promise.all([ctx.step("a", () => 1), ctx.step("b", () => 2)]);
      const settled = await Promise.allSettled([
        ctx.step("c", () => {
          throw new Error("c");
        }),
        ctx.step("d", () => 4),
      ]);
      await ctx.sleep(parkedSleep);
      const first = await Promise.race([ctx.sleep(500), ctx.step("e", () => 5)]);
      return [all, settled.map(({ status }) => status), first];
    },
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, undefined)).toEqual([[1, 2], ["rejected", "fulfilled"], 5]);
});
