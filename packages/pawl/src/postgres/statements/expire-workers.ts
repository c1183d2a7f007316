import { uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/**
 * expire-workers: declares workers dead whose lease has ended, and live ones whose process a neighbour knows to be gone.
 * Only rows this statement changed count: a heartbeat that came first keeps its worker alive. Index: workers_live.
 */
export function expireWorkers(gone: readonly string[]): Transaction<{ readonly id: string }> {
  return {
    name: "expire-workers",
    text: `WITH ended AS MATERIALIZED (
 SELECT id FROM workers WHERE state = 'live' AND (lease_until < current_time_of_pawl() OR id = ANY($1::uuid[])) ORDER BY id FOR UPDATE SKIP LOCKED)
UPDATE workers SET state = 'dead', ended_at = current_time_of_pawl()
WHERE id = ANY(ARRAY(SELECT id FROM ended)) AND state = 'live' RETURNING id`,
    parameters: [uuids(gone)],
  };
}
