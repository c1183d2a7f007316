import { defineWorkflow, update, UpdateRejected, type WorkflowContext } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { causeOf, eventually, harness, parkedSleep, refusalOf } from "./harness.ts";

const h = harness();

/** What workflow code must not call, with what the error has to name instead. */
const calls: readonly [name: string, call: () => unknown, replacement: string][] = [
  ["Date.now()", () => Date.now(), "ctx.now()"],
  ["new Date()", () => new Date(), "ctx.now()"],
  ["Date()", () => Date(), "ctx.now()"],
  ["Math.random()", () => Math.random(), "ctx.random()"],
  ["performance.now()", () => performance.now(), "ctx.now()"],
  ["setTimeout()", () => setTimeout(() => {}, 1), "ctx.sleep()"],
  ["setInterval()", () => clearInterval(setInterval(() => {}, 1)), "ctx.sleep()"],
  ["setImmediate()", () => setImmediate(() => {}), "ctx.sleep()"],
  ["fetch()", () => fetch("data:,hello"), "a step"],
  ["crypto.randomUUID()", () => crypto.randomUUID(), "ctx.uuid()"],
  ["crypto.getRandomValues()", () => crypto.getRandomValues(new Uint8Array(4)), "ctx.random()"],
];

describe.each(calls)("%s", (name, call, replacement) => {
  const places: readonly [string, (ctx: WorkflowContext, call: () => unknown) => unknown][] = [
    ["at the start", (_ctx, now) => now()],
    ["after a step", async (ctx, now) => (await ctx.step("first", () => 1), now())],
    ["in a lane of ctx.map", (ctx, now) => ctx.map([1], async () => (await ctx.sleep(1), now()))],
    ["in a callback of a promise", (ctx, now) => ctx.step("first", () => 1).then(now)],
    ["after a replay", async (ctx, now) => (await ctx.sleep(parkedSleep), now())],
  ];

  test("fails the execution from workflow code anywhere, naming the replacement", async () => {
    const { pawl } = await h.run(places.map(([, run], index) => defineWorkflow({ name: `guarded-${index}`, run: async (ctx) => run(ctx, call) })));
    const causes = await Promise.all(places.map((_, index) => causeOf(pawl.execute(`guarded-${index}`, undefined))));
    for (const [index, cause] of causes.entries()) {
      expect(cause, places[index]![0]).toMatchObject({ name: "NondeterministicCall", code: "NONDETERMINISTIC_CALL" });
      expect(cause.message).toContain(name);
      expect(cause.message).toContain(replacement);
    }
  });

  test("works inside a step, sync or not, and outside workflows while a worker runs", async () => {
    const workflow = defineWorkflow({
      name: "steps-may",
      run: async (ctx) => {
        await ctx.step("sync", () => void call());
        await ctx.step("async", async () => {
          await Promise.resolve();
          await call();
        });
        return "worked";
      },
    });
    const { pawl } = await h.run([workflow]);
    const execution = pawl.execute(workflow, undefined);
    await call();
    expect(await execution).toBe("worked");
    await call();
  });
});

