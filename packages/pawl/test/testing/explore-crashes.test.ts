import { describe, expect, test, vi } from "vitest";
import { defineWorkflow, OptionInvalid, step as reusableStep, stepContext, type AnyWorkflow } from "pawl";
import { assertCrashSafe, CrashUnsafe, exploreCrashes, ExplorationUnstable } from "pawl/testing";

// The first in-memory database of a process takes long to make where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

interface Order {
  readonly cents: number;
}

/** A payment service: deduplicates by key where it is given one. */
class Payments {
  readonly charged: number[] = [];
  readonly #keys = new Set<string>();

  charge(cents: number, key?: string): string {
    if (key === undefined || !this.#keys.has(key)) this.charged.push(cents);
    if (key !== undefined) this.#keys.add(key);
    return `receipt of ${cents}`;
  }

  clear(): void {
    this.charged.length = 0;
    this.#keys.clear();
  }

  /** For the explorer. */
  get observed() {
    // Steps side by side have no order.
    return { effects: () => this.charged.toSorted((a, b) => a - b), reset: () => this.clear() };
  }
}

const payments = new Payments();

function defineOrder(charge: (cents: number, key: string) => string) {
  return defineWorkflow({
    name: "order",
    async run(ctx, { cents }: Order) {
      await ctx.step("reserve", () => "lot 7");
      const receipt = await ctx.step("charge", ({ idempotencyKey }) => charge(cents, idempotencyKey));
      await ctx.sleep("3 days");
      return ctx.step("ship", () => `${receipt}, shipped`);
    },
  });
}

const careless = defineOrder((cents) => payments.charge(cents));
const careful = defineOrder((cents, key) => payments.charge(cents, key));

describe("a step that is not safe to repeat", () => {
  test("is found at the points between its effect and its record, and nowhere else", async () => {
    const report = await exploreCrashes(careless, { cents: 5 }, payments.observed);
    expect(report.safe).toBe(false);
    expect(report.differences).toEqual(
      ['after the function of step "charge", before its result is recorded', 'before the commit of the result of step "charge"'].map((crashPoint) => ({
        crashPoint,
        what: "effects",
        expected: [5],
        actual: [5, 5],
        repeatedSteps: [{ step: "charge", idempotencyKey: "explored/charge/2", calls: 2 }],
      })),
    );
    expect(report.outcome).toEqual({ state: "completed", result: "receipt of 5, shipped" });
    expect(report.effects).toEqual([5]);
  });

  test("is told of in words that a test's failure can show", async () => {
    const error = await assertCrashSafe(careless, { cents: 5 }, payments.observed).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CrashUnsafe);
    expect((error as CrashUnsafe).report.crashPoints).toHaveLength(20);
    expect((error as CrashUnsafe).message).toBe(`"order" is not safe: at 2 of its 20 crash points, a crash changes what it does.

1. A crash after the function of step "charge", before its result is recorded
   made step "charge" (explored/charge/2) run 2 times
   effects without a crash:  [ 5 ]
   effects with it:          [ 5, 5 ]

2. A crash before the commit of the result of step "charge"
   made step "charge" (explored/charge/2) run 2 times
   effects without a crash:  [ 5 ]
   effects with it:          [ 5, 5 ]

A step that dies before its result is recorded runs again. Make what it does safe to repeat: step.idempotencyKey is the same for every attempt.`);
  });

  test("is safe once its service deduplicates by the idempotency key", async () => {
    const report = await exploreCrashes(careful, { cents: 5 }, payments.observed);
    expect(String(report)).toBe('"order" is safe: a crash at any of its 20 crash points changes nothing.');
    expect(report.crashPoints).toContain('after the commit of the result of step "charge", before the commit of the start of a sleep');
    // Crashes did make steps run again; it just did not matter.
    expect(report.repeatedSteps.map(({ step }) => step)).toEqual(["reserve", "charge", "ship"]);
    expect(report.unreached).toEqual([]);
  });

  test("changes the result where that depends on how often it ran", async () => {
    let calls = 0;
    const counting = defineWorkflow({ name: "counting", run: (ctx) => ctx.step("count", () => ++calls) });
    const report = await exploreCrashes(counting, undefined, { reset: () => void (calls = 0) });
    expect(report.differences).toMatchObject([
      { crashPoint: 'after the function of step "count", before its result is recorded', what: "outcome", actual: { state: "completed", result: 2 } },
      { crashPoint: 'before the commit of the result of step "count"', what: "outcome" },
    ]);
    // Only what is compared counts.
    await assertCrashSafe(counting, undefined, { reset: () => void (calls = 0), result: (result) => typeof result });
  });
});

