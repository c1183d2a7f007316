import type { Transaction } from "../transaction.ts";
import { suspectFromClaims } from "./claim.ts";

/** Claims without progress after which an execution is held: it seems to kill its workers. */
export const quarantineAfterClaims = 3;

export interface TakeOverRow {
  readonly run_id: string;
  readonly state: string;
}

/**
 * take-over: frees executions of a dead worker. Raises the epoch, so that nothing the dead one may still send is accepted;
 * appends `WorkerLost`; queues the execution again, or quarantines it after `quarantineAfterClaims` claims without
 * progress. Works off one chunk; several processes may do so at once. A worker without a row has been dead for long: see register-worker.
 *
 * Lock order: executions by run_id, then tasks. Indexes: executions_claimed, workers_pkey.
 */
export function takeOver(workerId: string, limit: number): Transaction<TakeOverRow> {
  return {
    name: "take-over",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
held AS MATERIALIZED (
 SELECT run_id FROM executions WHERE worker_id = $1::uuid AND NOT EXISTS (SELECT 1 FROM workers WHERE id = $1::uuid AND state = 'live') LIMIT $2::int),
picked AS MATERIALIZED (
 SELECT run_id FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM held)) AND worker_id = $1::uuid ORDER BY run_id FOR UPDATE),
freed AS (
 UPDATE executions e SET worker_id = NULL, epoch = e.epoch + 1,
  last_seq = e.last_seq + CASE WHEN e.claims >= $3::int THEN 2 ELSE 1 END,
  state = CASE WHEN e.claims >= $3::int THEN 'quarantined' ELSE 'running' END
 WHERE e.run_id = ANY(ARRAY(SELECT run_id FROM picked)) AND e.worker_id = $1::uuid
 RETURNING e.run_id, e.epoch, e.last_seq, e.claims, e.state, e.namespace, e.task_queue, e.workflow, e.version),
lost AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT run_id, CASE WHEN state = 'quarantined' THEN last_seq - 1 ELSE last_seq END, epoch, (SELECT now FROM t), 'WorkerLost',
  json_build_object('workerId', $1::uuid, 'claims', claims)::text FROM freed),
quarantined AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT run_id, last_seq, epoch, (SELECT now FROM t), 'ExecutionQuarantined',
  json_build_object('failure', json_build_object('name', 'WorkerDeaths',
   'message', 'its worker died ' || claims || ' times in a row while running it, without any step recorded in between.'))::text
 FROM freed WHERE state = 'quarantined'),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition, suspect)
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version, claims >= ${suspectFromClaims} FROM freed WHERE state = 'running'
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT run_id, state FROM freed`,
    parameters: [workerId, limit, quarantineAfterClaims],
  };
}
