import { terminalStates } from "pawl";

const terminal = terminalStates.map((state) => `'${state}'`).join(", ");

/** SQL that makes a database refuse changes of what has ended; see `installTerminalGuard`. */
export const terminalGuard = `CREATE SCHEMA pawl_guard;
CREATE SEQUENCE pawl_guard.violations;
CREATE FUNCTION pawl_guard.refuse(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
 PERFORM nextval('pawl_guard.violations');
 RAISE EXCEPTION 'terminal guard: %', what;
END $$;
CREATE FUNCTION pawl_guard.execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF TG_OP = 'DELETE' THEN
  PERFORM pawl_guard.refuse('ended execution ' || OLD.execution_id || ' deleted');
 ELSIF NEW.run_id = OLD.run_id AND (to_jsonb(NEW) - 'parent_run_id') <> (to_jsonb(OLD) - 'parent_run_id') THEN
  PERFORM pawl_guard.refuse('execution ' || OLD.execution_id || ' is ' || OLD.state || ' and was changed to ' || to_jsonb(NEW)::text);
 END IF;
 RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON pawl.executions FOR EACH ROW WHEN (OLD.state IN (${terminal})) EXECUTE FUNCTION pawl_guard.execution();
CREATE FUNCTION pawl_guard.history_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad text;
BEGIN
 SELECT a.run_id || ': ' || a.type INTO bad FROM added a JOIN pawl.executions e ON e.run_id = a.run_id
 WHERE e.state IN (${terminal}) AND e.xmin::text::bigint <> txid_current() % 4294967296 LIMIT 1;
 IF bad IS NULL THEN
  SELECT a.run_id || ': ' || a.type INTO bad FROM added a JOIN pawl.past_runs e ON e.run_id = a.run_id LIMIT 1;
 END IF;
 IF bad IS NOT NULL THEN PERFORM pawl_guard.refuse('event added to the ended run ' || bad); END IF;
 RETURN NULL;
END $$;
CREATE TRIGGER guard_added AFTER INSERT ON pawl.history REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION pawl_guard.history_added();
CREATE FUNCTION pawl_guard.history_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 PERFORM pawl_guard.refuse('event ' || OLD.seq || ' of run ' || OLD.run_id || ': ' || TG_OP);
 RETURN NULL;
END $$;
CREATE TRIGGER guard_changed BEFORE UPDATE OR DELETE ON pawl.history FOR EACH ROW EXECUTE FUNCTION pawl_guard.history_changed();`;