test("a crash beside labels and attributes that code sets changes nothing, and says which it was", async () => {
  const stages: unknown[] = [];
  const staged = defineWorkflow({
    name: "staged",
    async run(ctx) {
      await ctx.setLabels({ stage: "billing", draft: null });
      await ctx.setAttributes({ cents: 5 });
      await ctx.sleep("1 day");
      await ctx.setLabels({ stage: "billed" });
    },
  });
  const report = await exploreCrashes(staged, undefined, {
    effects: () => stages.at(-1),
    reset: () => void stages.splice(0),
    interact: async (handle) => {
      await handle.result();
      const { labels, attributes } = await handle.status();
      stages.push({ labels, attributes });
    },
  });
  expect(String(report)).toMatch(/^"staged" is safe/);
  expect(report.effects).toEqual({ labels: { stage: "billed" }, attributes: { cents: 5 } });
  expect(report.crashPoints).toContain("after the commit of its labels, before the commit of its attributes");
});

/** Workflows of every shape, which charge in some step with this function. */
function shapes(charge: (cents: number, key: string) => string): readonly (readonly [string, AnyWorkflow, readonly AnyWorkflow[]])[] {
  const child = defineWorkflow({
    name: "child",
    async run(ctx, { cents }: Order) {
      await ctx.sleep("1 hour");
      return ctx.step("charge", ({ idempotencyKey }) => charge(cents, idempotencyKey));
    },
  });
  return [
    ["children", defineWorkflow({ name: "children", run: (ctx) => ctx.map([1, 2], (cents) => ctx.child(child, { cents })) }), [child]],
    [
      "retries",
      defineWorkflow({
        name: "retries",
        retry: { initialInterval: "1 minute" },
        run: (ctx) =>
          ctx.step("charge", ({ attempt, idempotencyKey }) => {
            if (attempt < 3) throw new Error(`attempt ${attempt} failed`);
            return charge(9, idempotencyKey);
          }),
      }),
      [],
    ],
    [
      "parallel steps",
      defineWorkflow({
        name: "parallel",
        run: (ctx) =>
          ctx.all([
            () => ctx.step("charge", async ({ idempotencyKey }) => charge(3, idempotencyKey)),
            () => ctx.step("look", () => "ok"),
            () => ctx.sleep("2 days"),
          ]),
      }),
      [],
    ],
    [
      "a failure",
      defineWorkflow({
        name: "failing",
        async run(ctx) {
          await ctx.step("charge", ({ idempotencyKey }) => charge(1, idempotencyKey));
          throw new RangeError("no more");
        },
      }),
      [],
    ],
  ];
}

describe.each(shapes((cents, key) => payments.charge(cents, key)))("a workflow with %s", (_shape, workflow, workflows) => {
  test("is safe where its steps are", async () => {
    const report = await exploreCrashes(workflow, undefined, { ...payments.observed, workflows });
    expect(String(report)).toContain("is safe");
    expect(report.crashPoints.length).toBeGreaterThan(5);
    expect(report.repeatedSteps.map(({ step }) => step)).toContain("charge");
  });
});

describe.each(shapes((cents) => payments.charge(cents)))("the same with %s, and a fault planted in it", (_shape, workflow, workflows) => {
  test("is caught", async () => {
    const report = await exploreCrashes(workflow, undefined, { ...payments.observed, workflows });
    const where = report.differences.map(({ crashPoint }) => crashPoint);
    expect(where).toContainEqual(expect.stringMatching(/^after the function of step "charge".*, before its result is recorded$/));
    expect(where).toContainEqual(expect.stringMatching(/^before the commit of .*result of step "charge"/));
    expect(new Set(report.differences.map(({ what }) => what))).toEqual(new Set(["effects"]));
    expect(report.differences.every(({ repeatedSteps }) => repeatedSteps.some(({ step }) => step === "charge"))).toBe(true);
  });
});

