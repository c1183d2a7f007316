import type { RetentionRequest } from "../../store/retention.ts";
import { isDue, stepTaken, type RetentionStep } from "../retention-step.ts";
import type { Transaction } from "../transaction.ts";

/**
 * delete-continued: looks at the next `scan` earlier runs in the order of run ids and deletes those that continued as new longer ago
 * than their policy keeps them, with the runs before them and the histories of all these. Their execution goes on, or has ended and is
 * kept: what is left of it begins with a run that continues one which is gone. Of these it takes the first ones, until they come to
 * `rows` rows, but always one; the runs before them come on top.
 *
 * Streams and what the row says belong to the execution and stay. With a run goes the link of its children: they stand alone from then on.
 *
 * Locks: the runs, then their children, each by run_id, skipping what others hold: it never waits, so it can be in no deadlock. An
 * execution of which it could not lock all waits for the next walk, so that there is never a gap between its runs.
 * Indexes: past_runs_pkey, past_runs_execution, executions_children, executions_pkey, history_pkey, retention_policies_pkey.
 */
export function deleteContinued({ namespace, after, scan, rows }: RetentionRequest): Transaction<RetentionStep> {
  return {
    name: "delete-continued",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
scanned AS MATERIALIZED (
 SELECT run_id, namespace, execution_id, run_number, workflow, state, finished_at, last_seq FROM past_runs
 WHERE run_id > $2::uuid ORDER BY run_id LIMIT $3::int),
due AS MATERIALIZED (
 SELECT s.run_id, s.execution_id, s.run_number, s.last_seq + 1 AS size FROM scanned s
 WHERE s.namespace = $1 AND s.state = 'continued_as_new' AND ${isDue("s")}),
wanted AS MATERIALIZED (
 SELECT run_id, execution_id, run_number FROM (SELECT d.*, sum(size) OVER (ORDER BY run_id) AS so_far FROM due d) AS d WHERE so_far <= $4::int OR so_far = size),
runs AS MATERIALIZED (
 SELECT p.run_id, p.execution_id FROM (SELECT execution_id, max(run_number) AS run_number FROM wanted GROUP BY execution_id) AS w
 CROSS JOIN LATERAL (
  SELECT q.run_id, q.execution_id FROM past_runs q
  WHERE q.namespace = $1 AND q.execution_id = w.execution_id AND q.run_number <= w.run_number OFFSET 0) AS p),
locked AS MATERIALIZED (
 SELECT run_id FROM past_runs WHERE run_id = ANY(ARRAY(SELECT run_id FROM runs)) ORDER BY run_id FOR UPDATE SKIP LOCKED),
children AS MATERIALIZED (
 SELECT k.run_id, r.execution_id FROM executions k JOIN runs r ON r.run_id = k.parent_run_id WHERE k.parent_run_id = ANY(ARRAY(SELECT run_id FROM runs))),
held AS MATERIALIZED (
 SELECT run_id FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM children)) ORDER BY run_id FOR UPDATE SKIP LOCKED),
partly AS MATERIALIZED (
 SELECT execution_id FROM runs WHERE (run_id IN (SELECT run_id FROM locked)) IS NOT TRUE
 UNION SELECT execution_id FROM children WHERE (run_id IN (SELECT run_id FROM held)) IS NOT TRUE),
whole AS MATERIALIZED (SELECT run_id, execution_id FROM runs WHERE (execution_id IN (SELECT execution_id FROM partly)) IS NOT TRUE),
gone AS (DELETE FROM past_runs WHERE run_id = ANY(ARRAY(SELECT run_id FROM whole)) RETURNING run_id),
orphaned AS (
 UPDATE executions SET parent_run_id = NULL, parent_position = NULL
 WHERE run_id = ANY(ARRAY(SELECT run_id FROM children WHERE (execution_id IN (SELECT execution_id FROM partly)) IS NOT TRUE))),
events AS (DELETE FROM history WHERE run_id = ANY(ARRAY(SELECT run_id FROM gone)))
${stepTaken}`,
    parameters: [namespace, after, scan, rows],
  };
}
