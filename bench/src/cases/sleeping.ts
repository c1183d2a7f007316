import { setTimeout as delay } from "node:timers/promises";
import type { Case } from "../case.ts";
import { exactly } from "../drive.ts";

/**
 * What sleeping executions cost the worker that put them to sleep: its resident memory without garbage, before and
 * after. Only Pawl: DBOS keeps each sleeping workflow in the process as a running one.
 */
const hour = 3600;

export const sleeping: Case = {
  id: "sleeping-memory",
  title: "worker memory for 100,000 sleeping executions",
  systems: ["pawl"],
  metrics: [{ key: "megabytes", label: "", unit: "MB", better: "lower" }],
  async run(context) {
    const { sleepers } = context.scale;
    const client = await context.open("client");
    const worker = await context.spawnWorker("worker-1");
    await worker.listen();
    const putToSleep = async (count: number, total: number): Promise<void> => {
      await exactly(count, 500, async () => await client.start("sleeper", hour));
      while ((await context.audit()).sleeping < total) await delay(100);
    };
    // The same work first, so that pools, buffers and compiled code are in the memory both times.
    const warmUp = sleepers / 10;
    await putToSleep(warmUp, warmUp);
    const before = await worker.memory();
    await putToSleep(sleepers, warmUp + sleepers);
    return { megabytes: ((await worker.memory()) - before) / 2 ** 20 };
  },
};
