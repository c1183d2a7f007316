import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import { reclaimTimes } from "../audit.ts";
import type { Fault } from "../fault.ts";
import { readRuns } from "../recorded-runs.ts";
import { leaseMs, type Rig } from "../rig.ts";
import { startOwn } from "./own-executions.ts";

const poisons = ["poison-1", "poison-2"];

/** Deaths without progress after which an execution is held. */
const quarantineAfter = 3;

export const killWorkers: Fault = {
  id: "F1",
  title: "workers killed with SIGKILL, and a workflow that kills its own",
  async inject(rig) {
    await killNowAndThen(rig);
    // One after the other, and not beside the kills: three deaths are three deaths, and who was there at all of them is held.
    rig.fleet.mayDie = true;
    for (const executionId of poisons) {
      await startOwn(rig, "deadly", executionId, 1);
      await untilHeld(rig, executionId);
    }
  },
  requirements: async (rig) => [
    { what: "workers killed", count: rig.counted("SIGKILL"), least: Math.max(2, Math.floor(rig.seconds / 4)) },
    { what: "executions taken over", count: (await reclaimTimes(rig.url, rig.fleet.deaths)).length, least: 3 },
  ],
  async check(rig) {
    const problems: string[] = [];
    const innocent: string[] = [];
    const runs = await readRuns(rig.url);
    for (const { executionId, state, events } of runs) {
      const lastStep = events.findLastIndex(({ event }) => event.type === "StepCompleted");
      const deaths = events.slice(lastStep + 1).filter(({ event }) => event.type === "WorkerLost").length;
      const isPoison = poisons.includes(executionId);
      if (isPoison && (state !== "quarantined" || deaths !== quarantineAfter)) problems.push(`${executionId} is ${state} after ${deaths} deaths`);
      if (!isPoison && state === "quarantined") innocent.push(executionId);
    }
    // With workers dying all the time, a few of many may be there three times in a row by bad luck, and be held: on a busy machine,
    // where steps take longer than usual, more of them.
    if (innocent.length > Math.max(2, runs.length / 50)) problems.push(`${innocent.join(", ")} are quarantined, and did no harm`);
    const times = await reclaimTimes(rig.url, rig.fleet.deaths);
    // One lease and a second is what is aimed at; a busy machine gets three times that.
    const slow = times.filter((ms) => ms > 3 * (leaseMs + 1000));
    if (slow.length > times.length / 100) problems.push(`${slow.length} of ${times.length} executions were claimed again only after ${Math.max(...slow)} ms`);
    return problems;
  },
};

export async function killNowAndThen(rig: Rig, seconds = rig.seconds): Promise<void> {
  await rig.during(
    2000,
    async () => {
      const worker = rig.random.pick(rig.fleet.running);
      const busy = (worker.health?.active ?? 0) > 0;
      await rig.fleet.kill(worker);
      rig.count("SIGKILL");
      if (busy) rig.count("with work in flight");
      await rig.fleet.start();
    },
    seconds,
  );
}

/** Or a minute: then the check says so. */
async function untilHeld(rig: Rig, executionId: string): Promise<void> {
  await waitFor("the poison is held", async () => (await rig.stateOf(executionId)) === "quarantined", 60_000).catch(() => {});
}
