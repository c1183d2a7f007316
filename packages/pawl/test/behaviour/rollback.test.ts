import { defineWorkflow, ExecutionFailed, ExecutionNotFound, ExecutionStateInvalid, OptionInvalid, type ExecutionHandle } from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually, gate, harness, quickly, refusalOf, soon } from "./harness.ts";

const h = harness();

type AnyHandle = Pick<ExecutionHandle, "status" | "history">;
const types = async (handle: AnyHandle) => (await handle.history()).map(({ event }) => event.type);
const parked = (handle: AnyHandle) => eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));

/** Three steps, each of which says how often it has run, with a sleep before the last. */
function chain(sleepMs: number) {
  const ran: string[] = [];
  const workflow = defineWorkflow({
    name: "chain",
    run: async (ctx) => {
      const results: string[] = [];
      for (const name of ["a", "b", "c"]) {
        if (name === "c" && sleepMs > 0) await ctx.sleep(sleepMs);
        results.push(
          await ctx.step(name, () => {
            ran.push(name);
            return `${name}${ran.filter((other) => other === name).length}`;
          }),
        );
      }
      return results.join(" ");
    },
  });
  return { workflow, ran };
}

describe("rollback", () => {
  test("of an ended execution goes on from the checkpoint; the run before stays as it was", async () => {
    const { workflow, ran } = chain(0);
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    expect(await handle.result()).toBe("a1 b1 c1");
    const before = await handle.history();
    const checkpoints = await handle.checkpoints();
    expect(checkpoints).toEqual([
      { seq: 2, runId: handle.runId, position: 1, step: "a", at: expect.any(Date) as Date },
      { seq: 3, runId: handle.runId, position: 2, step: "b", at: expect.any(Date) as Date },
      { seq: 4, runId: handle.runId, position: 3, step: "c", at: expect.any(Date) as Date },
    ]);
    const again = await handle.rollback({ to: checkpoints[0]!, reason: "b was wrong" });
    expect(again.runId).not.toBe(handle.runId);
    expect(await again.result()).toBe("a1 b2 c2");
    expect(ran).toEqual(["a", "b", "c", "b", "c"]);
    const runs = await handle.runs();
    expect(runs).toMatchObject([
      { runId: handle.runId, runNumber: 1, state: "completed", latest: false, events: 5 },
      { runId: again.runId, runNumber: 2, state: "completed", latest: true },
    ]);
    expect(await handle.history({ runId: runs[0]!.runId })).toEqual(before);
    const resumed = (await handle.history())[2]!.event;
    expect(resumed).toEqual({
      type: "ExecutionResumed",
      fromRunId: handle.runId,
      fromState: "completed",
      operation: "rollback",
      toSeq: 2,
      runNumber: 2,
      reason: "b was wrong",
    });
    expect(await handle.checkpoints({ runId: handle.runId! })).toEqual(checkpoints);
    expect(await (await handle.rollback({ to: { step: "b" } })).result()).toBe("a1 b2 c3");
    expect(await (await handle.rollback({ to: 1 })).result()).toBe("a2 b3 c4");
    expect((await handle.status()).runNumber).toBe(4);
  });

  test("of a running one stops its worker: what its step still gives is not recorded", async () => {
    const begun = gate();
    const end = gate();
    const aborted = gate();
    let tries = 0;
    const workflow = defineWorkflow({
      name: "in-step",
      run: async (ctx) => {
        await ctx.step("first", () => 1);
        return ctx.step("long", async ({ signal }) => {
          if (++tries > 1) return "second try";
          signal.addEventListener("abort", () => aborted.open());
          begun.open();
          await end.opened;
          return "first try";
        });
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await begun.opened;
    await handle.rollback({ to: { step: "first" } });
    await aborted.opened;
    expect(await handle.result()).toBe("second try");
    end.open();
    expect(await handle.runs()).toMatchObject([{ state: "running" }, { state: "completed" }]);
  });

  test("of a parked one starts its timers anew", async () => {
    const { workflow, ran } = chain(600);
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.rollback({ to: { step: "a" } });
    expect(await handle.result()).toBe("a1 b2 c1");
    expect(ran).toEqual(["a", "b", "b", "c"]);
    expect(await h.count("tasks")).toBe(0);
  });

  test("of a paused one lets it go on", async () => {
    const { workflow } = chain(2000);
    const { pawl } = await h.run([workflow]);
    const paused = await pawl.start(workflow, undefined);
    await parked(paused);
    await paused.pause();
    await paused.rollback({ to: { step: "b" } });
    expect(await paused.result()).toBe("a1 b1 c1");
  });

  test("keeps signals: those received since, again and in order, before those not yet read", async () => {
    const workflow = defineWorkflow({
      name: "collector",
      signals: { item: z.number(), end: z.unknown() },
      run: async (ctx) => {
        await ctx.step("open", () => 1);
        const items: number[] = [];
        for (let n = 0; n < 4; n++) items.push(await ctx.signal("item"));
        return items;
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    for (const n of [1, 2]) await handle.signal("item", n);
    await eventually(async () => expect((await types(handle)).filter((type) => type === "SignalReceived")).toHaveLength(2));
    await parked(handle);
    await handle.pause();
    await handle.signal("item", 3);
    await handle.rollback({ to: { step: "open" } });
    await handle.signal("item", 4);
    expect(await handle.result()).toEqual([1, 2, 3, 4]);
  });

  test("keeps the children of the part it keeps, and asks the others to cancel", async () => {
    const child = defineWorkflow({ name: "child", signals: { end: z.string() }, run: async (ctx) => ctx.signal("end") });
    const parent = defineWorkflow({
      name: "parent",
      run: async (ctx) => {
        const first = ctx.child(child, undefined);
        await ctx.step("between", () => 1);
        const second = ctx.child(child, undefined);
        return Promise.all([first, second]);
      },
    });
    const { pawl } = await h.run([parent, child]);
    const handle = await pawl.start(parent, undefined, { executionId: "family" });
    await parked(handle);
    const second = pawl.handle("family.3", child);
    await parked(second);
    await handle.rollback({ to: { step: "between" } });
    await eventually(async () => expect(await second.status()).toMatchObject({ state: "cancelled", parentRunId: null }));
    await eventually(async () =>
      expect((await pawl.list({ filter: 'state == "running"' })).executions.map(({ executionId }) => executionId)).toContain("family.r2.3"),
    );
    await pawl.handle("family.1", child).signal("end", "one");
    await pawl.handle("family.r2.3", child).signal("end", "two");
    expect(await handle.result()).toEqual(["one", "two"]);
  });

  test("the end of a child that lies behind the checkpoint is asked for", async () => {
    const child = defineWorkflow({ name: "child", run: async (ctx) => ctx.step("work", () => "done") });
    const parent = defineWorkflow({
      name: "parent",
      run: async (ctx) => {
        const first = ctx.child(child, undefined);
        await ctx.step("between", () => 1);
        return `${await first} ${await ctx.step("after", () => 2)}`;
      },
    });
    const { pawl } = await h.run([parent, child]);
    const handle = await pawl.start(parent, undefined);
    expect(await handle.result()).toBe("done 2");
    await handle.rollback({ to: { step: "between" } });
    expect(await handle.result()).toBe("done 2");
    expect(await h.count("executions WHERE workflow = 'child' AND parent_run_id = $1", (await handle.status()).runId)).toBe(1);
  });

  test("takes attributes back, and gives a timeout its time anew", async () => {
    let slow = true;
    const workflow = defineWorkflow({
      name: "late",
      timeout: 700,
      run: async (ctx) => {
        await ctx.setAttributes({ phase: "first" });
        await ctx.step("first", () => 1);
        await ctx.setAttributes({ phase: "second" });
        if (slow) await ctx.sleep("1 day");
        return "in time";
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await eventually(async () => expect((await handle.status()).state).toBe("timed_out"));
    expect((await handle.status()).attributes).toEqual({ phase: "second" });
    slow = false;
    const gone = await handle.rollback({ to: { step: "first" } });
    expect(await gone.result()).toBe("in time");
    expect((await handle.status()).attributes).toEqual({ phase: "second" });
  });

  test("labels and attributes are what they were at the checkpoint, or where a retry goes on", async () => {
    const flags = { fails: true };
    const workflow = defineWorkflow({
      name: "labelled",
      run: async (ctx) => {
        await ctx.setLabels({ stage: "first", early: null });
        await ctx.setAttributes({ size: 1 });
        await ctx.step("first", () => 1);
        await ctx.setLabels({ stage: "second", late: "yes" });
        try {
          await ctx.step("second", () => flags.fails && Promise.reject(new Error("no")), { retry: { maximumAttempts: 1 } });
        } catch (error) {
          await ctx.setLabels({ stage: "failed" });
          throw error;
        }
        await ctx.setLabels({ early: "again" });
      },
    });
    const { pawl, worker } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined, { labels: { team: "red", early: "yes" } });
    await eventually(async () => expect((await handle.status()).state).toBe("failed"));
    expect((await handle.status()).labels).toEqual({ team: "red", stage: "failed", late: "yes" });
    flags.fails = false;
    await worker.stop();
    const retried = await handle.retry();
    expect((await retried.status()).labels).toEqual({ team: "red", stage: "second", late: "yes" });
    const back = await handle.rollback({ to: { step: "first" } });
    expect(await back.status()).toMatchObject({ labels: { team: "red", stage: "first" }, attributes: { size: 1 } });
    const toStart = await back.rollback({ to: 1 });
    expect(await toStart.status()).toMatchObject({ labels: { team: "red", early: "yes" }, attributes: {} });
    await pawl.worker({ workflows: [workflow], ...soon });
    await toStart.result();
    expect((await toStart.status()).labels).toEqual({ team: "red", stage: "second", late: "yes", early: "again" });
  });

  test("a request to cancel is rolled back too", async () => {
    const { workflow } = chain(400);
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.cancel();
    await eventually(async () => expect((await handle.status()).state).toBe("cancelled"));
    await handle.rollback({ to: { step: "b" } });
    expect(await handle.result()).toBe("a1 b1 c1");
  });

  test("and so is what its parent's end asked for", async () => {
    const { workflow } = chain(2000);
    const parent = defineWorkflow({ name: "parent", run: async (ctx) => ctx.child(workflow, undefined, { parentClosePolicy: "terminate" }) });
    const { pawl, worker } = await h.run([parent, workflow]);
    const handle = await pawl.start(parent, undefined);
    const child = pawl.handle(`${handle.executionId}.1`);
    for (const each of [handle, child]) await parked(each);
    await worker.stop();
    await handle.terminate();
    await child.rollback({ to: { step: "a" } });
    await pawl.worker({ workflows: [parent, workflow], ...soon });
    expect(await child.result()).toBe("a1 b2 c1");
  });

  test("an exported branch can be imported", async () => {
    const { workflow } = chain(600);
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.rollback({ to: { step: "a" } });
    await handle.result();
    const copy = await pawl.importExecution(await pawl.exportExecution(handle.executionId), { executionId: "copy" });
    expect(await copy.runs()).toMatchObject([{ state: "running" }, { state: "completed" }]);
  });

  test("to a checkpoint of an earlier run is refused; a fork goes on from it", async () => {
    const workflow = defineWorkflow({
      name: "rounds",
      run: async (ctx, round: number): Promise<string> => {
        const names: string[] = [];
        for (const name of ["a", "b"]) names.push(await ctx.step(`${name}${round}`, () => `${name}${round}`));
        return round === 0 ? ctx.continueAsNew(1) : names.join(" ");
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, 0);
    expect(await handle.result()).toBe("a1 b1");
    const [first, second] = await handle.runs();
    const checkpoint = (await handle.checkpoints({ runId: first!.runId }))[0]!;
    expect(checkpoint).toMatchObject({ seq: 2, step: "a0", runId: first!.runId });
    const refusal = await refusalOf(handle.rollback({ to: checkpoint }), OptionInvalid);
    expect(refusal.message).toBe(
      `to: is a checkpoint of run ${first!.runId}, and ${second!.runId} is the latest; take one of handle.checkpoints(), or go on from that run with handle.fork({ from }).`,
    );
    expect(await handle.runs()).toHaveLength(2);
    await refusalOf(handle.fork({ from: checkpoint, runId: second!.runId }), OptionInvalid);
    const fork = await handle.fork({ from: checkpoint });
    expect(await fork.result()).toBe("a1 b1");
    expect((await fork.history({ runId: (await fork.runs())[0]!.runId })).map(({ event }) => ("name" in event ? event.name : event.type))).toEqual([
      "ExecutionStarted",
      "a0",
      "ExecutionForked",
      "b0",
      "ExecutionContinuedAsNew",
    ]);
    // Of the latest run, its seq is what counts.
    expect((await handle.checkpoints()).map(({ runId }) => runId)).toEqual([second!.runId, second!.runId]);
    await handle.rollback({ to: (await handle.checkpoints())[0]! });
    expect(await handle.result()).toBe("a1 b1");
  });

  test("is refused where there is no such checkpoint", async () => {
    const { workflow } = chain(0);
    const { pawl } = await h.run([workflow]);
    await refusalOf(pawl.handle("nobody").rollback({ to: 1 }), ExecutionNotFound);
    const handle = await pawl.start(workflow, undefined);
    await handle.result();
    expect((await refusalOf(handle.rollback({ to: 5 }), OptionInvalid)).message).toBe("to: 5 is no checkpoint; handle.checkpoints() lists them.");
    await refusalOf(handle.rollback({ to: { step: "d" } }), OptionInvalid);
    await refusalOf(handle.history({ runId: "other" }), OptionInvalid);
    await refusalOf(handle.rollback({ to: 2, runId: "other" }), ExecutionStateInvalid);
    await refusalOf(handle.retry(), ExecutionStateInvalid);
  });
});

describe("retry", () => {
  test("goes on at the step that failed, with all its attempts, and keeps the others", async () => {
    let fails = true;
    const attempts: number[] = [];
    const { ran, workflow: first } = chain(0);
    const workflow = defineWorkflow({
      name: "fragile",
      run: async (ctx) => {
        const kept = await ctx.child(first, undefined);
        return ctx.step(
          "fragile",
          ({ attempt }) => {
            attempts.push(attempt);
            if (fails) throw new Error("no");
            return `${kept} and more`;
          },
          { retry: { ...quickly, maximumAttempts: 2 } },
        );
      },
    });
    const { pawl } = await h.run([workflow, first]);
    const handle = await pawl.start(workflow, undefined);
    await refusalOf(handle.result(), ExecutionFailed);
    await handle.retry();
    await refusalOf(handle.result(), ExecutionFailed);
    fails = false;
    await handle.retry({ reason: "it is mended" });
    expect(await handle.result()).toBe("a1 b1 c1 and more");
    expect(attempts).toEqual([1, 2, 1, 2, 1]);
    expect(ran).toHaveLength(3);
    expect((await handle.status()).runNumber).toBe(3);
  });

  test("gives a step that was under way its total time anew", async () => {
    let mended = false;
    const begun = gate();
    const workflow = defineWorkflow({
      name: "under-way",
      retry: { maximumAttempts: 1 },
      run: async (ctx) =>
        Promise.all([
          ctx.step("slow", ({ signal }) => (mended ? "slow" : new Promise<never>((_, reject) => signal.addEventListener("abort", reject))), {
            totalTimeout: 1000,
          }),
          ctx.step("fails", async () => {
            if (mended) return "mended";
            await begun.opened;
            throw new Error("no");
          }),
        ]),
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    const startedAt = await eventually(async () => (await handle.history()).find(({ event }) => event.type === "StepStarted")!.at.getTime());
    begun.open();
    await refusalOf(handle.result(), ExecutionFailed);
    await eventually(() => expect(Date.now()).toBeGreaterThan(startedAt + 1000));
    mended = true;
    const again = await handle.retry();
    expect(await again.result()).toEqual(["slow", "mended"]);
    expect((await types(again)).filter((type) => type === "StepStarted")).toHaveLength(2);
  });

  test("starts a child that failed anew", async () => {
    let fails = true;
    const child = defineWorkflow({
      name: "child",
      run: async (ctx) =>
        ctx.step(
          "work",
          () => {
            if (fails) throw new Error("no");
            return "done";
          },
          { retry: { maximumAttempts: 1 } },
        ),
    });
    const parent = defineWorkflow({ name: "parent", run: async (ctx) => ctx.child(child, undefined) });
    const { pawl } = await h.run([parent, child]);
    const handle = await pawl.start(parent, undefined, { executionId: "retried" });
    await refusalOf(handle.result(), ExecutionFailed);
    fails = false;
    await handle.retry();
    expect(await handle.result()).toBe("done");
    expect((await pawl.handle("retried.1").status()).state).toBe("failed");
    expect((await pawl.handle("retried.r2.1").status()).state).toBe("completed");
  });

  test("after several calls failed at once runs all of them again, and keeps what their siblings gave", async () => {
    let down = true;
    const ran: string[] = [];
    const workflow = defineWorkflow({
      name: "siblings",
      retry: { maximumAttempts: 1 },
      run: async (ctx) => {
        await ctx.step("before", () => ran.push("before"));
        return ctx.map([1, 2, 3, 4], (n) =>
          ctx.step(`s${n}`, async () => {
            ran.push(`s${n}`);
            if (down && n !== 4) throw new Error("ECONNREFUSED");
            return n;
          }),
        );
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await refusalOf(handle.result(), ExecutionFailed);
    const isRecorded = (await types(handle)).filter((type) => type === "StepFailed" || type === "StepCompleted").length;
    expect(isRecorded).toBe(5);
    down = false;
    await handle.retry();
    expect(await handle.result()).toEqual([1, 2, 3, 4]);
    expect(ran).toEqual(["before", "s1", "s2", "s3", "s4", "s1", "s2", "s3"]);
  });

  test("keeps what was done after a failure of the same words that was caught", async () => {
    let down = true;
    const ran: string[] = [];
    const workflow = defineWorkflow({
      name: "same-words",
      retry: { maximumAttempts: 1 },
      run: async (ctx) => {
        const call = (name: string) =>
          ctx.step(name, () => {
            ran.push(name);
            if (down) throw new Error("ECONNREFUSED");
            return name;
          });
        await call("optional").catch(() => undefined);
        await ctx.step("between", () => ran.push("between"));
        // Of the same words as what was caught, but an error of its own.
        if (down) throw new Error("ECONNREFUSED");
        return "done";
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await refusalOf(handle.result(), ExecutionFailed);
    down = false;
    await handle.retry();
    expect(await handle.result()).toBe("done");
    expect(ran).toEqual(["optional", "between"]);
  });

  test("after a saga begins at what failed, whatever undoing failed", async () => {
    let down = true;
    const ran: string[] = [];
    const workflow = defineWorkflow({
      name: "undone",
      retry: { maximumAttempts: 1 },
      run: (ctx) =>
        ctx.saga(async (saga) => {
          const step = (name: string) => async () => {
            ran.push(name);
            if (down && name !== "book") throw new Error("no");
          };
          await ctx.step("book", step("book"));
          saga.compensate((undo) => undo.step("unbook", step("unbook")));
          await ctx.step("pay", step("pay"));
          return "paid";
        }),
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await refusalOf(handle.result(), ExecutionFailed);
    down = false;
    await handle.retry();
    expect(await handle.result()).toBe("paid");
    expect(ran).toEqual(["book", "pay", "unbook", "pay"]);
  });

  test("runs code again that failed by itself, and what timed out", async () => {
    let fails = true;
    const { workflow: steps, ran } = chain(0);
    const workflow = defineWorkflow({
      name: "mistaken",
      run: async (ctx) => {
        const result = await ctx.child(steps, undefined);
        if (fails) throw new TypeError("a mistake");
        return result;
      },
    });
    const slow = defineWorkflow({ name: "slow", timeout: 600, run: async (ctx) => (fails ? ctx.sleep("1 day") : "quick") });
    const { pawl } = await h.run([workflow, steps, slow]);
    const handle = await pawl.start(workflow, undefined);
    const late = await pawl.start(slow, undefined);
    await refusalOf(handle.result(), ExecutionFailed);
    await eventually(async () => expect((await late.status()).state).toBe("timed_out"));
    fails = false;
    await handle.retry();
    expect(await handle.result()).toBe("a1 b1 c1");
    expect(ran).toHaveLength(3);
    // Its history has a sleep that the code does not make any more.
    await late.retry();
    await eventually(async () => expect((await late.status()).state).toBe("quarantined"));
  });

  test("of one that timed out starts the children anew that it waited for, and keeps those that have completed", async () => {
    let slow = true;
    const ran: string[] = [];
    const child = defineWorkflow({
      name: "child",
      run: async (ctx, name: string) => {
        if (slow && name === "slow") await ctx.sleep("1 day");
        return ctx.step("work", () => (ran.push(name), name));
      },
    });
    const parent = defineWorkflow({
      name: "parent",
      timeout: 700,
      run: async (ctx) => Promise.all([ctx.child(child, "slow"), ctx.child(child, "quick"), ctx.child(child, "chosen", { executionId: "chosen" })]),
    });
    const { pawl } = await h.run([parent, child]);
    const handle = await pawl.start(parent, undefined, { executionId: "late" });
    await eventually(async () => expect((await handle.status()).state).toBe("timed_out"));
    // Its time is over too, and its parent asks it to cancel: whichever it sees first.
    const ended = expect.stringMatching(/^(timed_out|cancelled)$/) as string;
    await eventually(async () => expect((await pawl.handle("late.1").status()).state).toEqual(ended));
    slow = false;
    await handle.retry();
    expect(await handle.result()).toEqual(["slow", "quick", "chosen"]);
    expect(ran.toSorted()).toEqual(["chosen", "quick", "slow"]);
    expect((await pawl.handle("late.r2.1").status()).state).toBe("completed");
    expect(await pawl.handle("late.1").status()).toMatchObject({ state: ended, parentRunId: null });
  });

  test("and a rollback start the children anew that the end of the execution cancelled", async () => {
    let down = true;
    const child = defineWorkflow({ name: "child", signals: { end: z.string() }, run: async (ctx) => ctx.signal("end") });
    const parent = defineWorkflow({
      name: "parent",
      retry: { maximumAttempts: 1 },
      run: async (ctx) => {
        const ended = ctx.child(child, undefined);
        await ctx.step("between", () => 1);
        await ctx.step("fragile", () => {
          if (down) throw new Error("no");
        });
        return ended;
      },
    });
    const { pawl } = await h.run([parent, child]);
    for (const next of ["retry", "rollback"] as const) {
      down = true;
      const handle = await pawl.start(parent, undefined, { executionId: next });
      await refusalOf(handle.result(), ExecutionFailed);
      await eventually(async () => expect((await pawl.handle(`${next}.1`).status()).state).toBe("cancelled"));
      down = false;
      await (next === "retry" ? handle.retry() : handle.rollback({ to: { step: "between" } }));
      await eventually(async () => expect((await pawl.handle(`${next}.r2.1`).status()).state).toBe("running"));
      await pawl.handle(`${next}.r2.1`, child).signal("end", "anew");
      expect(await handle.result()).toBe("anew");
    }
  });
});
