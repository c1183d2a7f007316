import { query } from "../../../packages/pawl/test/support/sql.ts";
import type { Fault } from "../fault.ts";

const workers = 8;
const poolSize = 3;
/** Of each process: its pool, reads, hints and, for a worker, its lease. */
const connectionsEach = poolSize + Math.ceil(poolSize / 2) + 2;

export const herd: Fault = {
  id: "F13",
  title: "thousands of executions wait, and eight workers start at once",
  ownLoad: true,
  options: { workers: 0, pawl: { poolSize } },
  async inject(rig) {
    await rig.ask("enqueue", { count: rig.seconds * 100 });
    rig.count("waiting", rig.seconds * 100);
    const looking = rig.during(100, async () => {
      const [row] = await query<{ n: number }>(
        rig.url,
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pawl%'",
      );
      rig.most("most connections", row?.n ?? 0);
    });
    await rig.fleet.startAll(workers);
    await looking;
  },
  requirements: (rig) => [
    { what: "executions that waited", count: rig.counted("waiting"), least: 500 },
    { what: "connections at once", count: rig.counted("most connections"), least: 2 * workers },
  ],
  check(rig) {
    const most = rig.counted("most connections");
    const allowed = (workers + 2) * connectionsEach;
    return most > allowed ? [`${most} connections, where ${allowed} are configured`] : [];
  },
};
