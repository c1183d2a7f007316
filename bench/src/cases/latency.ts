import type { Case } from "../case.ts";
import { expectEqual, oneByOne } from "../drive.ts";
import type { Engine } from "../engine.ts";
import { percentile } from "../measure.ts";
import type { Values } from "../messages.ts";

/** Each in turn: start an empty workflow, wait for its result. */
function roundTrip(engine: Engine): (index: number) => Promise<void> {
  return async (index) => {
    const handle = await engine.start("empty", index);
    expectEqual("result", await handle.result(), index);
  };
}

function summary(latencies: readonly number[]): Values {
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

export const sequentialLatency: Case = {
  id: "empty-sequential",
  title: "empty workflow, one at a time",
  systems: ["pawl", "dbos"],
  resourcesPer: "workflow",
  metrics: [
    // The caller is told of the start and of the end: two durable commits, one after the other.
    { key: "p50", label: "p50", unit: "ms", better: "lower", rawLimit: (raw) => 2 * raw.commitMs },
    { key: "p99", label: "p99", unit: "ms", better: "lower" },
  ],
  async run(context) {
    const { scale } = context;
    const engine = await context.open("both");
    const one = roundTrip(engine);
    const warm = await oneByOne(scale.warmUpMs, scale.minimumSamples, one);
    let latencies: number[] = [];
    const timed = await context.timed(async () => {
      latencies = await oneByOne(scale.timedMs, scale.minimumSamples, one);
      return latencies.length;
    });
    expectEqual("completed executions", (await context.audit()).completed, warm.length + latencies.length);
    return { ...summary(latencies), ...timed.resources };
  },
};

export const crossProcessLatency: Case = {
  id: "cross-process-latency",
  title: "empty workflow, run by another process",
  systems: ["pawl", "dbos"],
  metrics: [
    // Start, claim and end are three durable commits.
    { key: "p50", label: "p50", unit: "ms", better: "lower", rawLimit: (raw) => 3 * raw.commitMs },
    { key: "p99", label: "p99", unit: "ms", better: "lower" },
  ],
  async run(context) {
    const { scale } = context;
    // Where waiting is polling, as often as DBOS gains from: below 10 ms its own polls get in the way.
    const options = { concurrency: 100, pollIntervalMs: 10 };
    const client = await context.open("client", options);
    const worker = await context.spawnWorker("worker-1", options);
    await worker.listen();
    const one = roundTrip(client);
    const warm = await oneByOne(scale.warmUpMs, 50, one);
    const latencies = await oneByOne(scale.timedMs, 100, one);
    expectEqual("completed executions", (await context.audit()).completed, warm.length + latencies.length);
    return summary(latencies);
  },
};
