import { query } from "../../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";

/** The kinds of connections a process has. */
const kinds = ["pawl", "pawl reads", "pawl hints", "pawl lease"];

export const terminateSessions: Fault = {
  id: "F4",
  title: "database sessions terminated, five a second",
  async inject(rig) {
    await terminateNowAndThen(rig);
    const processes = rig.fleet.running.length + 2;
    await waitFor("every process listens again", async () => (await sessions(rig, "pawl hints")) >= processes, 20_000);
  },
  requirements: (rig) => kinds.map((kind) => ({ what: `sessions "${kind}" terminated`, count: rig.counted(kind), least: 2 })),
};

export async function terminateNowAndThen(rig: Rig, seconds = rig.seconds): Promise<void> {
  let turn = 0;
  await rig.during(
    200,
    async () => {
      // Each kind has its turn: there are many more of some than of others.
      const [row] = await query<{ application_name: string }>(
        rig.url,
        `SELECT application_name, pg_terminate_backend(pid) FROM (SELECT pid, application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name = $1 ORDER BY random() LIMIT 1) AS chosen`,
        [kinds[turn++ % kinds.length]],
      );
      if (row !== undefined) rig.count(row.application_name);
    },
    seconds,
  );
}

async function sessions(rig: Rig, kind: string): Promise<number> {
  const [row] = await query<{ n: number }>(
    rig.url,
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1",
    [kind],
  );
  return row?.n ?? 0;
}
