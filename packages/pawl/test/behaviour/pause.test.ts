import {
  defineWorkflow,
  ExecutionCancelled,
  ExecutionNotFound,
  ExecutionStateInvalid,
  ExecutionTerminated,
  ExecutionTimedOut,
  type ExecutionHandle,
} from "pawl";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { claimIdly, eventually, gate, harness, refusalOf, soon, twoSteps } from "./harness.ts";

const h = harness();

const parked = (handle: Pick<ExecutionHandle, "status" | "history">) =>
  eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
const isPaused = (handle: Pick<ExecutionHandle, "status" | "history">) =>
  eventually(async () => expect(await handle.status()).toMatchObject({ state: "paused", workerId: null }));
const types = async (handle: Pick<ExecutionHandle, "status" | "history">) => (await handle.history()).map(({ event }) => event.type);

const sleepy = defineWorkflow({ name: "sleepy", run: async (ctx) => ctx.sleep("30 days") });
const waiting = defineWorkflow({ name: "waiting", signals: { go: z.unknown() }, run: async (ctx) => ctx.signal("go") });

/** Starts it on a worker that has a step running, and asks it to pause. */
async function askedToPause(...opening: Parameters<typeof h.open>) {
  const steps = twoSteps();
  const pawl = await h.open(...opening);
  await pawl.worker({ workflows: [steps.workflow], ...soon });
  const handle = await pawl.start(steps.workflow, undefined);
  await steps.begun.opened;
  expect(await handle.pause({ reason: "wait a moment" })).toBe("running");
  // When the signal that was sent after it has arrived, so has the request.
  await pawl.handle(handle.executionId).signal("after", 1);
  await eventually(async () => expect(await types(handle)).toContain("SignalReceived"));
  return { ...steps, pawl, handle };
}

test("what cannot be paused says so, and is tried again once in a while until it can", async () => {
  let [tried, works] = [0, false];
  const errors: string[] = [];
  const logger = { info() {}, warn() {}, error: (line: string) => void errors.push(line) };
  const { handle, letGo, ran } = await askedToPause({ logger }, (name, phase) => {
    if (name !== "pause-claimed" || phase !== "before") return;
    tried++;
    if (!works) throw new Error("permission denied for table history");
  });
  const since = performance.now();
  letGo.open("one");
  await eventually(() => expect(errors.some((line) => line.includes("could not be paused: permission denied"))).toBe(true));
  await eventually(() => expect(tried).toBeGreaterThan(7));
  // A few times as it comes to where it could pause, then with the checks, which come once a second.
  expect(performance.now() - since).toBeGreaterThan(1000);
  works = true;
  await isPaused(handle);
  expect(ran).toEqual(["first"]);
  await handle.terminate();
});

test("a request that its owner had not read when it gave it back does not pause it again after the resume", async () => {
  const pawl = await h.open();
  const handle = await pawl.start(waiting, undefined, { taskQueue: "given-back" });
  const idle = await claimIdly(pawl, waiting.name, "given-back");
  expect(await handle.pause()).toBe("running");
  await pawl.store.release(idle, []);
  expect(await handle.pause()).toBe("paused");
  await handle.resume();
  await pawl.worker({ workflows: [waiting], taskQueues: ["given-back"], ...soon });
  await eventually(async () => expect(await types(handle)).toContain("WaitStarted"));
  await handle.signal("go", 1);
  expect(await handle.result()).toBe(1);
  expect(await types(handle)).toEqual(["ExecutionStarted", "ExecutionPaused", "ExecutionUnpaused", "WaitStarted", "SignalReceived", "ExecutionCompleted"]);
});

test("a cancel request that is heard of while the pause before it is carried out goes first", async () => {
  const [asked, heard, mayRead] = [gate(), gate(), gate()];
  let [reads, isHeard] = [0, false];
  const { handle, letGo, ran } = await askedToPause({}, async (name, phase) => {
    if (name === "pause-claimed" && phase === "before") {
      asked.open();
      await heard.opened;
    }
    if (name !== "read-inboxes") return;
    // From here on it goes by what it has heard.
    if (phase === "before" && isHeard) await mayRead.opened;
    if (phase === "after") reads++;
  });
  letGo.open("first");
  await asked.opened;
  await handle.cancel();
  // The one that is under way may have been asked before.
  const before = reads;
  await eventually(() => expect(reads).toBeGreaterThan(before + 1));
  isHeard = true;
  heard.open();
  await eventually(async () => expect(["paused", "cancelled"]).toContain((await handle.status()).state));
  mayRead.open();
  await expect(handle.result()).rejects.toThrow(ExecutionCancelled);
  expect(await types(handle)).not.toContain("ExecutionPaused");
  expect(ran).toEqual(["first"]);
});