test("what the world does to it belongs to every run: a cancelled workflow cleans up once", async () => {
  const cleaning = (key: (idempotencyKey: string) => string | undefined) =>
    defineWorkflow({
      name: "cleaning",
      async run(ctx) {
        try {
          await ctx.sleep("30 days");
        } finally {
          await ctx.shield((shielded) => shielded.step("refund", ({ idempotencyKey }) => payments.charge(-5, key(idempotencyKey))));
        }
      },
    });
  const options = {
    ...payments.observed,
    interact: async (handle: { cancel(): Promise<unknown> }, time: { advance(duration: string): Promise<void> }) => {
      await time.advance("2 days");
      await handle.cancel();
    },
  };
  const report = await exploreCrashes(
    cleaning((key) => key),
    undefined,
    options,
  );
  expect(report).toMatchObject({ safe: true, effects: [-5], outcome: { state: "cancelled" } });
  await expect(
    assertCrashSafe(
      cleaning(() => undefined),
      undefined,
      options,
    ),
  ).rejects.toThrow(/A crash after the function of step "refund"/);
});

test("mocks are made anew for each run", async () => {
  const report = await exploreCrashes(
    careless,
    { cents: 5 },
    {
      ...payments.observed,
      mocks: (mocks) => {
        mocks.step("charge", () => "mocked", { times: 1 });
      },
    },
  );
  // The second call reaches the original.
  expect(report.differences.map(({ what }) => what)).toEqual(["outcome", "effects", "outcome", "effects"]);
  expect(report.outcome).toEqual({ state: "completed", result: "mocked, shipped" });
});

test("the same exploration finds the same", async () => {
  const explore = () => exploreCrashes(careless, { cents: 5 }, payments.observed);
  expect(await explore()).toEqual(await explore());
});

test("an execution that waits in vain is an outcome, too", async () => {
  const nobody = defineWorkflow({ name: "nobody", taskQueue: "elsewhere", run: () => {} });
  const waiting = defineWorkflow({ name: "waiting", run: (ctx) => ctx.child(nobody, undefined) });
  const report = await exploreCrashes(waiting, undefined);
  expect(report).toMatchObject({ safe: true, outcome: { state: "running", waitingFor: "child explored.1" } });
  expect(String(report)).toBe(`"waiting" is safe: a crash at any of its 4 crash points changes nothing.

It did not end, even without a crash: it waits for child explored.1, and nobody gives it that. Nothing behind that was explored. What it needs, give it in workflows, steps, mocks or interact.`);
});

test("an execution that is held is told of, too", async () => {
  const sleepy = defineWorkflow({ name: "sleepy", run: (ctx) => ctx.sleep("1 day") });
  const interact = async (handle: { pause(): Promise<unknown> }): Promise<void> => void (await handle.pause());
  const report = await exploreCrashes(sleepy, undefined, { interact });
  expect(report.outcome).toMatchObject({ state: "paused" });
  expect(String(report)).toContain("It did not end, even without a crash: it stays paused. Nothing behind that was explored.");
  let runs = 0;
  const fickle = defineWorkflow({ name: "fickle", run: (ctx) => (++runs === 1 ? ctx.sleep("1 day") : ctx.step("other", () => {})) });
  const held = await exploreCrashes(fickle, undefined, { reset: () => void (runs = 0) });
  expect(held.outcome).toMatchObject({ state: "quarantined" });
  expect(String(held)).toContain("It did not end, even without a crash: it stays quarantined (NondeterminismDetected: ");
});

