import { defineWorkflow, ExecutionQuarantined, NondeterminismDetected, type AnyWorkflow, type ExecutionHandle, type WorkflowContext } from "pawl";
import { describe, expect, test } from "vitest";
import { causeOf, eventually, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const noop = defineWorkflow({ name: "noop", run: async () => "noop" });

const any = { "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) } } as const;

/** Longer than an execution stays in memory, and than a busy machine takes to stop the worker that parked it. */
const parkedSleep = 1500;
/** Longer than an execution that waits for messages stays in memory. */
const parkedWait = 2500;

type Code = (ctx: WorkflowContext) => Promise<unknown>;

const versionOf = (run: Code): AnyWorkflow =>
  defineWorkflow({ name: "changing", retry: { maximumAttempts: 1 }, signals: { go: any, other: any }, run: run as never });

/** Runs the first code up to its parked sleep, then the second code on a new worker. */
async function change(before: Code, after: Code): Promise<ExecutionHandle> {
  const first = await h.open();
  const worker = await first.worker({ workflows: [versionOf(before), noop], manual: true });
  const handle = await first.start("changing", undefined);
  await worker.runOnce();
  await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
  await worker.stop();
  const second = await h.open();
  const workers = await second.worker({ workflows: [versionOf(after), noop], ...soon });
  await refusalOf(handle.result(), ExecutionQuarantined);
  await workers.stop();
  return handle;
}

const original: Code = async (ctx) => {
  const a = await ctx.step("reserve", () => "reserved");
  const b = await ctx.step("charge", () => "charged");
  await ctx.sleep(parkedSleep);
  return `${a} ${b}`;
};

interface Case {
  readonly name: string;
  readonly before: Code;
  readonly after: Code;
  readonly recorded: RegExp;
  readonly called: RegExp;
  readonly position: number;
}

const cases: readonly Case[] = [
  {
    name: "two steps swapped",
    before: original,
    after: async (ctx) => [await ctx.step("charge", () => ""), await ctx.step("reserve", () => ""), await ctx.sleep(parkedSleep)],
    recorded: /step "reserve"/,
    called: /step "charge"/,
    position: 1,
  },
  {
    name: "a step removed",
    before: original,
    after: async (ctx) => [await ctx.step("reserve", () => ""), await ctx.sleep(parkedSleep)],
    recorded: /step "charge"/,
    called: /sleep/,
    position: 2,
  },
  {
    name: "a step added in front",
    before: original,
    after: async (ctx) => [await ctx.step("check", () => ""), await original(ctx)],
    recorded: /step "reserve"/,
    called: /step "check"/,
    position: 1,
  },
  {
    name: "a sleep instead of a step",
    before: original,
    after: async (ctx) => [await ctx.step("reserve", () => ""), await ctx.sleep(10), await ctx.sleep(parkedSleep)],
    recorded: /step "charge"/,
    called: /sleep/,
    position: 2,
  },
  {
    name: "a step instead of a sleep",
    before: original,
    after: async (ctx) => [await ctx.step("reserve", () => ""), await ctx.step("charge", () => ""), await ctx.step("pause", () => "")],
    recorded: /sleep/,
    called: /step "pause"/,
    position: 3,
  },
  {
    name: "a child instead of a step",
    before: original,
    after: async (ctx) => [await ctx.step("reserve", () => ""), await ctx.child(noop, undefined), await ctx.sleep(parkedSleep)],
    recorded: /step "charge"/,
    called: /child "noop"/,
    position: 2,
  },
  {
    name: "code that ends before what is recorded",
    before: original,
    after: async (ctx) => ctx.step("reserve", () => "early"),
    recorded: /step "charge"/,
    called: /nothing/,
    position: 2,
  },
  {
    name: "code that throws before what is recorded",
    before: original,
    after: async () => {
      throw new Error("a new bug");
    },
    recorded: /step "reserve"/,
    called: /nothing/,
    position: 1,
  },
  {
    name: "a child of another workflow",
    before: async (ctx) => [await ctx.child(noop, undefined), await ctx.sleep(parkedSleep)],
    after: async (ctx) => [await ctx.child(versionOf(original), undefined), await ctx.sleep(parkedSleep)],
    recorded: /child "noop"/,
    called: /child "changing"/,
    position: 1,
  },
  {
    name: "a signal in the place of a wait for the state",
    before: async (ctx) => ctx.until(() => false, { timeout: parkedWait }).catch(() => "late"),
    after: async (ctx) => ctx.signal("go"),
    recorded: /a wait for the state/,
    called: /a wait for signal "go"/,
    position: 1,
  },
  {
    name: "attributes in the place of labels",
    before: async (ctx) => [await ctx.setLabels({ team: "red" }), await ctx.sleep(parkedSleep)],
    after: async (ctx) => [await ctx.setAttributes({ team: "red" }), await ctx.sleep(parkedSleep)],
    recorded: /setLabels/,
    called: /setAttributes/,
    position: 1,
  },
  {
    name: "another signal",
    before: async (ctx) => ctx.signal("go", { timeout: parkedWait }).catch(() => "late"),
    after: async (ctx) => ctx.signal("other"),
    recorded: /a wait for signal "go"/,
    called: /a wait for signal "other"/,
    position: 1,
  },
];

describe("code that no longer fits its history", () => {
  test.each(cases)(
    "is quarantined, not failed: $name; with the old code back it goes on and completes",
    async ({ before, after, recorded, called, position }) => {
      const handle = await change(before, after);
      expect((await handle.status()).state).toBe("quarantined");
      const cause = await causeOf(handle.result());
      expect(cause).toMatchObject({ name: "NondeterminismDetected", code: "NONDETERMINISM_DETECTED", position });
      const { recorded: has, called: made } = cause as unknown as NondeterminismDetected;
      expect(has).toMatch(recorded);
      expect(made).toMatch(called);
      expect(cause.message).toMatch(recorded);
      expect(cause.message).toMatch(called);
      const completedBefore = (await handle.history()).filter(({ event }) => event.type === "StepCompleted").length;

      const pawl = await h.open();
      let reran = 0;
      const counting: Code = (ctx) => before({ ...bound(ctx), step: (name, fn, options) => ctx.step(name, (step) => (reran++, fn(step)), options) });
      await pawl.worker({ workflows: [versionOf(counting), noop], ...soon });
      const resumed = await pawl.handle(handle.executionId).resume();
      await resumed.result();
      expect(await resumed.status()).toMatchObject({ state: "completed", runNumber: 2 });
      expect((await resumed.history()).filter(({ event }) => event.type === "StepCompleted")).toHaveLength(completedBefore);
      expect(reran).toBe(0);
      expect((await resumed.history()).map(({ event }) => event.type)).toContain("ExecutionResumed");
    },
  );

  test("stays quarantined, with nothing lost, when it is resumed with the wrong code still in place", async () => {
    const wrong = cases[0]!;
    const handle = await change(wrong.before, wrong.after);
    const pawl = await h.open();
    const worker = await pawl.worker({ workflows: [versionOf(wrong.after)], ...soon });
    const resumed = await pawl.handle(handle.executionId).resume();
    await refusalOf(resumed.result(), ExecutionQuarantined);
    expect((await resumed.history()).filter(({ event }) => event.type === "StepCompleted")).toHaveLength(2);
    await worker.stop();
    await pawl.worker({ workflows: [versionOf(wrong.before)], ...soon });
    expect(await (await pawl.handle(handle.executionId).resume()).result()).toBe("reserved charged");
    expect((await resumed.status()).runNumber).toBe(3);
  });

  test("is told what else it may be when it has not changed, but waits for something that is no durable call", async () => {
    let replays = 0;
    const late: Code = async (ctx) => {
      // As an import or crypto.subtle: it takes some turns of the event loop.
      await (replays++ === 0 ? undefined : new Promise(() => {}));
      await ctx.step("reserve", () => "");
      await ctx.sleep(parkedSleep);
    };
    const handle = await change(late, late);
    expect(await causeOf(handle.result())).toMatchObject({
      name: "NondeterminismDetected",
      called: "nothing",
      message: expect.stringMatching(/waits before that for something that is no durable call/),
    });
  });

  test("may be changed behind what is recorded", async () => {
    const first = await h.open();
    const worker = await first.worker({ workflows: [versionOf(original)], manual: true });
    const handle = await first.start("changing", undefined);
    await worker.runOnce();
    await worker.stop();
    await first.worker({
      workflows: [versionOf(async (ctx) => [await original(ctx), await ctx.step("receipt", () => "sent")])],
      ...soon,
    });
    expect(await handle.result()).toEqual(["reserved charged", "sent"]);
  });
});

/** The methods of a context as a plain object, to be overridden. */
function bound(ctx: WorkflowContext): WorkflowContext {
  return {
    executionId: ctx.executionId,
    runId: ctx.runId,
    workflow: ctx.workflow,
    version: ctx.version,
    schedule: ctx.schedule,
    cancelRequested: ctx.cancelRequested,
    log: ctx.log,
    historyLength: ctx.historyLength,
    continueAsNewSuggested: ctx.continueAsNewSuggested,
    step: (...args) => ctx.step(...args),
    sleep: (duration) => ctx.sleep(duration),
    state: ctx.state,
    signal: (...args) => ctx.signal(...args),
    until: (...args) => ctx.until(...args),
    set: (...args) => ctx.set(...args),
    stream: (name) => ctx.stream(name),
    transaction: (...args) => ctx.transaction(...args),
    saga: (fn) => ctx.saga(fn),
    child: (...args) => ctx.child(...args),
    patched: (id) => ctx.patched(id),
    deprecatePatch: (id) => ctx.deprecatePatch(id),
    continueAsNew: (...args) => ctx.continueAsNew(...args),
    setLabels: (changes) => ctx.setLabels(changes),
    setAttributes: (changes) => ctx.setAttributes(changes),
    all: (...args) => ctx.all(...args),
    map: (...args) => ctx.map(...args),
    race: (tasks) => ctx.race(tasks),
    now: () => ctx.now(),
    random: () => ctx.random(),
    uuid: () => ctx.uuid(),
    shield: (fn) => ctx.shield(fn),
  };
}