describe.each(calls)("%s and the state", (name, call, replacement) => {
  const refusal = {
    name: "NondeterministicCall",
    message: expect.stringMatching(`${name.replaceAll(/[().]/g, "\\$&")}.*${replacement.replaceAll(/[().]/g, "\\$&")}`),
  };

  test("rejects an update that calls it, and leaves the execution alone", async () => {
    const workflow = defineWorkflow({
      name: "guarded-update",
      state: () => ({ touched: 0 }),
      updates: {
        touch: update(z.boolean(), (state: { touched: number }, asks) => {
          if (asks) call();
          return ++state.touched;
        }),
      },
      run: async (ctx) => ctx.until(() => ctx.state.touched > 0).then(() => "touched"),
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect((await refusalOf(handle.update("touch", true), UpdateRejected)).cause).toMatchObject(refusal);
    expect(await handle.update("touch", false)).toBe(1);
    expect(await handle.result()).toBe("touched");
  });

  test("fails an execution whose state or condition calls it, also when the condition is asked again", async () => {
    const born = defineWorkflow({ name: "guarded-state", state: () => ({ at: call() }), run: async () => "begun" });
    const waiting = defineWorkflow({
      name: "guarded-condition",
      signals: { go: z.string() },
      run: async (ctx) => {
        let came = false;
        void ctx.signal("go").then(() => (came = true));
        await ctx.until(() => came && call() !== undefined);
      },
    });
    const { pawl } = await h.run([born, waiting]);
    expect(await causeOf(pawl.execute(born, undefined))).toMatchObject(refusal);
    const handle = await pawl.start(waiting, undefined);
    await eventually(async () => expect((await handle.history()).map(({ event }) => event.type)).toContain("WaitStarted"));
    await handle.signal("go", "on");
    expect(await causeOf(handle.result())).toMatchObject(refusal);
  });
});

const allowedInSchemas = new Set(["Date.now()", "performance.now()", "setTimeout()", "setInterval()", "setImmediate()"]);

test("schemas may read a clock and set timers, as their libraries do", async () => {
  const workflow = defineWorkflow({
    name: "clocked",
    input: z.string().refine(async () => (await new Promise((resolve) => setTimeout(resolve, 1)), Date.now() > performance.now())),
    run: async (_ctx, input) => input,
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, "in time")).toBe("in time");
});

describe.each(calls.filter(([name]) => !allowedInSchemas.has(name)))("%s and schemas", (name, call, replacement) => {
  const message = new RegExp(`A schema called ${name.replaceAll(/[().]/g, "\\$&")}.*${replacement.replaceAll(/[().]/g, "\\$&")}`);
  // Who starts or sends calls it freely; the worker calls it again on each replay.
  const filled = z.object({ made: z.string().optional() }).transform(({ made }) => ({ made: made ?? (void call(), `by ${name}`) }));
  const swallowing = z.object({ made: z.string().catch(() => (call(), "caught")) });
  const late = z.object({ made: z.string().optional() }).refine(async ({ made }) => (await Promise.resolve(), made === undefined && call(), true));

  test("fails in a worker the execution whose input's schema calls it, and lets others be", async () => {
    const schemas = { filled, swallowing, late };
    const workflows = Object.entries(schemas).map(([of, input]) => defineWorkflow({ name: `guarded-${of}`, input, run: async (_ctx, { made }) => made }));
    const { pawl } = await h.run(workflows);
    for (const workflow of workflows) {
      expect(await causeOf(pawl.execute(workflow, {} as { made: string })), workflow.name).toMatchObject({
        name: "NondeterministicCall",
        message: expect.stringMatching(message),
      });
      expect(await pawl.execute(workflow, { made: "given" })).toBe("given");
    }
  });

  test("refuses in a worker a message whose schema calls it, and lets others be", async () => {
    const workflow = defineWorkflow({
      name: "guarded-messages",
      signals: { go: filled },
      state: () => ({ made: "" }),
      updates: { make: update(filled, (state: { made: string }, { made }) => (state.made = made)) },
      run: async (ctx) => (await ctx.signal("go")).made,
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect((await refusalOf(handle.update("make", {}), UpdateRejected)).cause).toMatchObject({
      name: "PayloadInvalid",
      message: expect.stringMatching(message),
    });
    expect(await handle.update("make", { made: "given" })).toBe("given");
    await handle.signal("go", {});
    await handle.signal("go", { made: "sent" });
    expect(await handle.result()).toBe("sent");
  });
});

test("new Date(value), Date.parse and instanceof Date keep working in workflow code", async () => {
  const workflow = defineWorkflow({
    name: "dates",
    run: async (ctx, input: { at: Date }) => {
      const later = new Date(input.at.getTime() + 1000);
      return [
        input.at instanceof Date,
        ctx.now() instanceof Date,
        later instanceof Date,
        later.toISOString(),
        new Date("2020-01-01").getTime() === Date.parse("2020-01-01"),
        Date.UTC(2020, 0, 1),
      ];
    },
  });
  const { pawl } = await h.run([workflow]);
  expect(await pawl.execute(workflow, { at: new Date(0) })).toEqual([true, true, true, "1970-01-01T00:00:01.000Z", true, Date.UTC(2020, 0, 1)]);
});

test("the error can be caught, and says the same thing again on replay", async () => {
  const seen: string[] = [];
  const workflow = defineWorkflow({
    name: "catches-guard",
    run: async (ctx) => {
      try {
        Math.random();
      } catch (error) {
        seen.push((error as Error).message);
      }
      await ctx.sleep(parkedSleep);
    },
  });
  const { pawl } = await h.run([workflow]);
  await pawl.execute(workflow, undefined);
  expect(seen).toHaveLength(2);
  expect(seen[0]).toBe(seen[1]);
});

test("when the last worker has stopped, the globals are the original ones again", async () => {
  const before = [Date, Math.random, setTimeout, fetch, performance.now.bind(performance).name, globalThis.setImmediate];
  const { worker } = await h.run([defineWorkflow({ name: "w", run: async () => 1 })]);
  const second = await h.run([defineWorkflow({ name: "w", run: async () => 1 })]);
  expect(Date).not.toBe(before[0]);
  await worker.stop();
  expect(Date).not.toBe(before[0]);
  await second.worker.stop();
  expect([Date, Math.random, setTimeout, fetch, performance.now.bind(performance).name, globalThis.setImmediate]).toEqual(before);
});

test("starting an execution from workflow code is refused, and from a step it works", async () => {
  const inner = defineWorkflow({ name: "inner", run: async () => "inner" });
  const outer = defineWorkflow({ name: "outer", run: async (_ctx) => (await pawl.start(inner, undefined)).executionId });
  const throughStep = defineWorkflow({ name: "through-step", run: async (ctx) => ctx.step("start", () => pawl.execute(inner, undefined)) });
  const { pawl } = await h.run([inner, outer, throughStep]);
  expect(await causeOf(pawl.execute(outer, undefined))).toMatchObject({ name: "NondeterministicCall" });
  expect(await pawl.execute(throughStep, undefined)).toBe("inner");
});
