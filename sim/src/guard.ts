/**
 * Triggers that make the database itself refuse what must never be: a change of a run that has ended (I1), and any change or
 * removal of an event (I2). A resume, which moves the row to a new run, is allowed; so is pointing a child that has ended to
 * its parent's new run, and what retention does: whole executions go, or the runs up to one that continued as new, and their children
 * lose the link.
 */
export const guardSql = `
CREATE FUNCTION refuse_change_of_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF TG_OP = 'DELETE' THEN
  IF NOT EXISTS (SELECT FROM retention_policies WHERE state = '*') THEN RAISE EXCEPTION 'I1: % has ended (%) and was deleted', OLD.execution_id, OLD.state; END IF;
  RETURN OLD;
 END IF;
 IF NEW.parent_run_id IS NULL AND NEW.parent_position IS NULL
  AND (to_jsonb(NEW) - 'parent_run_id' - 'parent_position') = (to_jsonb(OLD) - 'parent_run_id' - 'parent_position') THEN
  RETURN NEW;
 END IF;
 IF (NEW.run_id = OLD.run_id AND (to_jsonb(NEW) - 'parent_run_id') <> (to_jsonb(OLD) - 'parent_run_id')) THEN
  RAISE EXCEPTION 'I1: % has ended (%) and % would change it', OLD.execution_id, OLD.state, TG_OP;
 END IF;
 RETURN NEW;
END $$;
CREATE TRIGGER ended_never_change BEFORE UPDATE OR DELETE ON executions FOR EACH ROW
 WHEN (OLD.state IN ('completed', 'failed', 'cancelled', 'terminated', 'timed_out', 'continued_as_new')) EXECUTE FUNCTION refuse_change_of_ended();
CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 RAISE EXCEPTION 'I2: event % of run % and %', OLD.seq, OLD.run_id, TG_OP;
END $$;
CREATE FUNCTION refuse_parts_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF EXISTS (SELECT FROM executions WHERE run_id = OLD.run_id) OR EXISTS (SELECT FROM past_runs WHERE run_id = OLD.run_id) THEN
  RAISE EXCEPTION 'I2: event % of run % deleted, which is still there', OLD.seq, OLD.run_id;
 END IF;
 RETURN NULL;
END $$;
CREATE TRIGGER history_goes_whole AFTER DELETE ON history FOR EACH ROW EXECUTE FUNCTION refuse_parts_of_history();
CREATE FUNCTION refuse_gaps_between_runs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE first_left integer;
BEGIN
 SELECT min(run_number) INTO first_left FROM (SELECT run_number FROM executions WHERE execution_id = OLD.execution_id
  UNION ALL SELECT run_number FROM past_runs WHERE execution_id = OLD.execution_id) AS r;
 IF first_left IS NULL THEN RETURN NULL; END IF;
 IF NOT EXISTS (SELECT FROM retention_policies WHERE state IN ('*', 'continued_as_new')) OR first_left < OLD.run_number THEN
  RAISE EXCEPTION 'I24: run % of % was deleted; the first one left is %', OLD.run_number, OLD.execution_id, first_left;
 END IF;
 IF OLD.run_number = first_left - 1 AND OLD.state <> 'continued_as_new' THEN
  RAISE EXCEPTION 'I24: run % of % was deleted, in which it was %', OLD.run_number, OLD.execution_id, OLD.state;
 END IF;
 IF EXISTS (SELECT FROM executions WHERE parent_run_id = OLD.run_id) THEN
  RAISE EXCEPTION 'I21: run % of % was deleted, and is still the parent of a child', OLD.run_number, OLD.execution_id;
 END IF;
 IF EXISTS (SELECT FROM history WHERE run_id = OLD.run_id) THEN RAISE EXCEPTION 'I24: run % of % was deleted, and its history is left', OLD.run_number, OLD.execution_id; END IF;
 RETURN NULL;
END $$;
CREATE TRIGGER first_runs_go_first AFTER DELETE ON past_runs FOR EACH ROW EXECUTE FUNCTION refuse_gaps_between_runs();
CREATE TRIGGER history_only_grows BEFORE UPDATE ON history FOR EACH ROW EXECUTE FUNCTION refuse_change_of_history();
`;
