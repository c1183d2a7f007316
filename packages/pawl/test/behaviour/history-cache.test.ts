import type { StandardSchemaV1 } from "@standard-schema/spec";
import { defineWorkflow } from "pawl";
import { expect, test } from "vitest";
import { eventually, harness, soon } from "./harness.ts";

const h = harness();

const amount: StandardSchemaV1<number> = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: value as number }) } };
const steps = 80;

/** Does many steps, then adds up what it is told until it is told 0. A step gives a list that its code changes. */
const long = defineWorkflow({
  name: "long",
  signals: { add: amount },
  run: async (ctx) => {
    const lists = await ctx.map(
      Array.from({ length: steps }, (_, index) => index),
      (index) => ctx.step(`step-${index}`, () => [index]),
    );
    let sum = 0;
    for (const list of lists) sum += list.push(1);
    for (;;) {
      const told = await ctx.signal("add");
      if (told === 0) return sum;
      sum += told;
    }
  },
});

test("an execution with a long history that wakes on the worker where it parked is not read again, and goes on as it was", async () => {
  let reads = 0;
  const pawl = await h.open({}, (name, phase) => {
    if (name === "read-histories" && phase === "before") reads++;
  });
  const worker = await pawl.worker({ workflows: [long], ...soon });
  const handle = await pawl.start(long, undefined, { executionId: "long" });
  const parked = (): Promise<void> =>
    eventually(async () => {
      expect((await handle.status()).waitingFor).toContain("signal");
      expect(worker.health().active).toBe(0);
    });
  await parked();
  expect(reads).toBe(0);
  const readsAfter: number[] = [];
  for (const added of [10, 20, 30]) {
    await handle.signal("add", added);
    await eventually(async () => expect((await handle.history()).filter(({ event }) => event.type === "SignalReceived")).toHaveLength(added / 10));
    await parked();
    readsAfter.push(reads);
  }
  // It was never read before it parked for the first time.
  expect(readsAfter).toEqual([1, 1, 1]);

  // Another worker goes on with it, and then this one must not believe what it remembers.
  const elsewhere = await h.open();
  const other = await elsewhere.worker({ workflows: [long], ...soon });
  await worker.stop();
  await handle.signal("add", 40);
  await eventually(async () => expect((await handle.history()).filter(({ event }) => event.type === "SignalReceived")).toHaveLength(4));
  await eventually(() => expect(other.health().active).toBe(0));
  await other.stop();
  await pawl.worker({ workflows: [long], ...soon });
  await handle.signal("add", 0);
  expect(await handle.result()).toBe(steps * 2 + 100);
  expect(reads).toBe(2);
});
