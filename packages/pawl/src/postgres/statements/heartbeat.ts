import type { Transaction } from "../transaction.ts";

/** heartbeat: extends the lease of a worker that still has one. No row back: the lease has ended. Index: workers_pkey. */
export function heartbeat(workerId: string, leaseMs: number): Transaction<{ readonly id: string }> {
  return {
    name: "heartbeat",
    text: `UPDATE workers SET lease_until = current_time_of_pawl() + $2::float8 * interval '1 millisecond'
WHERE id = $1::uuid AND state = 'live' RETURNING id`,
    parameters: [workerId, leaseMs],
  };
}
