import type { WorkerRegistration } from "../../store/store.ts";
import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/** Small enough that nobody waits for it, and far more than the one row that a registration adds. */
const forgottenAtOnce = 100;

/**
 * register-worker: a new process instance with a fresh id takes a lease. Sent twice, it registers once.
 *
 * It deletes some of the workers that ended more than a day ago, so that a process that dies and starts again and again fills no
 * table: nobody lists them any more. One that still has claims stays, because who takes them over finds it by them.
 *
 * Locks: workers that have ended, skipping what others hold. Indexes: workers_ended, executions_claimed, workers_pkey.
 */
export function registerWorker(worker: WorkerRegistration): Transaction<never> {
  return {
    name: "register-worker",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
forgotten AS MATERIALIZED (
 SELECT w.id FROM workers w
 WHERE w.state <> 'live' AND w.ended_at < (SELECT now FROM t) - interval '1 day' AND w.lease_until < (SELECT now FROM t) - interval '1 day'
  AND (SELECT e.run_id FROM executions e WHERE e.worker_id = w.id LIMIT 1) IS NULL
 ORDER BY w.ended_at LIMIT ${forgottenAtOnce} FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM workers WHERE id = ANY(ARRAY(SELECT id FROM forgotten)))
INSERT INTO workers (id, namespace, state, lease_until, host, pid, pid_started, task_queues, definitions, definition_queues, concurrency, started_at)
SELECT $1::uuid, $2, 'live', now + $3::float8 * interval '1 millisecond', $4, $5::int, $6, $7::text[], $8::text[], $9::text[], $10::int, now
FROM t ON CONFLICT (id) DO NOTHING`,
    parameters: [
      worker.workerId,
      worker.namespace,
      worker.leaseMs,
      worker.host,
      worker.pid,
      worker.pidStarted,
      texts(worker.taskQueues),
      texts(worker.definitions),
      texts(worker.definitionQueues),
      worker.concurrency,
    ],
  };
}
