import { setTimeout as delay } from "node:timers/promises";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import { lostClaims } from "../audit.ts";
import type { Fault } from "../fault.ts";
import { leaseMs } from "../rig.ts";
import { startOwn } from "./own-executions.ts";

const falseTakeovers = new WeakMap<object, number>();
/** Longer than elsewhere: even a thread that only sends heartbeats gets its turn late on a busy machine. */
const blockedLeaseMs = 2 * leaseMs;

export const blockedLoops: Fault = {
  id: "F9",
  title: "main loops blocked for three leases, and for ever",
  options: { blockMs: 3 * blockedLeaseMs, worker: { lease: blockedLeaseMs, pollInterval: 250, hangTimeout: 4 * blockedLeaseMs, killOnHang: true } },
  async inject(rig) {
    const before = await lostClaims(rig.url);
    const blocks = Math.max(1, Math.floor(rig.seconds / 15));
    for (let n = 0; n < blocks; n++) {
      const executionId = `block-${n}`;
      await startOwn(rig, "block", executionId, n);
      rig.count("blocked for three leases");
      await waitFor("it has ended", async () => (await rig.stateOf(executionId)) === "completed", 60_000);
    }
    falseTakeovers.set(rig, (await lostClaims(rig.url)) - before);
    rig.fleet.mayDie = true;
    await startOwn(rig, "hang", "hang-0", 1);
    rig.count("hung for ever");
    await waitFor("it has ended elsewhere", async () => (await rig.stateOf("hang-0")) === "completed", 60_000);
    await delay(500);
  },
  requirements: (rig) => [
    { what: "blocked for three leases", count: rig.counted("blocked for three leases"), least: 1 },
    { what: "processes killed because they hung", count: rig.fleet.deaths.length, least: 1 },
  ],
  check: (rig) => {
    const lost = falseTakeovers.get(rig) ?? 0;
    return lost === 0 ? [] : [`${lost} executions were taken from workers that were only busy`];
  },
};
