import type { Fault } from "../fault.ts";
import { readRuns } from "../recorded-runs.ts";
import type { Rig } from "../rig.ts";

const hours = 3_600_000;
/** Two hours ahead, two behind, and one that jumps between the two. */
const shifts = [`shift=${2 * hours}`, `shift=${-2 * hours}`, `shift=${2 * hours}&jump=3000`];

export const wrongClocks: Fault = {
  id: "F8",
  title: "clocks of three workers and the clients wrong by two hours, one of them jumping",
  options: { workers: 1, clientNodeOptions: importing(shifts[1]!) },
  async inject(rig) {
    for (const shift of shifts) await rig.fleet.start({ nodeOptions: importing(shift) });
    for (const worker of rig.fleet.running) await worker.program.report("ready", 1, 60_000);
    await rig.during(1000, () => {
      for (const { health } of rig.fleet.running) if (Math.abs(health?.dateShiftMs ?? 0) > hours) rig.count("seen wrong by hours");
    });
  },
  // Whether any timer was early is checked for every fault.
  requirements: async (rig) => [
    { what: "looks at clocks that were wrong", count: rig.counted("seen wrong by hours"), least: 5 },
    { what: "timers fired", count: await timersFired(rig), least: 10 },
  ],
};

function importing(shift: string): string[] {
  return ["--import", `${new URL("../skewed-clock.js", import.meta.url).href}?${shift}`];
}

async function timersFired(rig: Rig): Promise<number> {
  return (await readRuns(rig.url)).reduce((sum, { events }) => sum + events.filter(({ event }) => event.type === "TimerFired").length, 0);
}
