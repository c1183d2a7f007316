import { performance } from "node:perf_hooks";
import type { Case } from "../case.ts";
import { exactly, expectEqual } from "../drive.ts";

/**
 * A worker is killed while 1,000 executions of three steps are in their second step; another process takes its place.
 * The time runs from the spawn of that process until all executions have durably ended. It has the identity of the dead
 * one, because DBOS without its control plane recovers only what belonged to the same executor id.
 */
const executions = 1000;

export const recovery: Case = {
  id: "recovery",
  title: "recovery of 1,000 executions after kill -9",
  systems: ["pawl", "dbos"],
  metrics: [{ key: "seconds", label: "", unit: "s", better: "lower" }],
  async run(context) {
    const options = { concurrency: executions, pollIntervalMs: 20 };
    const client = await context.open("client", options);
    const doomed = await context.spawnWorker("recovering", { ...options, hold: true });
    await doomed.listen();
    const handles = await exactly(executions, 100, async (index) => await client.start("recoverable", index));
    await doomed.untilCounts((counts) => counts.held === executions);
    await doomed.kill();
    const before = await context.audit();
    expectEqual("steps recorded before the crash", before.steps, executions);
    expectEqual("executions completed before the crash", before.completed, 0);

    const begin = performance.now();
    const successor = await context.spawnWorker("recovering", options);
    await successor.listen();
    await successor.untilCounts((counts) => counts.finished >= executions);
    await context.untilFinished();
    const seconds = (performance.now() - begin) / 1000;

    const after = await context.audit();
    expectEqual("completed executions", after.completed, executions);
    expectEqual("recorded steps", after.steps, 3 * executions);
    expectEqual("first steps that ran again", successor.counts.firstSteps, 0);
    expectEqual("result", (await handles[executions - 1]?.result()) ?? Number.NaN, executions - 1 + 3);
    return { seconds };
  },
};