describe("a step on another queue", () => {
  const chargingBy = (key: (idempotencyKey: string) => string | undefined) => {
    const charge = reusableStep("charge", async (cents: number) => payments.charge(cents, key(stepContext().idempotencyKey)), { taskQueue: "payments" });
    const order = defineWorkflow({
      name: "order",
      async run(ctx, { cents }: Order) {
        const receipt = await charge(cents);
        return ctx.step("ship", () => `${receipt}, shipped`);
      },
    });
    return { order, steps: [charge] };
  };
  const safe = chargingBy((key) => key);
  const unsafe = chargingBy(() => undefined);

  test("is explored where the explorer has it, and so is what comes after it", async () => {
    const report = await exploreCrashes(safe.order, { cents: 5 }, { ...payments.observed, steps: safe.steps });
    expect(report).toMatchObject({ safe: true, outcome: { state: "completed", result: "receipt of 5, shipped" } });
    expect(String(report)).not.toContain("did not end");
    expect(report.crashPoints).toEqual(
      expect.arrayContaining(['before the function of step "charge" of child explored.1', 'before the function of step "ship"']),
    );
    expect(report.repeatedSteps.map(({ step }) => step)).toEqual(["charge", "ship"]);
  });

  test("is found where it is not safe to repeat", async () => {
    const { differences } = await exploreCrashes(unsafe.order, { cents: 5 }, { ...payments.observed, steps: unsafe.steps });
    expect(differences.map(({ crashPoint, what }) => [crashPoint, what])).toEqual([
      ['after the function of step "charge" of child explored.1, before its result is recorded', "effects"],
      [expect.stringMatching(/^before the commit of the result of step "charge" of child explored\.1/), "effects"],
    ]);
  });

  test("may be mocked", async () => {
    const report = await exploreCrashes(unsafe.order, { cents: 5 }, { steps: unsafe.steps, mocks: (mocks) => void mocks.step("charge", () => "mocked") });
    expect(report).toMatchObject({ safe: true, outcome: { state: "completed", result: "mocked, shipped" } });
  });

  test("is waited for in vain where nobody has it, which the report says", async () => {
    const report = await exploreCrashes(unsafe.order, { cents: 5 }, payments.observed);
    expect(report).toMatchObject({ safe: true, outcome: { state: "running", waitingFor: 'step "charge" on queue payments' } });
    expect(String(report)).toContain('It did not end, even without a crash: it waits for step "charge" on queue payments, and nobody gives it that.');
  });
});

test("globals that workers guard are given back", async () => {
  const before = [Date, Date.now, setTimeout, Math.random];
  await exploreCrashes(careful, { cents: 5 }, payments.observed);
  expect([Date, Date.now, setTimeout, Math.random].map((now, index) => now === before[index])).toEqual([true, true, true, true]);
});

describe("what cannot be judged is refused with the next step", () => {
  test("effects that nobody clears", async () => {
    payments.clear();
    const error = await exploreCrashes(careful, { cents: 5 }, { effects: () => payments.charged }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ExplorationUnstable);
    expect((error as Error).message).toMatch(/differ in what effects\(\) gives at their start.* Clear it in reset\(\)\.$/);
  });

  test("steps that do something else each time", async () => {
    let n = 0;
    const erratic = defineWorkflow({ name: "erratic", run: (ctx) => ctx.step("roll", () => ++n) });
    await expect(exploreCrashes(erratic, undefined)).rejects.toThrow(/differ in their outcome.*First: .*1.*Second: .*2.* Let steps do the same each time/);
  });

  test("effects that are no data", async () => {
    await expect(exploreCrashes(careful, { cents: 5 }, { effects: () => () => {} })).rejects.toThrow(/^effects: must give plain data/);
  });

  test("what is no workflow", async () => {
    await expect(exploreCrashes("order" as unknown as AnyWorkflow, undefined)).rejects.toThrow(OptionInvalid);
  });

  test("what is no reusable step", async () => {
    await expect(exploreCrashes(careful, { cents: 5 }, { steps: [async () => {}] })).rejects.toThrow(/^steps\[0\]: must be a reusable step/);
  });

  test("an interaction that fails", async () => {
    const interact = async (): Promise<void> => {
      throw new Error("the test is wrong");
    };
    await expect(exploreCrashes(careful, { cents: 5 }, { ...payments.observed, interact })).rejects.toThrow("the test is wrong");
  });
});
