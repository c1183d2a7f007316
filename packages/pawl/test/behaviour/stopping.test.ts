/** Stopping a worker and closing a Pawl: in good time, once, and with nothing left behind. */
import { defineWorkflow, type Pawl } from "pawl";
import { describe, expect, test } from "vitest";
import { eventually, harness, soon } from "./harness.ts";

const h = harness();

/** Longer than anything here takes. */
const drain = "2 minutes";
const wellBeforeMs = 60_000;

async function took(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

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
