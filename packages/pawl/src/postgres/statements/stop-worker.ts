import type { Transaction } from "../transaction.ts";

/** stop-worker: ends a lease on purpose, after the claims were given back. Index: workers_pkey. */
export function stopWorker(workerId: string): Transaction<never> {
  return {
    name: "stop-worker",
    text: `UPDATE workers SET state = 'stopped', ended_at = current_time_of_pawl() WHERE id = $1::uuid AND state = 'live'`,
    parameters: [workerId],
  };
}
