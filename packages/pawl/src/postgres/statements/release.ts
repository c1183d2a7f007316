import { uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";
import { suspectFromClaims } from "./claim.ts";

/**
 * release: a live worker gives claims back to their queues, all but those in `keep`: at a graceful stop, when the reply to a
 * claim was lost, or because the task queue or workflow is paused. The claim is not counted: nothing died. Lock order: executions by run_id, then tasks.
 * Index: executions_claimed.
 */
export function release(workerId: string, keep: readonly string[]): Transaction<{ readonly run_id: string }> {
  return {
    name: "release",
    text: `WITH held AS MATERIALIZED (SELECT run_id FROM executions WHERE worker_id = $1::uuid AND NOT (run_id = ANY($2::uuid[]))),
picked AS MATERIALIZED (
 SELECT run_id FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM held)) AND worker_id = $1::uuid ORDER BY run_id FOR UPDATE),
freed AS (
 UPDATE executions e SET worker_id = NULL, epoch = e.epoch + 1, claims = greatest(e.claims - 1, 0)
 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM picked)) AND e.worker_id = $1::uuid
 RETURNING e.run_id, e.claims, e.namespace, e.task_queue, e.workflow, e.version),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition, suspect)
 SELECT run_id, current_time_of_pawl(), namespace, task_queue, workflow || '@' || version, claims >= ${suspectFromClaims} FROM freed
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT run_id FROM freed`,
    parameters: [workerId, uuids(keep)],
  };
}
