/** What the database itself notes during a run: every claim, so that the time from a death to the next claim can be measured. */
import { execute, query } from "../../packages/pawl/test/support/sql.ts";

export async function installAudit(url: string): Promise<void> {
  await execute(
    url,
    `CREATE TABLE pawl_guard.claims (run_id uuid NOT NULL, epoch int NOT NULL, worker_id uuid NOT NULL, at timestamptz NOT NULL);
CREATE FUNCTION pawl_guard.claimed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 INSERT INTO pawl_guard.claims VALUES (NEW.run_id, NEW.epoch, NEW.worker_id, clock_timestamp());
 RETURN NULL;
END $$;
CREATE TRIGGER claimed AFTER UPDATE OF worker_id ON pawl.executions FOR EACH ROW
 WHEN (NEW.worker_id IS NOT NULL AND NEW.worker_id IS DISTINCT FROM OLD.worker_id) EXECUTE FUNCTION pawl_guard.claimed();
CREATE FUNCTION pawl_guard.epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 PERFORM pawl_guard.refuse('epoch of ' || OLD.execution_id || ' went from ' || OLD.epoch || ' to ' || NEW.epoch);
 RETURN NULL;
END $$;
CREATE TRIGGER epoch AFTER UPDATE ON pawl.executions FOR EACH ROW
 WHEN (NEW.run_id = OLD.run_id AND (NEW.epoch < OLD.epoch OR (NEW.worker_id IS DISTINCT FROM OLD.worker_id AND NEW.epoch = OLD.epoch)))
 EXECUTE FUNCTION pawl_guard.epoch();`,
  );
}

/** Milliseconds from the death of a worker's process to the next claim of each execution it had. */
export async function reclaimTimes(url: string, deaths: readonly { readonly pid: number; readonly at: number }[]): Promise<number[]> {
  const rows = await query<{ pid: number; claimed: number }>(
    url,
    `SELECT w.pid, (SELECT extract(epoch FROM min(c.at)) * 1000 FROM pawl_guard.claims c WHERE c.run_id = h.run_id AND c.at >= h.at)::float8 AS claimed
FROM pawl.history h JOIN pawl.workers w ON w.id = (h.data::jsonb ->> 'workerId')::uuid WHERE h.type = 'WorkerLost'`,
  );
  const diedAt = new Map(deaths.map(({ pid, at }) => [pid, at]));
  return rows.flatMap(({ pid, claimed }) => {
    const at = diedAt.get(pid);
    // A worker may have lost its lease before it died.
    return at === undefined || claimed === null || claimed < at ? [] : [claimed - at];
  });
}

export async function lostClaims(url: string): Promise<number> {
  const [row] = await query<{ n: number }>(url, "SELECT count(*)::int AS n FROM pawl.history WHERE type = 'WorkerLost'");
  return row?.n ?? 0;
}
