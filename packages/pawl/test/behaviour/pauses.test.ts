import { defineWorkflow, ExecutionCancelled, OptionInvalid, type Pawl, type Workflow } from "pawl";
import { afterEach, describe, expect, test } from "vitest";
import { execute } from "../support/database.ts";
import { eventually, gate, harness, refusalOf, soon, twoSteps } from "./harness.ts";

const h = harness();
const one = defineWorkflow({ name: "one", taskQueue: "first", run: async (ctx) => ctx.step("work", () => 1) });
const two = defineWorkflow({ name: "two", taskQueue: "second", run: async (ctx) => ctx.step("work", () => 2) });
const also = defineWorkflow({ name: "also", taskQueue: "second", run: async () => 3 });
const workflows = [one, two, also];

/** Pauses the workflow; its worker in this process has heard of it when a start is not claimed at once. */
async function pause(pawl: Pawl, workflow: Workflow<unknown, unknown>): Promise<void> {
  await pawl.pauses.add({ workflow: workflow.name });
  await eventually(async () => expect((await (await pawl.start(workflow, undefined)).status()).state).toBe("pending"));
}

afterEach(async () => {
  const pawl = await h.open();
  for (const scope of await pawl.pauses.list()) await pawl.pauses.remove("taskQueue" in scope ? { taskQueue: scope.taskQueue } : { workflow: scope.workflow });
});

