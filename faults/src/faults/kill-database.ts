import { setTimeout as delay } from "node:timers/promises";
import { query } from "../../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";

export const killDatabase: Fault = {
  id: "F3",
  title: "PostgreSQL killed with SIGKILL under load",
  inject: (rig) => killDatabaseNowAndThen(rig),
  requirements: (rig) => [{ what: "servers killed", count: rig.counted("SIGKILL of PostgreSQL"), least: 2 }],
  check(rig) {
    const ms = rig.counted("slowest recovery ms");
    return ms > 20_000 ? [`after a restart it took ${ms} ms until something was committed again`] : [];
  },
};

export async function killDatabaseNowAndThen(rig: Rig, seconds = rig.seconds): Promise<void> {
  await rig.during(
    1500,
    async () => {
      await rig.server.kill();
      rig.count("SIGKILL of PostgreSQL");
      await delay(rig.random.whole(0, 1500));
      await rig.server.restart();
      const up = performance.now();
      const before = await events(rig);
      await waitFor("something is committed", async () => (await events(rig)) > before, 60_000);
      rig.most("slowest recovery ms", Math.round(performance.now() - up));
    },
    seconds,
  );
}

async function events(rig: Rig): Promise<number> {
  const [row] = await query<{ n: number }>(rig.url, "SELECT count(*)::int AS n FROM pawl.history");
  return row?.n ?? 0;
}
