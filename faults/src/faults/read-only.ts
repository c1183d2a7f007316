import { setTimeout as delay } from "node:timers/promises";
import { query } from "../../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../../packages/pawl/test/support/wait.ts";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";

export const readOnly: Fault = {
  id: "F16",
  title: "the server refuses writes for a while, as a standby does before it is promoted",
  async inject(rig) {
    await rig.during(1500, async () => {
      await rig.server.configure("default_transaction_read_only", "on");
      // What was under way may still commit.
      await delay(500);
      const before = await lastSequences(rig);
      await delay(rig.random.whole(1500, 4000));
      const after = await lastSequences(rig);
      await rig.server.configure("default_transaction_read_only", undefined);
      rig.count(before === after ? "times read-only" : "times somebody wrote nevertheless");
      const healed = performance.now();
      await waitFor("something is committed again", async () => (await lastSequences(rig)) > after, 30_000);
      rig.most("slowest return ms", Math.round(performance.now() - healed));
    });
  },
  requirements: (rig) => [{ what: "times read-only", count: rig.counted("times read-only"), least: 2 }],
  check(rig) {
    const ms = rig.counted("slowest return ms");
    return ms > 15_000 ? [`${ms} ms until something was committed again`] : [];
  },
};

async function lastSequences(rig: Rig): Promise<number> {
  const [row] = await query<{ n: number }>(rig.url, "SELECT count(*)::int AS n FROM pawl.history");
  return row?.n ?? 0;
}
