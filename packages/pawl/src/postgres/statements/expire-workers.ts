import { uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/**
 * expire-workers: declares workers dead whose lease has ended, and live ones whose process a neighbour knows to be gone.
 * Only rows this statement changed count: a heartbeat that came first keeps its worker alive. Index: workers_live.
 */
export function expireWorkers(gone: readonly string[]): Transaction<{ readonly id: string }> {
  return {
    name: "expire-workers",
    text: `UPDATE workers w SET state = 'dead', ended_at = current_time_of_pawl()
FROM (SELECT id FROM workers WHERE state = 'live' AND (lease_until < current_time_of_pawl() OR id = ANY($1::uuid[]))
 ORDER BY id FOR UPDATE SKIP LOCKED) AS ended
WHERE w.id = ended.id AND w.state = 'live' RETURNING w.id`,
    parameters: [uuids(gone)],
  };
}
