import { parseArgs } from "node:util";
import { defineWorkflow, Pawl } from "pawl";
import { recordHistory, replayHistory } from "pawl/testing";
import { inOwnDatabase } from "./own-database.ts";

/** How long workflow code takes to go through a long history again, as after a crash. Prints medians. See ../README.md. */

const steps = defineWorkflow({
  name: "steps",
  run: async (ctx, count: number) => {
    let sum = 0;
    for (let i = 0; i < count; i += 100) for (const n of await ctx.map(Array.from({ length: 100 }), () => ctx.step("one", () => 1))) sum += n;
    return sum;
  },
});

const { values } = parseArgs({ options: { events: { type: "string", multiple: true, default: ["10000", "50000"] }, times: { type: "string", default: "9" } } });
await inOwnDatabase("replay", async (url) => {
  const pawl = await Pawl.open({ url });
  try {
    await pawl.worker({ workflows: [steps], historyLimit: { events: 1_000_000 } });
    for (const events of values.events) {
      const handle = await pawl.start(steps, Number(events));
      await handle.result();
      const history = await recordHistory(handle);
      const text = JSON.stringify(history);
      const taken: number[] = [];
      for (let i = 0; i < Number(values.times); i++) {
        const begin = performance.now();
        const { state } = await replayHistory(steps, text);
        taken.push(performance.now() - begin);
        if (state !== "completed") throw new Error(`The replay is ${state}.`);
      }
      const sorted = taken.toSorted((a, b) => a - b);
      const at = (fraction: number): string => sorted[Math.floor((sorted.length - 1) * fraction)]!.toFixed(0);
      console.log(`${history.events.length} events: ${at(0.5)} ms in the median, ${at(1)} ms at worst`);
    }
  } finally {
    await pawl.close();
  }
});
