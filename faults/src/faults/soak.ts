import { setTimeout as delay } from "node:timers/promises";
import { readdir, readFile } from "node:fs/promises";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";
import { killDatabaseNowAndThen } from "./kill-database.ts";
import { killNowAndThen } from "./kill-workers.ts";
import { loseRepliesAtRandom } from "./lose-replies.ts";
import { partitionNowAndThen } from "./partition.ts";
import { stopNowAndThen } from "./stop-workers.ts";
import { terminateNowAndThen } from "./terminate-sessions.ts";

const harms: readonly ((rig: Rig, seconds: number) => Promise<void>)[] = [
  killNowAndThen,
  stopNowAndThen,
  killDatabaseNowAndThen,
  terminateNowAndThen,
  partitionNowAndThen,
  loseRepliesAtRandom,
];

/** The client lives as long as the run: what it leaks adds up. */
const mostGrowthMb = 100;

export const soak: Fault = {
  id: "F20",
  title: "soak: a random mix",
  async inject(rig) {
    const until = performance.now() + rig.seconds * 1000;
    let first: number | undefined;
    while (performance.now() < until) {
      const left = (until - performance.now()) / 1000;
      await rig.random.pick(harms)(rig, Math.min(left, rig.random.whole(8, 25)));
      // Between two faults everything has a moment to come back.
      await delay(5000);
      rig.count("rounds");
      const mb = Math.round((await residentBytes(rig.clientPid)) / 2 ** 20);
      first ??= mb;
      rig.most("client grew by MB", mb - first);
      rig.most("client open files", (await readdir(`/proc/${rig.clientPid}/fd`).catch(() => [])).length);
    }
  },
  requirements: (rig) => [{ what: "rounds", count: rig.counted("rounds"), least: Math.max(1, Math.floor(rig.seconds / 90)) }],
  check(rig) {
    const mb = rig.counted("client grew by MB");
    return mb > mostGrowthMb ? [`the client grew by ${mb} MB`] : [];
  },
};

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}
