import { defineWorkflow, ExecutionTimedOut, OptionInvalid } from "pawl";
import { expect, test } from "vitest";
import { query } from "../support/database.ts";
import { eventually, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

const sleepy = defineWorkflow({ name: "sleepy", timeout: 400, run: async (ctx) => ctx.sleep("30 days") });

test("an execution that takes longer than its timeout ends as timed out, and none of its code runs then", async () => {
  const done: string[] = [];
  const workflow = defineWorkflow({
    name: "cleaning",
    timeout: 300,
    run: async (ctx) => {
      try {
        await ctx.step("hang", ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))));
      } finally {
        done.push("clean up");
      }
    },
  });
  const { pawl } = await h.run([workflow]);
  const handle = await pawl.start(workflow, undefined);
  const error = await refusalOf(handle.result(), ExecutionTimedOut);
  expect(error.message).toContain("300 ms");
  expect((await handle.status()).state).toBe("timed_out");
  expect((await handle.history()).at(-1)!.event).toEqual({ type: "ExecutionTimedOut", timeoutMs: 300, deadline: expect.any(Number) as number });
  expect(done).toEqual([]);
});

test("a parked execution wakes for its deadline, and one that nobody ran ends when somebody could", async () => {
  const { pawl } = await h.run([sleepy]);
  await refusalOf((await pawl.start(sleepy, undefined)).result(), ExecutionTimedOut);
  const alone = await h.open();
  const late = await alone.start(defineWorkflow({ name: "late", timeout: 1, run: async () => "too late" }), undefined);
  await alone.worker({ workflows: [defineWorkflow({ name: "late", run: async () => "too late" })], ...soon });
  await refusalOf(late.result(), ExecutionTimedOut);
});

test("the start decides over the definition, and a delay does not count", async () => {
  const { pawl } = await h.run([sleepy]);
  const patient = await pawl.start(sleepy, undefined, { timeout: "1 day" });
  await eventually(async () => expect(await patient.status()).toMatchObject({ state: "running", workerId: null }));
  const quick = defineWorkflow({ name: "quick", run: async () => "done" });
  await pawl.worker({ workflows: [quick], ...soon });
  expect(await pawl.execute(quick, undefined, { delay: 2500, timeout: 2000 })).toBe("done");
  await refusalOf(pawl.start(quick, undefined, { timeout: -1 }), OptionInvalid);
  expect(() => defineWorkflow({ name: "wrong", timeout: "soon", run: () => 1 })).toThrow(OptionInvalid);
});

test("a delay comes before the time of the first run only, in a worker and in the database, and is no part of what the error names", async () => {
  const { pawl } = await h.run([sleepy]);
  const day = 86_400_000;
  const started = [
    await pawl.start(sleepy, undefined, { delay: 600 }),
    await pawl.start(sleepy, undefined, { debounce: { key: "d", period: 1, maxWait: 600 } }),
    await pawl.start(sleepy, undefined, { delay: "30 days", timeout: "1 hour", executionId: "delayed" }),
  ] as const;
  for (const handle of started.slice(0, 2)) {
    expect((await refusalOf(handle.result(), ExecutionTimedOut)).message).toContain(" 400 ms");
    const [first, ...others] = await handle.history();
    expect(first!.event).toMatchObject({ timeoutMs: 400, delayMs: 600 });
    expect(others.at(-1)!.event).toMatchObject({ timeoutMs: 400, deadline: expect.closeTo(first!.at.getTime() + 1000, -1) });
    const again = await handle.retry();
    await eventually(async () => expect(await again.status()).toMatchObject({ state: "timed_out", runId: again.runId }));
    const events = await again.history();
    const resumed = events.findLast(({ event }) => event.type === "ExecutionResumed")!;
    expect(events.at(-1)!.event).toMatchObject({ timeoutMs: 400, deadline: expect.closeTo(resumed.at.getTime() + 400, -1) });
  }
  const deadline = async (runId: string | undefined) =>
    (await query<{ at: Date }>(h.url, "SELECT pawl.deadline_of($1::uuid) AS at", [runId]))[0]!.at.getTime() - Date.now();
  const [, , delayed] = started;
  expect(Math.round((await deadline(delayed.runId)) / day)).toBe(30);
  const next = await delayed.rollback({ to: 1 });
  expect(Math.round((await deadline(next.runId)) / 3_600_000)).toBe(1);
  await next.terminate();
});

test("a child has no more time than its parent, is asked to stop when the parent's is over, and its parent hears of its own", async () => {
  const child = defineWorkflow({ name: "child", run: async (ctx) => ctx.sleep("1 hour") });
  const impatient = defineWorkflow({
    name: "impatient",
    run: async (ctx) => ctx.child(child, undefined, { timeout: 50 }).catch((error: Error) => error.name),
  });
  const parent = defineWorkflow({ name: "parent", timeout: 700, run: async (ctx) => ctx.child(child, undefined) });
  const { pawl } = await h.run([child, impatient, parent]);
  expect(await pawl.execute(impatient, undefined)).toBe("ExecutionTimedOut");
  await refusalOf(pawl.execute(parent, undefined, { executionId: "parent" }), ExecutionTimedOut);
  await eventually(async () => expect(["cancelled", "timed_out"]).toContain((await pawl.handle("parent.1").status()).state));
});

test("what hears that the time of a child was over with its own has timed out too, though its worker's clock is slow", async () => {
  const child = defineWorkflow({ name: "child", run: async (ctx) => ctx.sleep("1 hour") });
  const parent = defineWorkflow({ name: "parent", timeout: 3000, run: async (ctx) => ctx.child(child, undefined, { taskQueue: "fast" }) });
  const over = gate();
  let isSlow = false;
  const slow = await h.open({}, async (name, phase) => {
    // With nothing else that tells the time, a reply that is late leaves the clock as far behind.
    if (isSlow && name === "claim" && phase === "before") await over.opened;
    if (isSlow || name !== "commit" || phase !== "after") return;
    isSlow = true;
    await new Promise((resolve) => setTimeout(resolve, 2500));
  });
  const fast = await h.open();
  await fast.worker({ workflows: [child], taskQueues: ["fast"], ...soon });
  const handle = await fast.start(parent, undefined, { executionId: "parent" });
  await slow.worker({ workflows: [parent], ...soon });
  await refusalOf(handle.result(), ExecutionTimedOut).finally(() => over.open());
  expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "ChildStarted", "ExecutionTimedOut"]);
  expect((await fast.handle("parent.1").status()).state).toBe("timed_out");
});