test("nothing begins while the reply to a pause is on its way, whatever the inbox says meanwhile", async () => {
  const [paused, answered] = [gate(), gate()];
  let reading: "as ever" | "held" | "waits" | "done" = "as ever";
  const { handle, letGo, ran } = await askedToPause({}, async (name, phase) => {
    if (name === "pause-claimed" && phase === "after") {
      paused.open();
      await answered.opened;
    }
    if (name !== "read-inboxes") return;
    if (phase === "before" && reading === "held") {
      reading = "waits";
      await paused.opened;
    } else if (phase === "after" && reading === "waits") reading = "done";
  });
  // Workers look into inboxes once a second: this time, it is paused between the question and the answer.
  reading = "held";
  await eventually(() => expect(reading).toBe("waits"));
  letGo.open("first");
  await eventually(() => expect(reading).toBe("done"));
  await isPaused(handle);
  expect(ran).toEqual(["first"]);
  answered.open();
  await handle.resume();
  expect(await handle.result()).toBe("first and second");
  expect(ran).toEqual(["first", "second"]);
});

describe("pause", () => {
  test("lets the step that runs end and records it, and begins nothing until resume", async () => {
    const { handle, letGo, ran } = await askedToPause();
    letGo.open("first");
    await isPaused(handle);
    expect(await types(handle)).toEqual(expect.arrayContaining(["StepCompleted", "ExecutionPaused"]));
    expect((await handle.history()).at(-1)!.event).toEqual({ type: "ExecutionPaused", wakeAt: 0, reason: "wait a moment" });
    expect(ran).toEqual(["first"]);
    expect(await handle.pause()).toBe("paused");
    const resumed = await handle.resume();
    expect(resumed.runId).toBe(handle.runId);
    expect(await handle.result()).toBe("first and second");
    expect(ran).toEqual(["first", "second"]);
    expect(await types(handle)).toContain("ExecutionUnpaused");
  });

  test("is taken back by a resume that comes before it took effect", async () => {
    const { handle, letGo } = await askedToPause();
    await handle.resume();
    letGo.open("first");
    expect(await handle.result()).toBe("first and second");
    expect(await types(handle)).not.toContain("ExecutionPaused");
  });

  test("holds a parked execution at once, and resume restores its timer", async () => {
    const { pawl } = await h.run([sleepy]);
    const handle = await pawl.start(sleepy, undefined);
    await parked(handle);
    const due = "tasks WHERE visible_at > now() + interval '29 days' AND run_id = $1";
    expect(await h.count(due, handle.runId)).toBe(1);
    expect(await handle.pause()).toBe("paused");
    expect(await h.count("tasks WHERE run_id = $1", handle.runId)).toBe(0);
    await handle.resume();
    expect(await handle.status()).toMatchObject({ state: "running", workerId: null });
    expect(await h.count(due, handle.runId)).toBe(1);
    await handle.terminate();
  });

  test("a timer that came due meanwhile fires after resume", async () => {
    const workflow = defineWorkflow({ name: "nap", run: async (ctx) => ctx.sleep(600) });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await parked(handle);
    await handle.pause();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(await types(handle)).not.toContain("TimerFired");
    await handle.resume();
    await handle.result();
    expect(await types(handle)).toContain("TimerFired");
  });

  test("a signal waits for the end of the pause and is not lost", async () => {
    const { pawl } = await h.run([waiting]);
    const handle = await pawl.start(waiting, undefined);
    await parked(handle);
    await handle.pause();
    await handle.signal("go", "now");
    expect(await handle.status()).toMatchObject({ state: "paused" });
    expect(await types(handle)).not.toContain("SignalReceived");
    await handle.resume();
    expect(await handle.result()).toBe("now");
  });

  test("the end of a child waits for its paused parent", async () => {
    const child = defineWorkflow({ name: "child", signals: { end: z.unknown() }, run: async (ctx) => ctx.signal("end") });
    const parent = defineWorkflow({ name: "parent", run: async (ctx) => ctx.child(child, undefined) });
    const { pawl } = await h.run([parent, child]);
    const handle = await pawl.start(parent, undefined);
    await parked(handle);
    await handle.pause();
    const ofChild = pawl.handle(`${handle.executionId}.1`);
    await ofChild.signal("end", 7);
    expect(await ofChild.result()).toBe(7);
    expect(await handle.status()).toMatchObject({ state: "paused" });
    await handle.resume();
    expect(await handle.result()).toBe(7);
  });

  test("holds an execution that has not begun; its delay counts on", async () => {
    const quick = defineWorkflow({ name: "quick", run: async () => 1 });
    const pawl = await h.open();
    const handle = await pawl.start(quick, undefined, { delay: 50 });
    expect(await handle.pause()).toBe("paused");
    const worker = await pawl.worker({ workflows: [quick], ...soon });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await types(handle)).toEqual(["ExecutionStarted", "ExecutionPaused"]);
    await handle.resume();
    expect(await handle.result()).toBe(1);
    await worker.stop();
  });

  test("a request outlives the worker that was asked", async () => {
    const { handle, pawl, ran, workflow } = await askedToPause();
    const other = await h.open();
    await pawl.close({ drain: 0 });
    await other.worker({ workflows: [workflow], ...soon });
    await isPaused(other.handle(handle.executionId));
    expect(ran).toEqual(["first"]);
    await other.handle(handle.executionId).terminate();
  });

  test("cancel wakes a paused execution, whose code cleans up", async () => {
    const cleaned: string[] = [];
    const tidy = defineWorkflow({
      name: "tidy",
      run: async (ctx) => {
        try {
          await ctx.sleep("1 day");
        } finally {
          await ctx.shield((shielded) => shielded.step("clean up", () => void cleaned.push("done")));
        }
      },
    });
    const { pawl } = await h.run([tidy]);
    const handle = await pawl.start(tidy, undefined);
    await parked(handle);
    await handle.pause();
    await handle.cancel();
    await refusalOf(handle.result(), ExecutionCancelled);
    expect(cleaned).toEqual(["done"]);
  });

  test("the cancel of a parent reaches a paused child", async () => {
    const parent = defineWorkflow({ name: "parent", run: async (ctx) => ctx.child(sleepy, undefined) });
    const { pawl } = await h.run([parent, sleepy]);
    const handle = await pawl.start(parent, undefined);
    await parked(handle);
    const child = pawl.handle(`${handle.executionId}.1`);
    await parked(child);
    await child.pause();
    await handle.cancel();
    await refusalOf(child.result(), ExecutionCancelled);
  });

  test("a child that is to be terminated with its parent ends, whether it was paused before or is to be paused after", async () => {
    const parent = defineWorkflow({
      name: "parent",
      run: async (ctx) => Promise.all(["before", "after"].map((id) => ctx.child(sleepy, undefined, { executionId: id, parentClosePolicy: "terminate" }))),
    });
    const { pawl, worker } = await h.run([parent, sleepy]);
    const handle = await pawl.start(parent, undefined);
    const [before, after] = [pawl.handle("before"), pawl.handle("after")];
    for (const each of [handle, before, after]) await parked(each);
    await worker.stop();
    await before.pause();
    await handle.terminate();
    expect((await refusalOf(after.pause(), ExecutionStateInvalid)).message).toContain("ends with its parent");
    await pawl.worker({ workflows: [parent, sleepy], ...soon });
    for (const child of [before, after]) await refusalOf(child.result(), ExecutionTerminated);
  });

  test("one paused before it began is cancelled without its code", async () => {
    const pawl = await h.open();
    const handle = await pawl.start(sleepy, undefined);
    await handle.pause();
    expect(await handle.cancel()).toBe("cancelled");
    expect(await types(handle)).toEqual(["ExecutionStarted", "ExecutionPaused", "ExecutionCancelled"]);
  });

  test("terminate ends a paused execution at once", async () => {
    const { pawl } = await h.run([sleepy]);
    const handle = await pawl.start(sleepy, undefined);
    await parked(handle);
    await handle.pause();
    await handle.terminate();
    expect((await handle.status()).state).toBe("terminated");
  });

  test("its timeout ends a paused execution", async () => {
    const { pawl } = await h.run([sleepy]);
    const handle = await pawl.start(sleepy, undefined, { timeout: 1000 });
    await parked(handle);
    expect(await handle.pause()).toBe("paused");
    await refusalOf(handle.result(), ExecutionTimedOut);
    expect(await types(handle)).toEqual(["ExecutionStarted", "TimerStarted", "ExecutionPaused", "ExecutionTimedOut"]);
  });

  test("is refused where there is nothing to hold", async () => {
    const { pawl } = await h.run([sleepy]);
    await refusalOf(pawl.handle("nobody").pause(), ExecutionNotFound);
    const handle = await pawl.start(sleepy, undefined);
    await handle.terminate();
    expect((await refusalOf(handle.pause(), ExecutionStateInvalid)).message).toContain("It has ended");
    await refusalOf(handle.resume(), ExecutionStateInvalid);
    const held = defineWorkflow({
      name: "held",
      signals: { done: z.unknown() },
      run: async (ctx) => {
        try {
          await ctx.sleep("1 day");
        } finally {
          await ctx.shield((shielded) => shielded.signal("done"));
        }
      },
    });
    const other = await h.run([held]);
    const cancelling = await other.pawl.start(held, undefined);
    await parked(cancelling);
    await cancelling.cancel();
    expect((await refusalOf(cancelling.pause(), ExecutionStateInvalid)).message).toContain("being cancelled");
    await eventually(async () => expect(await types(cancelling)).toContain("WaitStarted"));
    await refusalOf(cancelling.pause(), ExecutionStateInvalid);
    await cancelling.signal("done", 1);
    await refusalOf(cancelling.result(), ExecutionCancelled);
  });
});
