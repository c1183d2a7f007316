import {
  defineWorkflow,
  ExecutionCancelled,
  ExecutionConflict,
  ExecutionNotFound,
  InputInvalid,
  OptionInvalid,
  type ExecutionHandle,
  type RunInfo,
  type WorkflowContext,
} from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const types = async (handle: Pick<ExecutionHandle, "history">) => (await handle.history()).map(({ event }) => event.type);
const parked = (handle: Pick<ExecutionHandle, "status">) =>
  eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));

/** Adds up what its steps give, and shows random numbers from before and after the first step. */
function adder() {
  const ran: string[] = [];
  const workflow = defineWorkflow({
    name: "adder",
    input: z.object({ base: z.number() }),
    run: async (ctx, { base }) => {
      const early = ctx.uuid();
      const one = await ctx.step("one", () => (ran.push("one"), 1));
      const late = ctx.uuid();
      const two = await ctx.step("two", () => (ran.push("two"), 10));
      return { sum: base + one + two, early, late };
    },
  });
  return { workflow, ran };
}

describe("fork", () => {
  test("cannot be rolled back to before it", async () => {
    const { workflow, ran } = adder();
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, { base: 1 });
    await handle.result();
    const fork = await handle.fork({ from: { step: "two" } });
    await fork.result();
    expect((await refusalOf(fork.rollback({ to: { step: "one" } }), OptionInvalid)).message).toMatch(/before the fork/);
    expect(await fork.runs()).toHaveLength(1);
    expect(ran).toEqual(["one", "two"]);
  });

  test("starts a new execution from a checkpoint, and leaves the other as it is", async () => {
    const { workflow, ran } = adder();
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, { base: 100 }, { executionId: "original", labels: { team: "red" } });
    const result = await handle.result();
    const before = await handle.history();
    const fork = await handle.fork({ from: { step: "one" }, executionId: "copy" });
    expect(fork.executionId).toBe("copy");
    const forked = await fork.result();
    expect(forked.sum).toBe(111);
    // The part it has in common was made of the same numbers; what follows is not.
    expect(forked.early).toBe(result.early);
    expect(ran).toEqual(["one", "two", "two"]);
    expect(await handle.history()).toEqual(before);
    const history = await fork.history();
    expect(history[2]!.event).toEqual({ type: "ExecutionForked", executionId: "copy", fromExecutionId: "original", fromRunId: handle.runId, fromSeq: 2 });
    expect(await fork.status()).toMatchObject({ runNumber: 1, labels: { team: "red" }, state: "completed" });
    // Of a fork too.
    const second = await fork.fork({ from: { step: "two" } });
    expect(await second.result()).toEqual(forked);
  });

  test("has the labels of the checkpoint, and what it sets is its own", async () => {
    const workflow = defineWorkflow({
      name: "labelled",
      run: async (ctx) => {
        await ctx.setLabels({ stage: "one", early: null });
        await ctx.step("one", () => 1);
        await ctx.setLabels({ stage: "two" });
        await ctx.step("two", () => 2);
        await ctx.setLabels({ of: ctx.executionId });
      },
    });
    const { pawl, worker } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined, { executionId: "first", labels: { team: "red", early: "yes" } });
    await handle.result();
    await worker.stop();
    expect((await (await handle.fork({ from: 1 })).status()).labels).toEqual({ team: "red", early: "yes" });
    expect((await (await handle.fork({ from: "latest" })).status()).labels).toEqual({ team: "red", stage: "two" });
    const fork = await handle.fork({ from: { step: "one" } });
    expect((await fork.status()).labels).toEqual({ team: "red", stage: "one" });
    await pawl.worker({ workflows: [workflow], ...soon });
    await fork.result();
    expect((await fork.status()).labels).toEqual({ team: "red", stage: "two", of: fork.executionId });
    expect((await handle.status()).labels).toEqual({ team: "red", stage: "two", of: "first" });
  });

  test("from a step of a clean-up is being cancelled, and replays with the other's random numbers also when it is resumed", async () => {
    const workflow = defineWorkflow({
      name: "random-names",
      signals: { never: z.unknown() },
      run: async (ctx) => {
        await ctx.step(ctx.uuid(), () => 1);
        try {
          await ctx.signal("never");
        } finally {
          await ctx.shield(async (shielded) => {
            await shielded.step("clean", () => 1);
            await shielded.step(ctx.uuid(), () => 2);
          });
        }
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await eventually(async () => expect((await handle.history()).map(({ event }) => event.type)).toContain("WaitStarted"));
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    const fork = await handle.fork({ from: { step: "clean" } });
    await refusalOf(fork.result(), ExecutionCancelled);
    const names = (await fork.checkpoints()).map((checkpoint) => checkpoint.step);
    const resumed = await fork.resume();
    await refusalOf(resumed.result(), ExecutionCancelled);
    expect((await resumed.checkpoints()).map((checkpoint) => checkpoint.step)).toEqual(names);
    expect((await resumed.history()).map(({ event }) => event.type)).toContain("ExecutionForked");
  });

  test("random numbers differ from the original's after the checkpoint", async () => {
    const workflow = defineWorkflow({
      name: "random",
      run: async (ctx) => {
        await ctx.step("one", () => 1);
        return [ctx.uuid(), await ctx.step("two", () => ctx.executionId), ctx.uuid()];
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    const [, , last] = await handle.result();
    const fork = await handle.fork({ from: { step: "two" } });
    expect((await fork.result())[2]).not.toBe(last);
    expect((await (await fork.fork({ from: { step: "two" } })).result())[0]).toBe((await fork.result())[0]);
  });

  test("with another input and other results", async () => {
    const { workflow, ran } = adder();
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, { base: 100 });
    await handle.result();
    const fork = await handle.fork({ from: { step: "one" }, input: { base: 1000 }, results: { one: 5 } });
    expect((await fork.result()).sum).toBe(1015);
    expect((await fork.history())[2]!.event).toMatchObject({ edited: ["input", 1] });
    expect((await (await handle.fork({ from: 3, results: { "2": 7 } })).result()).sum).toBe(108);
    expect(ran).toEqual(["one", "two", "two"]);
    expect((await (await handle.fork({ from: 1, input: { base: 0 } })).result()).sum).toBe(11);
  });

  test("with an input that is undefined keeps the one it was started with", async () => {
    const { workflow } = adder();
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, { base: 100 });
    await handle.result();
    const fork = await handle.fork({ from: { step: "one" }, input: undefined });
    expect((await fork.result()).sum).toBe(111);
    expect((await fork.history())[2]!.event).not.toHaveProperty("edited");
  });

  test("with other results of children, and of what failed", async () => {
    const child = defineWorkflow({ name: "part", run: async (_ctx, n: number) => n });
    const broken = defineWorkflow({ name: "broken", run: (): Promise<number> => Promise.reject(new Error("no")) });
    const workflow = defineWorkflow({
      name: "whole",
      retry: { maximumAttempts: 1 },
      run: async (ctx) => {
        const parts = [
          await ctx.child(child, 1),
          await ctx.child(broken, undefined).catch(() => 0),
          await ctx
            .step("fails", (): number => {
              throw new Error("no");
            })
            .catch(() => 0),
          await ctx.step("last", () => 1000),
        ];
        return parts.reduce((sum, part) => sum + part);
      },
    });
    const { pawl } = await h.run([workflow, child, broken]);
    const handle = await pawl.start(workflow, undefined);
    expect(await handle.result()).toBe(1001);
    const fork = await handle.fork({ from: { step: "last" }, results: { part: 2, broken: 30, fails: 400 } });
    expect(await fork.result()).toBe(1432);
    expect((await fork.history()).flatMap(({ event }) => (event.type === "ExecutionForked" ? event.edited : []))).toEqual([1, 2, 3]);
    expect((await types(fork)).filter((type) => type.endsWith("Failed"))).toEqual([]);
    expect(await (await handle.fork({ from: { step: "last" }, results: { "2": 30 } })).result()).toBe(1031);
  });

  test("keeps the key and the priority within the queue", async () => {
    const { workflow } = adder();
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, { base: 0 }, { key: "acme", priority: -5 });
    await handle.result();
    const fork = await handle.fork({ from: 1 });
    expect(await fork.status()).toMatchObject({ key: "acme", priority: -5 });
    const plain = await pawl.start(workflow, { base: 0 });
    expect(await (await plain.fork({ from: 1 })).status()).toMatchObject({ key: null, priority: 0 });
  });

  test("another input that leads the code elsewhere is found as nondeterminism", async () => {
    const workflow = defineWorkflow({
      name: "fickle",
      run: async (ctx, first: string) => `${await ctx.step(first, () => 1)} ${await ctx.step("last", () => 2)}`,
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, "a");
    await handle.result();
    const fork = await handle.fork({ from: { step: "a" }, input: "b" });
    await eventually(async () => expect((await fork.status()).state).toBe("quarantined"));
    expect((await fork.history()).at(-1)!.event).toMatchObject({ failure: { name: "NondeterminismDetected" } });
  });

  test("onto another version of the workflow", async () => {
    const make = (version: string) =>
      defineWorkflow({
        name: "versioned",
        version,
        run: async (ctx) => {
          await ctx.step("common", () => 1);
          return ctx.step("own", () => `by ${version}`);
        },
      });
    const { pawl } = await h.run([make("1"), make("2")]);
    const handle = await pawl.start(make("1"), undefined);
    expect(await handle.result()).toBe("by 1");
    const fork = await handle.fork({ from: { step: "common" }, version: "2" });
    expect(await fork.result()).toBe("by 2");
    expect((await fork.history())[2]!.event).toMatchObject({ fromVersion: "1" });
  });

  test("of a run before the latest has that run's version, and says so when it has another", async () => {
    const make = (version: string, run: (ctx: WorkflowContext, moved: boolean) => Promise<unknown>) => defineWorkflow({ name: "moves", version, run });
    const first = make("1", async (ctx, moved) => {
      const what = await ctx.step("first", () => "first");
      return moved ? ctx.continueAsNew(false, { version: "2" }) : what;
    });
    const second = make("2", (ctx) => ctx.step("second", () => "second"));
    const third = make("3", async (ctx) => `${await ctx.step("first", () => "first")} and third`);
    const { pawl } = await h.run([first, second, third]);
    const handle = await pawl.start(first, true);
    expect(await handle.result()).toBe("second");
    const [{ runId }] = (await handle.runs()) as [RunInfo];
    const forked = async (fork: ExecutionHandle) => ({
      version: (await fork.status()).version,
      fromVersion: (await fork.history()).flatMap(({ event }) => (event.type === "ExecutionForked" ? [event.fromVersion] : [])),
    });
    const same = await handle.fork({ runId, from: { step: "first" }, input: false });
    expect(await same.result()).toBe("first");
    expect(await forked(same)).toEqual({ version: "1", fromVersion: [undefined] });
    const other = await handle.fork({ runId, from: { step: "first" }, version: "3" });
    expect(await other.result()).toBe("first and third");
    expect(await forked(other)).toEqual({ version: "3", fromVersion: ["1"] });
    // The latest run's version is another one than that of the run it goes on from.
    const latest = await handle.fork({ runId, from: 1, version: "2" });
    expect(await latest.result()).toBe("second");
    expect(await forked(latest)).toEqual({ version: "2", fromVersion: ["1"] });
  });

  test("keeps the ends of children, and starts those anew that had not ended", async () => {
    const child = defineWorkflow({ name: "child", signals: { end: z.string() }, run: async (ctx) => ctx.signal("end") });
    const parent = defineWorkflow({
      name: "parent",
      run: async (ctx) => {
        const first = await ctx.child(child, undefined);
        const second = ctx.child(child, undefined);
        await ctx.step("between", () => 1);
        return [first, await second];
      },
    });
    const { pawl } = await h.run([parent, child]);
    const handle = await pawl.start(parent, undefined, { executionId: "p" });
    await parked(handle);
    await pawl.handle("p.1", child).signal("end", "one");
    await eventually(async () => expect(await types(handle)).toContain("StepCompleted"));
    const fork = await handle.fork({ from: { step: "between" }, executionId: "f" });
    await eventually(async () => expect((await pawl.handle("f.2").status()).state).toBe("running"));
    await pawl.handle("p.2", child).signal("end", "of the original");
    await pawl.handle("f.2", child).signal("end", "of the fork");
    expect(await handle.result()).toEqual(["one", "of the original"]);
    expect(await fork.result()).toEqual(["one", "of the fork"]);
    // A child stands alone when it is forked.
    const alone = await pawl.handle("p.1", child).fork({ from: 1, executionId: "alone" });
    expect(await alone.status()).toMatchObject({ parentRunId: null });
    await alone.signal("end", "x");
    expect(await alone.result()).toBe("x");
  });

  test("of a run that a rollback left behind, and of one that runs", async () => {
    const { workflow } = adder();
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, { base: 0 });
    await handle.result();
    await (await handle.rollback({ to: { step: "one" } })).result();
    const fork = await handle.fork({ from: { step: "two" }, runId: handle.runId! });
    expect((await fork.result()).sum).toBe(11);
  });

  test("again to the same id gives the same execution; any other is a conflict", async () => {
    const { workflow } = adder();
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, { base: 0 }, { executionId: "once" });
    await handle.result();
    const fork = await handle.fork({ from: { step: "one" }, executionId: "once-fork" });
    const again = await handle.fork({ from: { step: "one" }, executionId: "once-fork" });
    expect(again.runId).toBe(fork.runId);
    await refusalOf(handle.fork({ from: { step: "two" }, executionId: "once-fork" }), ExecutionConflict);
    await refusalOf(handle.fork({ from: 1, executionId: "once" }), ExecutionConflict);
    await fork.result();
  });

  test("again to the same id gives the same execution when it has continued as new, also when its first run is gone", async () => {
    const rounds = defineWorkflow({
      name: "rounds",
      run: async (ctx, left: number): Promise<number> => {
        await ctx.step("round", () => left);
        return left > 0 ? ctx.continueAsNew(left - 1) : left;
      },
    });
    const owning = defineWorkflow({ name: "owning", run: (ctx) => ctx.child(rounds, 1, { executionId: "rounds-child" }) });
    const { pawl } = await h.run([rounds, owning]);
    const handle = await pawl.start(rounds, 0, { executionId: "rounds" });
    await handle.result();
    await (await pawl.start(rounds, 1, { executionId: "rounds-key", idempotencyKey: "key" })).result();
    await (await pawl.start(owning, undefined, { executionId: "rounds-parent" })).result();
    const fork = await handle.fork({ from: 1, input: 2, executionId: "rounds-fork" });
    await fork.result();
    const again = async (id = "rounds-fork", from: 1 | 2 = 1) => handle.fork({ from, input: 2, executionId: id });
    const { runId, runNumber } = await fork.status();
    expect(runNumber).toBe(3);
    expect((await again()).runId).toBe(runId);
    await refusalOf(again("rounds-fork", 2), ExecutionConflict);
    await pawl.retention.set({ state: "continued_as_new", keep: 0 });
    await pawl.retention.run();
    await pawl.retention.delete({ state: "continued_as_new" });
    expect(await fork.runs()).toHaveLength(1);
    expect((await again()).runId).toBe(runId);
    // What was started with a key or by a parent is no fork.
    await refusalOf(again("rounds-key"), ExecutionConflict);
    await refusalOf(again("rounds-child"), ExecutionConflict);
    await refusalOf(pawl.handle("rounds-parent").fork({ from: 1, executionId: "rounds-fork" }), ExecutionConflict);
  });

  test("refuses what cannot be", async () => {
    const { workflow } = adder();
    const { pawl } = await h.run([workflow]);
    await refusalOf(pawl.handle("nobody").fork({ from: 1 }), ExecutionNotFound);
    const handle = await pawl.start(workflow, { base: 0 });
    await handle.result();
    await refusalOf(handle.fork({ from: 9 }), OptionInvalid);
    await refusalOf(handle.fork({ from: 3, input: { base: "x" } }), InputInvalid);
    expect((await refusalOf(handle.fork({ from: 2, results: { two: 1 } }), OptionInvalid)).path).toBe("results.two");
    await refusalOf(handle.fork({ from: 3, results: { "3": 1 } }), OptionInvalid);
  });
});
