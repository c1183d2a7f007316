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
  -- Any policy that might be meant: which of them decides is for the statement to know.
  IF NOT EXISTS (SELECT FROM pawl.retention_policies p WHERE p.namespace = OLD.namespace AND p.workflow IN ('*', OLD.workflow) AND p.state IN ('*', OLD.state)
    AND OLD.finished_at + p.keep_ms * interval '1 millisecond' <= pawl.current_time_of_pawl()) THEN
   PERFORM pawl_guard.refuse('ended execution ' || OLD.execution_id || ' deleted');
  END IF;
  RETURN OLD;
 ELSIF NEW.run_id = OLD.run_id AND NEW.parent_position IS NULL AND NEW.parent_run_id IS NULL
   AND (to_jsonb(NEW) - 'parent_run_id' - 'parent_position') = (to_jsonb(OLD) - 'parent_run_id' - 'parent_position') THEN
  RETURN NEW;
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
  SELECT a.run_id || ': ' || a.type INTO bad FROM added a JOIN pawl.past_runs e ON e.run_id = a.run_id WHERE e.xmin::text::bigint <> txid_current() % 4294967296 LIMIT 1;
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
CREATE TRIGGER guard_changed BEFORE UPDATE ON pawl.history FOR EACH ROW EXECUTE FUNCTION pawl_guard.history_changed();
CREATE FUNCTION pawl_guard.history_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF EXISTS (SELECT FROM pawl.executions WHERE run_id = OLD.run_id) OR EXISTS (SELECT FROM pawl.past_runs WHERE run_id = OLD.run_id) THEN
  PERFORM pawl_guard.refuse('event ' || OLD.seq || ' of run ' || OLD.run_id || ': deleted, and its run is still there');
 END IF;
 RETURN NULL;
END $$;
CREATE TRIGGER guard_deleted AFTER DELETE ON pawl.history FOR EACH ROW EXECUTE FUNCTION pawl_guard.history_deleted();
CREATE FUNCTION pawl_guard.past_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF NOT EXISTS (SELECT FROM pawl.executions WHERE namespace = OLD.namespace AND execution_id = OLD.execution_id AND run_number > OLD.run_number) THEN RETURN NULL; END IF;
 IF NOT EXISTS (SELECT FROM pawl.retention_policies p WHERE p.namespace = OLD.namespace AND p.workflow IN ('*', OLD.workflow) AND p.state IN ('*', 'continued_as_new')
   AND OLD.finished_at + p.keep_ms * interval '1 millisecond' <= pawl.current_time_of_pawl()) THEN
  PERFORM pawl_guard.refuse('run ' || OLD.run_number || ' of ' || OLD.execution_id || ' deleted, which is kept');
 ELSIF EXISTS (SELECT FROM pawl.past_runs WHERE namespace = OLD.namespace AND execution_id = OLD.execution_id AND run_number < OLD.run_number) THEN
  PERFORM pawl_guard.refuse('run ' || OLD.run_number || ' of ' || OLD.execution_id || ' deleted, and an earlier one is left');
 END IF;
 RETURN NULL;
END $$;
CREATE TRIGGER guard_past AFTER DELETE ON pawl.past_runs FOR EACH ROW EXECUTE FUNCTION pawl_guard.past_deleted();`;
