import { setTimeout as delay } from "node:timers/promises";
import { query, withClient } from "../../../packages/pawl/test/support/sql.ts";
import type { Fault } from "../fault.ts";
import type { Rig } from "../rig.ts";

const shares = new WeakMap<Rig, number>();

export const heldSnapshot: Fault = {
  id: "F15",
  title: "a transaction that holds its snapshot, as a dump does",
  async inject(rig) {
    const part = (rig.seconds * 1000) / 3;
    const before = await endedWithin(rig, part);
    const during = await withClient(rig.url, async (client) => {
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      await client.query("SELECT count(*) FROM pawl.history");
      const ended = await endedWithin(rig, 2 * part);
      await client.query("COMMIT");
      return ended / 2;
    });
    shares.set(rig, during / Math.max(1, before));
    rig.count("snapshot held, seconds", Math.round((2 * part) / 1000));
    rig.count("ended per second before", Math.round((before / part) * 1000));
    rig.count("ended per second during", Math.round((during / part) * 1000));
  },
  requirements: (rig) => [{ what: "ended per second before", count: rig.counted("ended per second before"), least: 3 }],
  check(rig) {
    const share = shares.get(rig) ?? 0;
    return share < 0.7 ? [`only ${Math.round(share * 100)} % of the throughput while a snapshot was held`] : [];
  },
};

async function endedWithin(rig: Rig, ms: number): Promise<number> {
  const ended = async (): Promise<number> => {
    const [row] = await query<{ n: number }>(rig.url, "SELECT count(*)::int AS n FROM pawl.executions WHERE finished_at IS NOT NULL");
    return row?.n ?? 0;
  };
  const before = await ended();
  await delay(ms);
  return (await ended()) - before;
}
