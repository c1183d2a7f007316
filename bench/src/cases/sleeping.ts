import { setTimeout as delay } from "node:timers/promises";
import type { Case } from "../case.ts";
import { exactly } from "../drive.ts";

/**
 * What sleeping executions cost the worker that put them to sleep: its memory after a full garbage collection,
 * before and after. Resident memory has in it what the allocators keep for later; the live heap is what is really held. Only Pawl: DBOS keeps each sleeping workflow in the process as a running one.
 */
const sleepers = 100_000;
const warmUp = 10_000;
const block = 5000;
const hour = 3600;

export const sleeping: Case = {
  id: "sleeping-memory",
  title: "worker memory for 100,000 sleeping executions",
  systems: ["pawl"],
  metrics: [
    { key: "resident", label: "", unit: "MB", better: "lower" },
    { key: "heap", label: "live heap", unit: "MB", better: "lower" },
  ],
  async run(context) {
    const client = await context.open("client");
    const worker = await context.spawnWorker("worker-1");
    await worker.listen();
    const putToSleep = async (count: number, total: number): Promise<void> => {
      // Block by block: this is about what sleeps, not about a long backlog.
      for (let asleep = total - count + block; asleep <= total; asleep += block) {
        await exactly(block, 500, async () => await client.start("sleeper", hour));
        while ((await context.audit()).sleeping < asleep) await delay(20);
      }
    };
    // The same work first, so that pools, buffers and compiled code are in the memory both times.
    await putToSleep(warmUp, warmUp);
    const before = await worker.memory();
    await putToSleep(sleepers, warmUp + sleepers);
    const after = await worker.memory();
    return { resident: (after.resident - before.resident) / 2 ** 20, heap: (after.heap - before.heap) / 2 ** 20 };
  },
};
