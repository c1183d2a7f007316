import type { WorkerRegistration } from "../../store/store.ts";
import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/** register-worker: a new process instance with a fresh id takes a lease. Sent twice, it registers once. */
export function registerWorker(worker: WorkerRegistration): Transaction<never> {
  return {
    name: "register-worker",
    text: `INSERT INTO workers (id, namespace, state, lease_until, host, pid, pid_started, task_queues, definitions, definition_queues, concurrency, started_at)
SELECT $1::uuid, $2, 'live', now + $3::float8 * interval '1 millisecond', $4, $5::int, $6, $7::text[], $8::text[], $9::text[], $10::int, now
FROM current_time_of_pawl() AS now ON CONFLICT (id) DO NOTHING`,
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
