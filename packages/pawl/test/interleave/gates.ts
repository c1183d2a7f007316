import type pg from "pg";

/** The part of an explored session that has no rights beyond those on rows, so that row policies hold for it. Part of every PostgreSQL since 14. */
export const exploredRole = "pg_write_all_data";

/** What is gated, and how a row of it is named. */
const keys = {
  executions: "run_id",
  history: "run_id",
  tasks: "run_id",
  inbox: "run_id",
  workers: "id",
  schedules: "id",
  queues: "name",
} as const;

/**
 * Gates: where a statement of an explored session stops until the controller lets it go on. What one session does becomes
 * visible to others only by the locks it takes, by its snapshot and by its commit, so there is a gate
 *
 * - before each row is locked for update or delete: a row policy, evaluated where the row is scanned. The first of them comes
 *   after the statement's snapshot was taken and before anything is locked;
 * - after a row has been locked and before it is changed: a trigger BEFORE UPDATE or DELETE;
 * - before a row goes into its unique index: a trigger BEFORE INSERT;
 * - before each transaction begins and before it commits: in the session itself, see session.ts.
 *
 * A gate announces itself by a notice, which the server sends at once, and then waits for an advisory lock that the
 * controller holds. Each gate stops a transaction once for each row. Sessions without the setting pass.
 */
export async function installGates(client: pg.ClientBase): Promise<void> {
  await client.query(`
CREATE SCHEMA pawl_gates;
CREATE FUNCTION pawl_gates.pass(what text, row_key text) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 1 AS $$
DECLARE
 session int := nullif(current_setting('pawl_gates.session', true), '')::int;
 label text := what || ' ' || row_key;
 passed text := coalesce(current_setting('pawl_gates.passed', true), '');
 step int;
BEGIN
 IF session IS NULL OR position('|' || label || '|' IN passed) > 0 THEN RETURN true; END IF;
 PERFORM set_config('pawl_gates.passed', passed || '|' || label || '|', true);
 step := coalesce(nullif(current_setting('pawl_gates.step', true), '')::int, 0) + 1;
 PERFORM set_config('pawl_gates.step', step::text, true);
 RAISE NOTICE 'gate % %', step, label;
 PERFORM pg_advisory_xact_lock_shared(session, step);
 RETURN true;
END $$;
CREATE FUNCTION pawl_gates.row_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF TG_OP = 'DELETE' THEN
  PERFORM pawl_gates.pass('delete ' || TG_TABLE_NAME, to_jsonb(OLD)->>TG_ARGV[0]);
  RETURN OLD;
 END IF;
 PERFORM pawl_gates.pass(lower(TG_OP) || ' ' || TG_TABLE_NAME, to_jsonb(NEW)->>TG_ARGV[0]);
 RETURN NEW;
END $$;
GRANT USAGE ON SCHEMA pawl, pawl_gates, pawl_guard TO ${exploredRole};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pawl TO ${exploredRole};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA pawl TO ${exploredRole};
ALTER FUNCTION pawl_guard.refuse(text) SECURITY DEFINER;
ALTER FUNCTION pawl_guard.execution() SECURITY DEFINER;
ALTER FUNCTION pawl_guard.history_added() SECURITY DEFINER;
ALTER FUNCTION pawl_guard.history_deleted() SECURITY DEFINER;
ALTER FUNCTION pawl_guard.history_changed() SECURITY DEFINER;
ALTER TABLE pawl.past_runs SET (autovacuum_enabled = off);
${Object.entries(keys).map(gatesOf).join("\n")}`);
}

function gatesOf([table, key]: readonly [string, string]): string {
  const lock = `pawl_gates.pass('lock ${table}', ${table}.${key}::text)`;
  return `
ALTER TABLE pawl.${table} SET (autovacuum_enabled = off);
ALTER TABLE pawl.${table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY gate_read ON pawl.${table} FOR SELECT USING (true);
CREATE POLICY gate_insert ON pawl.${table} FOR INSERT WITH CHECK (true);
CREATE POLICY gate_update ON pawl.${table} FOR UPDATE USING (${lock}) WITH CHECK (true);
CREATE POLICY gate_delete ON pawl.${table} FOR DELETE USING (${lock});
CREATE TRIGGER gate BEFORE INSERT OR UPDATE OR DELETE ON pawl.${table} FOR EACH ROW EXECUTE FUNCTION pawl_gates.row_gate('${key}');`;
}