describe("pauses", () => {
  test("of a task queue: nothing is claimed from it until it is resumed, also by a worker that starts later", async () => {
    const pawl = await h.open();
    await pawl.pauses.add({ taskQueue: "first", reason: "maintenance" });
    await pawl.pauses.add({ taskQueue: "first", reason: "again" });
    const held = await pawl.start(one, undefined);
    const free = await pawl.start(two, undefined);
    const other = await h.open();
    const worker = await other.worker({ workflows, ...soon });
    expect(await free.result()).toBe(2);
    expect(worker.health()).toMatchObject({ state: "running" });
    expect((await held.status()).state).toBe("pending");
    expect(await pawl.pauses.list()).toEqual([{ taskQueue: "first", reason: "maintenance", since: expect.any(Date) as Date }]);
    expect(await pawl.pauses.remove({ taskQueue: "first" })).toBe(true);
    expect(await held.result()).toBe(1);
    expect(await pawl.pauses.remove({ taskQueue: "first" })).toBe(false);
    expect(await pawl.pauses.list()).toEqual([]);
  });

  test("of a workflow: others in its queue go on", async () => {
    const pawl = await h.open();
    const held = await pawl.start(two, undefined);
    await pawl.pauses.add({ workflow: "two" });
    const free = await pawl.start(also, undefined);
    const worker = await pawl.worker({ workflows, manual: true });
    expect(await worker.runOnce()).toBe(1);
    expect(await free.result()).toBe(3);
    expect((await held.status()).state).toBe("pending");
    await pawl.pauses.remove({ workflow: "two" });
    expect(await worker.runOnce()).toBe(1);
    expect(await held.result()).toBe(2);
  });

  test("what a worker runs goes back into its queue at the next step boundary, and goes on from there; what is parked waits, and terminate ends it", async () => {
    const begun = gate();
    const end = gate<string>();
    const ran: string[] = [];
    const workflow = defineWorkflow({
      name: "nap",
      taskQueue: "naps",
      run: async (ctx, ms: number) => {
        if (ms > 0) await ctx.sleep(ms);
        const how = await ctx.step("work", ({ executionId }) => {
          if (executionId === "busy") ran.push("work");
          begun.open();
          return end.opened;
        });
        return ctx.step("after", ({ executionId }) => {
          if (executionId === "busy") ran.push("after");
          return how;
        });
      },
    });
    const { pawl } = await h.run([workflow]);
    const busy = await pawl.start(workflow, 0, { executionId: "busy" });
    const long = await pawl.start(workflow, 300);
    await begun.opened;
    await eventually(async () => expect(await long.status()).toMatchObject({ state: "running", workerId: null }));
    await pawl.pauses.add({ taskQueue: "naps" });
    // The worker has heard of it when a start is not claimed at once.
    await eventually(async () => expect((await (await pawl.start(workflow, 0)).status()).state).toBe("pending"));
    expect((await busy.status()).workerId).not.toBeNull();
    end.open("rested");
    await eventually(async () => expect(await busy.status()).toMatchObject({ state: "running", workerId: null }));
    expect(ran).toEqual(["work"]);
    await eventually(async () => expect(await h.count("tasks WHERE visible_at < now() AND run_id = $1", long.runId)).toBe(1));
    expect(await long.status()).toMatchObject({ state: "running", workerId: null });
    await long.terminate();
    await pawl.pauses.remove({ taskQueue: "naps" });
    expect(await busy.result()).toBe("rested");
    await eventually(async () => expect(await h.count("executions WHERE state NOT IN ('completed', 'terminated')")).toBe(0));
    expect(ran).toEqual(["work", "after"]);
  });

  test("that end while a step still runs leave its execution where it is", async () => {
    const { workflow, begun, letGo } = twoSteps("brief");
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await begun.opened;
    await pause(pawl, workflow);
    const { workerId } = await handle.status();
    expect(workerId).not.toBeNull();
    await pawl.pauses.remove({ workflow: "brief" });
    await eventually(async () => expect(await h.count("executions WHERE state = 'pending'")).toBe(0));
    letGo.open("first");
    expect(await handle.result()).toBe("first and second");
    expect(await h.count("executions WHERE run_id = $1 AND epoch = 2", handle.runId)).toBe(1);
  });

  test("give back what they hold, but nothing of what a claim brings meanwhile", async () => {
    const [claimed, mayHear] = [gate(), gate()];
    const ran: number[] = [];
    const { workflow: held, begun, letGo } = twoSteps("held");
    const free = defineWorkflow({ name: "free", run: async (ctx) => ctx.step("work", () => ran.push(1)) });
    const seen: string[] = [];
    let isHolding = false;
    const pawl = await h.open({}, async (name, phase) => {
      if (phase !== "after") return;
      seen.push(name);
      if (name !== "claim" || !isHolding || (await h.count("executions WHERE workflow = 'free' AND worker_id IS NOT NULL")) === 0) return;
      claimed.open();
      await mayHear.opened;
    });
    await pawl.worker({ workflows: [held, free], ...soon });
    const handle = await pawl.start(held, undefined);
    await begun.opened;
    await pause(pawl, held);
    isHolding = true;
    const other = await (await h.open()).start(free, undefined);
    await claimed.opened;
    seen.length = 0;
    letGo.open("first");
    await eventually(async () => expect((await handle.history()).map(({ event }) => event.type)).toContain("StepCompleted"));
    await eventually(() => expect(seen.filter((name) => name === "read-claim-rules").length).toBeGreaterThan(1));
    expect(seen).not.toContain("release");
    isHolding = false;
    mayHear.open();
    expect(await other.result()).toBe(1);
    await eventually(async () => expect((await handle.status()).workerId).toBeNull());
    expect(ran).toEqual([1]);
    await pawl.pauses.remove({ workflow: "held" });
    expect(await handle.result()).toBe("first and second");
  });

  test("hold up no worker that stops", async () => {
    const { workflow, begun, letGo } = twoSteps("leaving");
    const { pawl, worker } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await begun.opened;
    await pause(pawl, workflow);
    const stopped = worker.stop({ drain: "1 hour" });
    letGo.open("first");
    await stopped;
    expect((await handle.history()).map(({ event }) => event.type)).toContain("StepCompleted");
    expect(await handle.status()).toMatchObject({ state: "running", workerId: null });
    await pawl.worker({ workflows: [workflow], ...soon });
    await pawl.pauses.remove({ workflow: "leaving" });
    expect(await handle.result()).toBe("first and second");
  });

  test("let whoever is to be cancelled stop its step and clean up", async () => {
    const begun = gate();
    const workflow = defineWorkflow({
      name: "tidy",
      run: async (ctx) => {
        try {
          await ctx.step("work", ({ signal }) => {
            begun.open();
            return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
          });
        } finally {
          await ctx.shield((shielded) => shielded.set("tidied", true));
        }
      },
    });
    const { pawl } = await h.run([workflow]);
    const handle = await pawl.start(workflow, undefined);
    await begun.opened;
    await pause(pawl, workflow);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow(ExecutionCancelled);
    expect(await handle.value("tidied")).toBe(true);
    await pawl.pauses.remove({ workflow: "tidy" });
  });

  test("hold starts that a worker of the same process would claim at once", async () => {
    const { pawl } = await h.run(workflows);
    await pawl.pauses.add({ workflow: "one" });
    // The hint reaches the worker here in the same turn; the pause is read before the next start.
    await eventually(async () => {
      const handle = await pawl.start(one, undefined);
      expect((await handle.status()).state).toBe("pending");
    });
    const held = await pawl.start(one, undefined, { delay: 1 });
    expect((await held.status()).state).toBe("pending");
    await pawl.pauses.remove({ workflow: "one" });
    expect(await held.result()).toBe(1);
  });

  test("name one thing each", async () => {
    const pawl = await h.open();
    await refusalOf(pawl.pauses.add({} as never), OptionInvalid);
    await refusalOf(pawl.pauses.add({ taskQueue: "a", workflow: "b" }), OptionInvalid);
    await refusalOf(pawl.pauses.add({ taskQueue: "" }), OptionInvalid);
    expect(await (await h.open({ namespace: "other" })).pauses.list()).toEqual([]);
  });
});

test("a worker that loses its lease while it asks for pauses for the first time claims nothing before it has heard of them", async () => {
  const pawl = await h.open();
  await pawl.pauses.add({ taskQueue: "unheard" });
  const early = defineWorkflow({ name: "early", taskQueue: "unheard", run: async () => "done" });
  const handle = await pawl.start(early, undefined);
  const heard = gate();
  const seen: string[] = [];
  const other = await h.open({}, async (name, phase) => {
    if (name === "read-claim-rules" && phase === "before") await heard.opened;
    if (phase === "after") seen.push(name);
  });
  const starting = other.worker({ workflows: [early], lease: "1s", pollInterval: 10 });
  try {
    // A new lease leads to a claim at once. That of the second would come before the third is there.
    for (const leases of [1, 2, 3]) {
      await eventually(() => expect(seen.filter((name) => name === "register-worker")).toHaveLength(leases));
      await execute(h.url, "UPDATE pawl.workers SET state = 'dead' WHERE state = 'live' AND task_queues = ARRAY['unheard']");
    }
    expect(seen).not.toContain("claim");
  } finally {
    heard.open();
    await starting;
  }
  expect((await handle.status()).state).toBe("pending");
  await pawl.pauses.remove({ taskQueue: "unheard" });
  expect(await handle.result()).toBe("done");
});
