/** Stopping a worker and closing a Pawl: in good time, once, and with nothing left behind. */
import { Closed, defineWorkflow, type Pawl } from "pawl";
import { describe, expect, test } from "vitest";
import { eventually, gate, harness, refusalOf, soon } from "./harness.ts";

const h = harness();

/** Longer than anything here takes. */
const drain = "2 minutes";
const wellBeforeMs = 60_000;

async function took(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

const quick = defineWorkflow({ name: "quick", run: async (ctx) => ctx.step("one", () => "done") });

function chain(steps: number, ran: string[], worker: string) {
  return defineWorkflow({
    name: "chain",
    run: async (ctx) => {
      for (let i = 0; i < steps; i++)
        await ctx.step("link", async () => {
          ran.push(worker);
          await new Promise((resolve) => setTimeout(resolve, 20));
        });
      return "end";
    },
  });
}

/** A Pawl whose lease can seem to have run out. */
async function withLease(pawl: Pawl): Promise<{ valid: boolean }> {
  const lease = { valid: true };
  const keepLease = pawl.store.keepLease.bind(pawl.store);
  pawl.store.keepLease = (options) => {
    const kept = keepLease(options);
    return { isValid: () => lease.valid && kept.isValid(), stop: () => kept.stop() };
  };
  return lease;
}

describe("worker.stop()", () => {
  test("waits for the steps that run, and not for executions whose next step would be to start: they go on elsewhere at once", async () => {
    const ran: string[] = [];
    const { pawl, worker } = await h.run([chain(60, ran, "first")]);
    const handle = await pawl.start("chain", undefined);
    await eventually(() => expect(ran.length).toBeGreaterThan(3));
    await (await h.open()).worker({ workflows: [chain(60, ran, "second")], ...soon });
    expect(await took(() => worker.stop({ drain }))).toBeLessThan(wellBeforeMs);
    expect(await handle.result()).toBe("end");
    // Every step that began has been recorded.
    expect(ran).toHaveLength(60);
    expect(ran.at(-1)).toBe("second");
  });

  test.each([0, 20])("after %i ms hands on how far each step was that it interrupts", async (drained) => {
    const seen: unknown[] = [];
    const copying = defineWorkflow({
      name: "copying",
      run: async (ctx) =>
        Promise.all(
          [1, 2].map((copy) =>
            ctx.step("copy", async ({ attempt, heartbeat, lastHeartbeat, signal }) => {
              if (attempt > 1) return lastHeartbeat;
              heartbeat({ copy, page: 1 });
              heartbeat({ copy, page: 2 });
              seen.push(copy);
              return new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
            }),
          ),
        ),
    });
    const { pawl, worker } = await h.run([copying]);
    const handle = await pawl.start(copying, undefined);
    await eventually(() => expect(seen).toHaveLength(2));
    await worker.stop({ drain: drained });
    await (await h.open()).worker({ workflows: [copying], ...soon });
    expect(await handle.result()).toEqual([
      { copy: 1, page: 2 },
      { copy: 2, page: 2 },
    ]);
    const types = (await handle.history()).map(({ event }) => event.type);
    expect(types.filter((type) => type === "StepHeartbeat")).toHaveLength(2);
    expect(types.indexOf("StepStarted")).toBeLessThan(types.indexOf("StepHeartbeat"));
  });

  test("gives back an execution whose start is acknowledged only after everything was dropped", async () => {
    const held = gate();
    let holding = false;
    const committed = gate();
    const pawl = await h.open({}, async (name, phase) => {
      if (!holding || name !== "commit" || phase !== "after") return;
      committed.open();
      await held.opened;
    });
    const late = defineWorkflow({ name: "late", timeout: "1 hour", run: async (ctx) => ctx.step("one", () => "done") });
    const worker = await pawl.worker({ workflows: [late], ...soon });
    holding = true;
    const starting = pawl.start(late, undefined);
    await committed.opened;
    const stopping = worker.stop({ drain: 0 });
    held.open();
    holding = false;
    await stopping;
    const handle = await starting;
    expect(worker.health()).toMatchObject({ state: "stopped", active: 0 });
    await pawl.worker({ workflows: [late], ...soon });
    expect(await handle.result()).toBe("done");
  });
});

test("steps that a lease in doubt held back start when it is known to hold", async () => {
  const pawl = await h.open();
  const lease = await withLease(pawl);
  const ran: string[] = [];
  const worker = await pawl.worker({ workflows: [chain(10, ran, "only")], concurrency: 2, ...soon });
  const handles = await Promise.all([1, 2, 3].map(() => pawl.start("chain", undefined)));
  await eventually(() => expect(ran.length).toBeGreaterThan(3));
  lease.valid = false;
  // Nothing runs, so nothing needs a slot.
  await eventually(() => expect(worker.health().slots.used).toBe(0));
  lease.valid = true;
  expect(await Promise.all(handles.map((handle) => handle.result()))).toEqual(["end", "end", "end"]);
  expect(ran).toHaveLength(30);
});

describe("pawl.close()", () => {
  test("comes to its end although the database cannot be reached", async () => {
    let away = false;
    const pawl = await h.open({}, () => {
      if (away) throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    });
    await pawl.worker({ workflows: [quick], ...soon });
    expect(await pawl.execute(quick, undefined)).toBe("done");
    away = true;
    const begun = pawl.start(quick, undefined);
    await Promise.all([refusalOf(begun, Closed), took(() => pawl.close({ drain: 0 })).then((ms) => expect(ms).toBeLessThan(wellBeforeMs))]);
  });

  test("lets no worker start any more, also while it waits for running steps", async () => {
    const held = gate();
    const begun = gate();
    const slow = defineWorkflow({
      name: "slow",
      run: async (ctx) =>
        ctx.step("wait", () => {
          begun.open();
          return held.opened;
        }),
    });
    const { pawl } = await h.run([slow]);
    await pawl.start(slow, undefined);
    await begun.opened;
    const closing = pawl.close({ drain });
    await refusalOf(pawl.worker({ workflows: [slow], ...soon }), Closed);
    held.open();
    await closing;
  });

  test("called again waits for the same end", async () => {
    const held = gate();
    const committing = gate();
    const pawl = await h.open({}, async (name, phase) => {
      if (name !== "commit" || phase !== "before") return;
      committing.open();
      await held.opened;
    });
    const order: string[] = [];
    const starting = pawl.start(quick, undefined).then(() => order.push("started"));
    await committing.opened;
    const closings = [1, 2].map(() => pawl.close().then(() => order.push("closed")));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(order).toEqual([]);
    held.open();
    await Promise.all([starting, ...closings]);
    expect(order).toEqual(["started", "closed", "closed"]);
  });
});

test("a worker that could not start leaves nothing behind", async () => {
  const namespace = "cannot-start";
  const { now } = Date;
  const pawl = await h.open({ namespace }, (name) => {
    if (name === "read-claim-rules") throw Object.assign(new Error("permission denied for table pauses"), { code: "42501" });
  });
  await expect(pawl.worker({ workflows: [quick] })).rejects.toThrow("permission denied");
  expect(Date.now).toBe(now);
  expect((await pawl.workers()).map(({ state }) => state)).toEqual(["stopped"]);
});
