/** Starts executions that sleep for an hour, and says what memory is left of them once all are parked. */
import { setTimeout as delay } from "node:timers/promises";
import { openPawl } from "pawl/internal";
import { makeCases } from "./cases.mjs";
import { options, report, serve } from "./program.mjs";

const { pawl: pawlOptions } = /** @type {{ pawl: import("pawl").PawlOptions }} */ (options);
const pawl = await openPawl(pawlOptions);
const { sleeping } = makeCases("/dev/null");
const worker = await pawl.worker({ workflows: [sleeping] });

async function parked() {
  const { slots, active } = worker.health();
  return slots.used === 0 && active === 0 && (await pawl.list({ state: "pending", limit: 1 })).executions.length === 0;
}

serve({
  sleep: async ({ from, to }) => {
    for (let start = Number(from); start < Number(to); start += 500) {
      await Promise.all(
        Array.from({ length: Math.min(500, Number(to) - start) }, (_, n) => pawl.start(sleeping, 3_600_000, { executionId: `sleeper-${start + n}` })),
      );
    }
    while (!(await parked())) await delay(50);
    if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
    globalThis.gc();
    await delay(0);
    globalThis.gc();
    return { heapUsed: process.memoryUsage().heapUsed, active: worker.health().active };
  },
  close: async () => {
    await pawl.close();
    process.stdin.destroy();
  },
});
report("ready");
