import { execute, query } from "../../../packages/pawl/test/support/sql.ts";
import type { Fault } from "../fault.ts";

export const loseRequests: Fault = {
  id: "F7",
  title: "one connection each; cut before the statement; serialization failures and deadlocks",
  options: { pawl: { poolSize: 1 } },
  async inject(rig) {
    await execute(
      rig.url,
      `CREATE SEQUENCE IF NOT EXISTS pawl_guard.conflicts;
CREATE OR REPLACE FUNCTION pawl_guard.conflict() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF random() < 0.05 THEN
  PERFORM nextval('pawl_guard.conflicts');
  RAISE EXCEPTION 'made by the rig' USING ERRCODE = CASE WHEN random() < 0.5 THEN '40001' ELSE '40P01' END;
 END IF;
 RETURN NULL;
END $$;
CREATE TRIGGER conflict BEFORE INSERT ON pawl.history FOR EACH STATEMENT EXECUTE FUNCTION pawl_guard.conflict();`,
    );
    for (const proxy of rig.proxies) proxy.loseRequest = () => rig.random.chance(0.02);
    await rig.during(100, () => {});
    for (const proxy of rig.proxies) {
      proxy.loseRequest = () => false;
      rig.count("cut before the statement", proxy.lostRequests);
    }
    await execute(rig.url, "DROP TRIGGER conflict ON pawl.history");
    const [row] = await query<{ n: number }>(rig.url, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS n FROM pawl_guard.conflicts");
    rig.count("40001 and 40P01", row?.n ?? 0);
  },
  requirements: (rig) => [
    { what: "statements cut", count: rig.counted("cut before the statement"), least: 5 },
    { what: "serialization failures and deadlocks", count: rig.counted("40001 and 40P01"), least: 5 },
  ],
};
