import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault.ts";
import { leaseMs, type Rig } from "../rig.ts";

export const stopWorkers: Fault = {
  id: "F2",
  title: "workers stopped past their lease, and let go on",
  inject: (rig) => stopNowAndThen(rig),
  requirements: (rig) => [
    { what: "workers stopped", count: rig.counted("SIGSTOP"), least: 2 },
    { what: "stale writes rejected", count: rig.fleet.staleWritesRejected, least: 1 },
  ],
};

/** Two at a time, so that the others have to take over while one more is lost. */
export async function stopNowAndThen(rig: Rig, seconds = rig.seconds): Promise<void> {
  const stopped = new Set<number>();
  const lane = async (): Promise<void> => {
    await rig.during(
      500,
      async () => {
        const worker = rig.random.pick(rig.fleet.running.filter(({ pid, health }) => !stopped.has(pid) && health !== undefined));
        stopped.add(worker.pid);
        worker.program.signal("SIGSTOP");
        rig.count("SIGSTOP");
        await delay(leaseMs * (1.2 + 1.8 * rig.random.next()));
        worker.program.signal("SIGCONT");
        stopped.delete(worker.pid);
      },
      seconds,
    );
  };
  await Promise.all([lane(), lane()]);
}
