import {
  defineWorkflow,
  ExecutionCancelled,
  ExecutionQuarantined,
  ExecutionStateInvalid,
  ExecutionTerminated,
  step,
  type ExecutionHandle,
  type Pawl,
} from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { causeOf, eventually, failureOf, gate, harness, parkedSleep, refusalOf, soon } from "./harness.ts";

const h = harness();

const parked = (handle: ExecutionHandle) => eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
const types = async (handle: ExecutionHandle) => (await handle.history()).map(({ event }) => event.type);

const sleepy = defineWorkflow({ name: "sleepy", run: async (ctx) => ctx.sleep("30 days") });

describe("cancel", () => {
  test("ends a pending execution at once; its code never runs", async () => {
    const pawl = await h.open();
    const handle = await pawl.start(sleepy, undefined);
    expect(await handle.cancel({ reason: "not needed" })).toBe("cancelled");
    const error = await refusalOf(handle.result(), ExecutionCancelled);
    expect(error.message).toContain("not needed");
    const worker = await pawl.worker({ workflows: [sleepy], manual: true });
    expect(await worker.runOnce()).toBe(0);
    expect(await types(handle)).toEqual(["ExecutionStarted", "ExecutionCancelled"]);
  });

  test("reaches a running step through its signal, and the step's late result is not recorded", async () => {
    const begun = gate();
    const reasons: unknown[] = [];
    const workflow = defineWorkflow({
      name: "in-step",
      run: async (ctx) =>
        ctx.step("long", ({ signal }) => {
          begun.open();
          return new Promise<string>((resolve) =>
            signal.addEventListener("abort", () => {
              reasons.push(signal.reason);
              resolve("late");
            }),
          );
        }),
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await begun.opened;
    expect(await handle.cancel({ reason: "stop it" })).toBe("running");
    await refusalOf(handle.result(), ExecutionCancelled);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toMatchObject({ name: "ExecutionCancelled", message: expect.stringContaining("stop it") });
    expect((await types(handle)).filter((type) => type === "StepCompleted")).toEqual([]);
    expect((await handle.history()).at(-1)!.event).toEqual({ type: "ExecutionCancelled", reason: "stop it" });
  });

  test("wakes a parked execution", async () => {
    const { pawl } = await h.run([sleepy]);
    const handle = await pawl.start(sleepy, undefined);
    await parked(handle);
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    expect((await handle.status()).state).toBe("cancelled");
  });

  test("lets the code clean up through ctx.shield, also over parking, and ends cancelled when the error is thrown on", async () => {
    const ran: string[] = [];
    const workflow = defineWorkflow({
      name: "cleans-up",
      run: async (ctx) => {
        await ctx.step("reserve", () => void ran.push("reserve"));
        try {
          await ctx.sleep("1 day");
        } catch (error) {
          ran.push(`${(error as Error).name} ${ctx.cancelRequested}`);
          await ctx.step("unshielded", () => void ran.push("unshielded")).catch((second: Error) => ran.push(`refused: ${second.name}`));
          await ctx.shield(async (shielded) => {
            await shielded.step("release", () => void ran.push("release"));
            await shielded.sleep(parkedSleep);
            await shielded.step("notify", () => void ran.push("notify"));
          });
          throw error;
        }
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    const caught = ["ExecutionCancelled true", "refused: ExecutionCancelled"];
    expect(ran).toEqual(["reserve", ...caught, "release", ...caught, "notify"]);
  });

  test("may be swallowed: code that returns completes", async () => {
    const workflow = defineWorkflow({ name: "swallows", run: async (ctx) => ctx.sleep("1 day").catch(() => "stayed") });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.cancel();
    expect(await handle.result()).toBe("stayed");
  });

  test("reaches children, waited for one by one or many at once, and theirs", async () => {
    const ended: string[] = [];
    const leaf = defineWorkflow({
      name: "leaf",
      run: async (ctx) =>
        ctx.sleep("1 day").catch(async (error: unknown) => {
          await ctx.shield((shielded) => shielded.step("bye", () => void ended.push(ctx.executionId)));
          throw error;
        }),
    });
    const middle = defineWorkflow({ name: "middle", run: async (ctx) => ctx.child(leaf, undefined) });
    const top = defineWorkflow({ name: "top", run: async (ctx) => ctx.all([() => ctx.child(leaf, undefined), () => ctx.child(middle, undefined)]) });
    const { pawl } = await h.run([top, middle, leaf]);
    const handle = await pawl.start(top, undefined, { executionId: "top" });
    for (const id of ["top.1", "top.2.1"]) await eventually(async () => expect((await pawl.handle(id).status()).waitingFor).toBe("a timer"));
    await handle.cancel();
    for (const id of ["top", "top.1", "top.2", "top.2.1"]) await refusalOf(pawl.handle(id).result(), ExecutionCancelled);
    expect(ended.toSorted()).toEqual(["top.1", "top.2.1"]);
  });

  test("reaches a child that is still pending: its work never starts", async () => {
    let ran = 0;
    const pendingChild = defineWorkflow({ name: "pending-child", taskQueue: "later", run: async (ctx) => ctx.step("work", () => ++ran) });
    const parent = defineWorkflow({ name: "parent-of-pending", run: async (ctx) => ctx.child(pendingChild, undefined) });
    const { pawl } = await h.run([parent]);
    const handle = await pawl.start(parent, undefined, { executionId: "pending-parent" });
    const child = pawl.handle("pending-parent.1");
    await eventually(async () => expect((await child.status()).state).toBe("pending"));
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    await pawl.worker({ workflows: [pendingChild], ...soon });
    await refusalOf(child.result(), ExecutionCancelled);
    expect(ran).toBe(0);
  });

  test("at any moment leaves no child running behind its cancelled parent", async () => {
    const child = defineWorkflow({ name: "race-child", run: async (ctx) => ctx.sleep("1 day") });
    const parent = defineWorkflow({
      name: "race-parent",
      run: async (ctx) => {
        for (let i = 0; i < 5; i++) await ctx.step("s", () => i);
        await ctx.child(child, undefined);
      },
    });
    const { pawl } = await h.run([parent, child]);
    const client = await h.open();
    const handles = await Promise.all(
      Array.from({ length: 80 }, async (_, index) => {
        const handle = await pawl.start(parent, undefined, { executionId: `race-${index}` });
        for (let turn = 0; turn < index % 12; turn++) await new Promise((resolve) => setImmediate(resolve));
        await client.handle(handle.executionId).cancel();
        return handle;
      }),
    );
    for (const handle of handles) await refusalOf(handle.result(), ExecutionCancelled);
    await eventually(async () => expect((await client.list({ workflow: "race-child", state: ["pending", "running"] })).executions).toEqual([]));
  });

  test("that is delivered just before the code would start a child leaves no child behind", async () => {
    const child = defineWorkflow({ name: "late-child", run: async (ctx) => ctx.sleep("1 day") });
    const held = gate();
    const parent = defineWorkflow({
      name: "late-parent",
      run: async (ctx) => {
        await ctx.step("begin", () => "begun");
        // All recorded by one commit, delivered one after the other while the next one is under way.
        const steps = Array.from({ length: 30 }, (_, index) => ctx.step("many", () => index));
        for (const each of steps) await each;
        await ctx.child(child, undefined);
      },
    });
    let commits = 0;
    let client: Pawl | undefined;
    const pawl = await h.open({}, async (name, phase) => {
      if (name === "read-inboxes" && phase === "after") setImmediate(() => held.open());
      // The first starts it, the second records "begin", the third the many steps: it waits until the request is here.
      if (name !== "commit" || phase !== "before" || ++commits !== 3) return;
      await client!.handle("late-parent").cancel();
      await held.opened;
    });
    client = await h.open();
    await pawl.worker({ workflows: [parent, child], ...soon });
    const handle = await pawl.start(parent, undefined, { executionId: "late-parent" });
    await refusalOf(handle.result(), ExecutionCancelled);
    await eventually(async () => expect((await client.list({ parent: "late-parent", state: ["pending", "running"] })).executions).toEqual([]));
  });

  test("asked twice is one request; asked after the end changes nothing and says so", async () => {
    const held = gate();
    const workflow = defineWorkflow({
      name: "twice",
      run: async (ctx) =>
        ctx.sleep("1 day").catch(async (error: unknown) => {
          await ctx.shield((shielded) => shielded.step("clean", () => held.opened));
          throw error;
        }),
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await Promise.all([handle.cancel(), handle.cancel(), handle.cancel()]);
    await eventually(async () => expect(await types(handle)).toContain("CancelRequested"));
    await handle.cancel();
    held.open();
    await refusalOf(handle.result(), ExecutionCancelled);
    expect((await types(handle)).filter((type) => type === "CancelRequested")).toHaveLength(1);
    expect(await handle.cancel()).toBe("cancelled");

    const quick = defineWorkflow({ name: "quick", run: async () => "done" });
    const { pawl: other } = await h.run([quick]);
    const done = await other.start(quick, undefined);
    await done.result();
    expect((await refusalOf(done.cancel(), ExecutionStateInvalid)).state).toBe("completed");
    expect((await refusalOf(done.terminate(), ExecutionStateInvalid)).state).toBe("completed");
    expect((await refusalOf(done.resume(), ExecutionStateInvalid)).state).toBe("completed");
    expect(await done.result()).toBe("done");
  });

  test("that meets a claim between its two statements is delivered all the same", async () => {
    const runner = await h.open();
    const worker = await runner.worker({ workflows: [sleepy], manual: true });
    let claimed = 0;
    const client = await h.open({}, async (name, phase) => {
      if (name === "close-execution" && phase === "before" && claimed === 0) claimed = await worker.runOnce();
    });
    const handle = await client.start(sleepy, undefined);
    expect(await handle.cancel()).toBe("running");
    expect(claimed).toBe(1);
    await eventually(async () => {
      await worker.runOnce();
      expect((await handle.status()).state).toBe("cancelled");
    });
  });
});

describe("terminate", () => {
  test.each(["pending", "running", "parked"])("ends a %s execution at once; none of its code runs again", async (state) => {
    const begun = gate();
    let cleaned = false;
    const aborted = gate();
    const workflow = defineWorkflow({
      name: `terminated-${state}`,
      run: async (ctx) => {
        try {
          if (state === "parked") await ctx.sleep("1 day");
          await ctx.step("long", ({ signal }) => {
            begun.open();
            return new Promise((resolve) =>
              signal.addEventListener("abort", () => {
                aborted.open();
                resolve(1);
              }),
            );
          });
        } finally {
          cleaned = true;
        }
      },
    });
    const pawl = await h.open();
    if (state !== "pending") await pawl.worker({ workflows: [workflow], ...soon });
    const handle = await pawl.start(workflow, undefined);
    if (state === "parked") await parked(handle);
    if (state === "running") await begun.opened;
    await handle.terminate({ reason: "no more" });
    const error = await refusalOf(handle.result(), ExecutionTerminated);
    expect(error.message).toContain("no more");
    expect((await handle.status()).state).toBe("terminated");
    if (state === "running") await aborted.opened;
    await handle.terminate();
    expect(cleaned).toBe(false);
    expect((await types(handle)).at(-1)).toBe("ExecutionTerminated");
    expect((await refusalOf(handle.resume(), ExecutionStateInvalid)).state).toBe("terminated");
    expect((await refusalOf(handle.cancel(), ExecutionStateInvalid)).state).toBe("terminated");
  });
});

describe("resume", () => {
  test("of a cancelled execution goes on from what was recorded and runs none of it again", async () => {
    const ran: string[] = [];
    const begun = gate();
    const workflow = defineWorkflow({
      name: "resumed",
      run: async (ctx) => {
        const values = [ctx.random(), await ctx.step("one", () => ran.push("one")), ctx.uuid()];
        await ctx.step("two", () => {
          ran.push("two");
          if (ran.filter((name) => name === "two").length > 1) return;
          begun.open();
          return new Promise<void>(() => {});
        });
        return [...values, ctx.random()];
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await begun.opened;
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    const before = await handle.history();
    const resumed = await handle.resume();
    const result = (await resumed.result()) as unknown[];
    expect(result[1]).toBe(1);
    expect(ran).toEqual(["one", "two", "two"]);
    expect(resumed.runId).not.toBe(handle.runId);
    expect(await resumed.status()).toMatchObject({ state: "completed", runNumber: 2, runId: resumed.runId });
    const after = await resumed.history();
    const cut = before.findIndex(({ event }) => event.type === "CancelRequested");
    expect(after.slice(0, cut)).toEqual(before.slice(0, cut));
    expect(after[cut]!.event).toMatchObject({ type: "ExecutionResumed", fromRunId: handle.runId, fromState: "cancelled" });
    expect(await h.count("pawl.past_runs WHERE run_id = $1", handle.runId)).toBe(1);
  });

  test("of one that was cancelled before it began lets it begin", async () => {
    const pawl = await h.open();
    const quick = defineWorkflow({ name: "begins-late", run: async (ctx) => ctx.step("one", () => "ran") });
    const handle = await pawl.start(quick, undefined);
    await handle.cancel();
    const resumed = await handle.resume();
    await pawl.worker({ workflows: [quick], ...soon });
    expect(await resumed.result()).toBe("ran");
  });

  test("finds a child that ended while its parent was cancelled", async () => {
    const held = gate();
    const child = defineWorkflow({
      name: "goes-on",
      // Swallows the request that its parent sends on, and completes.
      run: async (ctx) =>
        ctx.step("wait", () => held.opened).catch(() => ctx.shield((shielded) => shielded.step("finish", () => held.opened.then(() => "child done")))),
    });
    const parent = defineWorkflow({ name: "has-child", run: async (ctx) => [await ctx.step("one", () => 1), await ctx.child(child, undefined)] });
    const { pawl } = await h.run([parent, child]);
    const handle = await pawl.start(parent, undefined, { executionId: "has-child" });
    await eventually(() => pawl.handle("has-child.2").status());
    await eventually(async () => expect(await types(handle)).toContain("ChildStarted"));
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    await eventually(async () => expect(await types(pawl.handle("has-child.2"))).toContain("CancelRequested"));
    held.open();
    expect(await pawl.handle("has-child.2").result()).toBe("child done");
    expect(await (await handle.resume()).result()).toEqual([1, "child done"]);
  });

  test("starts children and steps on other queues beside those of the clean-up, and keeps those that it had started before", async () => {
    const child = defineWorkflow({ name: "child", run: async (ctx, n: number) => ctx.step("it", () => n) });
    const [release, charge] = ["release", "charge"].map((name) => step(name, async () => name, { taskQueue: "elsewhere" })) as [
      () => Promise<string>,
      () => Promise<string>,
    ];
    const parent = defineWorkflow({
      name: "cleans-up-elsewhere",
      signals: { go: z.unknown() },
      run: async (ctx) => {
        const kept = await ctx.child(child, 1);
        try {
          await ctx.signal("go");
        } catch (error) {
          await ctx.shield(async (shielded) => [await shielded.child(child, 2), await release()]);
          throw error;
        }
        return [kept, await ctx.child(child, 3), await charge()];
      },
    });
    const { pawl } = await h.run([parent, child]);
    await pawl.worker({ steps: [release, charge], ...soon });
    const handle = await pawl.start(parent, undefined, { executionId: "beside" });
    for (const run of [2, 3]) {
      await eventually(async () => expect(await types(handle)).toContain("WaitStarted"));
      await handle.cancel();
      await refusalOf(handle.result(), ExecutionCancelled);
      await handle.resume();
      expect((await handle.status()).runNumber).toBe(run);
    }
    await handle.signal("go", 1);
    expect(await handle.result()).toEqual([1, 3, "charge"]);
    const started = (await handle.history()).flatMap(({ event }) => (event.type === "ChildStarted" ? [event.executionId] : []));
    expect(started).toEqual(["beside.1", "beside.r3.3", "beside.r3.4"]);
  });

  test("can be done again and again, each time as the next run, and by two at once only once", async () => {
    const { pawl } = await h.run([sleepy]);
    const handle = await pawl.start(sleepy, undefined);
    for (let run = 2; run <= 4; run++) {
      await parked(handle);
      await handle.cancel();
      await refusalOf(handle.result(), ExecutionCancelled);
      const both = await Promise.allSettled([handle.resume(), handle.resume()]);
      expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
      expect((await handle.status()).runNumber).toBe(run);
    }
    await handle.terminate();
  });

  test("of a running one is refused", async () => {
    const { pawl } = await h.run([sleepy]);
    const handle = await pawl.start(sleepy, undefined);
    expect((await refusalOf(handle.resume(), ExecutionStateInvalid)).state).toBe("running");
    await handle.terminate();
  });
});

test("a quarantined execution can be cancelled or terminated at once, without its code", async () => {
  for (const end of ["cancel", "terminate"] as const) {
    const make = (name: string) =>
      defineWorkflow({
        name: "breaks",
        run: async (ctx) => {
          await ctx.step(name, () => 1);
          await ctx.sleep(parkedSleep);
        },
      });
    const pawl = await h.open();
    const first = await pawl.worker({ workflows: [make("a")], ...soon });
    const handle = await pawl.start(make("a"), undefined);
    await parked(handle);
    await first.stop();
    const second = await pawl.worker({ workflows: [make("b")], ...soon });
    await refusalOf(handle.result(), ExecutionQuarantined);
    await second.stop();
    await handle[end]({ reason: "given up" });
    expect((await failureOf(handle.result())).message).toContain("given up");
    expect((await handle.status()).state).toBe(end === "cancel" ? "cancelled" : "terminated");
  }
});

test("an error that only looks like this execution's cancellation fails it", async () => {
  const workflow = defineWorkflow({
    name: "pretends",
    run: async () => {
      throw new ExecutionCancelled("somebody-else");
    },
  });
  const { pawl } = await h.run([workflow]);
  expect((await causeOf(pawl.execute(workflow, undefined))).name).toBe("ExecutionCancelled");
});
