import { setTimeout as delay } from "node:timers/promises";
import type { Partition } from "../../../packages/pawl/test/support/tcp-proxy.ts";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import { lostClaims } from "../audit.ts";
import type { Fault } from "../fault.ts";
import type { WorkerProcess } from "../fleet.ts";
import { honestNow } from "../honest-clock.ts";
import { leaseMs, type Rig } from "../rig.ts";

interface Cut {
  readonly pid: number;
  readonly from: number;
  readonly to: number;
}

const cuts = new WeakMap<Rig, Cut[]>();
/** From the end of the lease: steps that were about to begin, on a busy machine. */
const graceMs = 500;

export const partition: Fault = {
  id: "F5",
  title: "one worker cut off from the database: both ways, replies only, requests only",
  inject: (rig) => partitionNowAndThen(rig),
  requirements: async (rig) => [
    { what: "partitions both ways", count: rig.counted("both"), least: 1 },
    { what: "partitions of replies", count: rig.counted("replies"), least: 1 },
    { what: "executions taken over", count: await lostClaims(rig.url), least: 1 },
  ],
  check(rig) {
    // It does not know that others took over, but its own clock tells it that they may have.
    return (cuts.get(rig) ?? []).flatMap(({ pid, from, to }) => {
      const late = rig.effects.lines.filter((line) => line.pid === pid && line.phase === "begin" && line.at > from + leaseMs + graceMs && line.at < to);
      return late.map(({ key, at }) => `process ${pid} began ${key} ${Math.round(at - from)} ms after it was cut off`);
    });
  },
};

export async function partitionNowAndThen(rig: Rig, seconds = rig.seconds): Promise<void> {
  const kinds: readonly Partition[] = ["both", "replies", "requests"];
  let turn = 0;
  await rig.during(1000, () => cutOff(rig, rig.fleet.busiest, kinds[turn++ % kinds.length] ?? "both"), seconds);
}

async function cutOff(rig: Rig, worker: WorkerProcess, kind: Partition): Promise<void> {
  const from = honestNow();
  worker.proxy.partition(kind);
  rig.count(kind);
  await delay(3 * leaseMs);
  const to = honestNow();
  worker.proxy.partition("none");
  cuts.set(rig, [...(cuts.get(rig) ?? []), { pid: worker.pid, from, to }]);
  const healed = performance.now();
  await waitFor("the worker has a lease again", () => worker.health?.leaseValid === true && reportedAfter(worker, to), 30_000);
  rig.most("slowest reconnect ms", Math.round(performance.now() - healed));
}

/** Whether its last report is one from after the partition: it reports twice a second. */
const seen = new WeakMap<WorkerProcess, { reports: number; at: number }>();

function reportedAfter(worker: WorkerProcess, at: number): boolean {
  const last = seen.get(worker);
  const { length } = worker.program.reports;
  if (last?.at !== at) {
    seen.set(worker, { reports: length, at });
    return false;
  }
  return length > last.reports;
}
