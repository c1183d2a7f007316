import { query } from "../../../packages/pawl/test/support/sql.ts";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";

const drained = new WeakMap<Rig, number[]>();

export const rollingRestart: Fault = {
  id: "F14",
  title: "workers replaced one by one: SIGTERM, time to finish, SIGKILL for those that take too long",
  options: { drainMs: 2000 },
  async inject(rig) {
    const done: number[] = [];
    drained.set(rig, done);
    let turn = 0;
    await rig.during(500, async () => {
      const [oldest] = rig.fleet.running;
      if (oldest === undefined) return;
      await rig.fleet.start();
      // Every third is given no time.
      const patience = turn++ % 3 === 2 ? 20 : 15_000;
      if (await rig.fleet.stop(oldest, patience)) {
        done.push(oldest.pid);
        rig.count("stopped in order");
      } else rig.count("killed while stopping");
    });
  },
  requirements: (rig) => [
    { what: "stopped in order", count: rig.counted("stopped in order"), least: 2 },
    { what: "killed while stopping", count: rig.counted("killed while stopping"), least: 1 },
  ],
  async check(rig) {
    const rows = await query<{ pid: number }>(
      rig.url,
      "SELECT w.pid FROM pawl.history h JOIN pawl.workers w ON w.id = (h.data::jsonb ->> 'workerId')::uuid WHERE h.type = 'WorkerLost'",
    );
    return rows.filter(({ pid }) => drained.get(rig)?.includes(pid)).map(({ pid }) => `process ${pid} stopped in order, and still was counted as dead`);
  },
};
