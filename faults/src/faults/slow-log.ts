import { setTimeout as delay } from "node:timers/promises";
import { execute } from "../../../packages/pawl/test/support/sql.ts";
import { lostClaims } from "../audit.ts";
import { isAlive } from "../database-server.ts";
import type { Fault } from "../fault.ts";

export const slowLog: Fault = {
  id: "F11",
  title: "each flush of PostgreSQL's log takes 100 ms longer, and its writers stop now and then",
  async inject(rig) {
    await execute(rig.url, "CREATE TABLE IF NOT EXISTS pawl_guard.probe (n int)");
    await rig.server.configure("commit_siblings", "0");
    await rig.server.configure("commit_delay", "100000");
    await rig.during(500, async () => {
      const pids = (await Promise.all(["walwriter", "checkpointer"].map((type) => rig.server.pidOf(type)))).filter((pid) => pid !== undefined);
      // One of them may hold a lock that every commit needs: then all stand still until it goes on.
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      await delay(400);
      for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGCONT");
      rig.count("writers stopped");
      const from = performance.now();
      await execute(rig.url, "INSERT INTO pawl_guard.probe VALUES (1)");
      if (performance.now() - from > 90) rig.count("slow commits seen");
    });
    await rig.server.configure("commit_delay", undefined);
    await rig.server.configure("commit_siblings", undefined);
  },
  requirements: (rig) => [{ what: "slow commits seen", count: rig.counted("slow commits seen"), least: 3 }],
  async check(rig) {
    const lost = await lostClaims(rig.url);
    return lost === 0 ? [] : [`${lost} executions were taken from workers whose database was only slow`];
  },
};
