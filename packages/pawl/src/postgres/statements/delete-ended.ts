import { terminalStates } from "../../kernel/execution-state.ts";
import type { RetentionRequest } from "../../store/retention.ts";
import { isDue, stepTaken, type RetentionStep } from "../retention-step.ts";
import type { Transaction } from "../transaction.ts";

const terminal = terminalStates.map((state) => `'${state}'`).join(", ");

/**
 * delete-ended: looks at the next `scan` executions in the order of run ids and deletes those that ended longer ago than their
 * policy keeps them, with their earlier runs, histories, streams and the signals that they have not read. Of these it takes the first ones, until they come to `rows` rows, but always one.
 *
 * A child is kept for as long as its parent is there in the run that started it, because a parent that is resumed asks for its
 * children. With the parent, also in a later run, goes the link: its children stand alone from then on, and what their policies say goes for them.
 *
 * It walks along the primary key, because an index that holds the ended ones by time would be written to by every end. Run
 * ids are made in time order, so what is due stands at the beginning; whoever calls remembers how far it has come.
 *
 * Locks: the executions and their children by run_id, skipping what others hold: it never waits, so it can be in no deadlock.
 * Who is skipped, or has a child that is, waits for the next walk. Indexes: executions_pkey, executions_children,
 * past_runs_execution, history_pkey, inbox_pkey, stream_chunks_pkey, retention_policies_pkey.
 */
export function deleteEnded({ namespace, after, scan, rows }: RetentionRequest): Transaction<RetentionStep> {
  return {
    name: "delete-ended",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
scanned AS MATERIALIZED (
 SELECT run_id, namespace, execution_id, workflow, state, finished_at, parent_run_id, last_seq FROM executions
 WHERE run_id > $2::uuid ORDER BY run_id LIMIT $3::int),
due AS MATERIALIZED (
 SELECT s.run_id, s.last_seq + 1
  + (SELECT count(*) FROM executions k WHERE k.parent_run_id = s.run_id)
  + (SELECT count(*) FROM stream_chunks c WHERE c.namespace = s.namespace AND c.execution_id = s.execution_id)
  + (SELECT coalesce(sum(p.last_seq + 1), 0) FROM past_runs p WHERE p.namespace = s.namespace AND p.execution_id = s.execution_id) AS size
 FROM scanned s
 WHERE s.namespace = $1 AND s.state IN (${terminal})
  AND ${isDue("s")}
  AND (SELECT p.run_id FROM executions p WHERE p.run_id = s.parent_run_id) IS NULL),
wanted AS MATERIALIZED (
 SELECT run_id FROM (SELECT run_id, size, sum(size) OVER (ORDER BY run_id) AS so_far FROM due) AS d WHERE so_far <= $4::int OR so_far = size),
runs AS MATERIALIZED (
 SELECT run_id, run_id AS latest FROM wanted
 UNION ALL SELECT p.run_id, s.run_id FROM past_runs p JOIN scanned s ON s.execution_id = p.execution_id
 WHERE p.namespace = $1 AND s.namespace = $1 AND (s.run_id IN (SELECT run_id FROM wanted)) IS TRUE
  AND p.execution_id = ANY(ARRAY(SELECT x.execution_id FROM scanned x WHERE (x.run_id IN (SELECT run_id FROM wanted)) IS TRUE))),
family AS MATERIALIZED (
 SELECT run_id, NULL::uuid AS parent_run_id FROM wanted
 UNION ALL SELECT k.run_id, r.latest FROM executions k JOIN runs r ON r.run_id = k.parent_run_id WHERE k.parent_run_id = ANY(ARRAY(SELECT run_id FROM runs))),
locked AS MATERIALIZED (
 SELECT run_id, namespace, execution_id, state FROM executions
 WHERE run_id = ANY(ARRAY(SELECT run_id FROM family)) ORDER BY run_id FOR UPDATE SKIP LOCKED),
whole AS MATERIALIZED (
 SELECT l.run_id, l.namespace, l.execution_id FROM locked l
 LEFT JOIN (SELECT parent_run_id, count(*) AS n FROM family GROUP BY parent_run_id) f ON f.parent_run_id = l.run_id
 LEFT JOIN (SELECT parent_run_id, count(*) AS n FROM family WHERE (run_id IN (SELECT run_id FROM locked)) IS TRUE GROUP BY parent_run_id) k ON k.parent_run_id = l.run_id
 WHERE (l.run_id IN (SELECT run_id FROM wanted)) IS TRUE AND l.state IN (${terminal}) AND coalesce(f.n, 0) = coalesce(k.n, 0)),
gone AS (DELETE FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM whole)) RETURNING run_id, drop_messages(run_id)),
orphaned AS (
 UPDATE executions SET parent_run_id = NULL, parent_position = NULL
 WHERE run_id = ANY(ARRAY(
  SELECT l.run_id FROM locked l JOIN family f ON f.run_id = l.run_id WHERE (f.parent_run_id IN (SELECT run_id FROM whole)) IS TRUE))),
past AS (
 DELETE FROM past_runs p USING whole w
 WHERE p.namespace = w.namespace AND p.execution_id = w.execution_id
  AND p.namespace = $1 AND p.execution_id = ANY(ARRAY(SELECT execution_id FROM whole)) RETURNING p.run_id),
chunks AS (DELETE FROM stream_chunks WHERE namespace = $1 AND execution_id = ANY(ARRAY(SELECT execution_id FROM whole))),
events AS (DELETE FROM history WHERE run_id = ANY(ARRAY(SELECT run_id FROM whole UNION ALL SELECT run_id FROM past)))
${stepTaken}`,
    parameters: [namespace, after, scan, rows],
  };
}
