import { uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

const isOver = "lease_until < (SELECT now FROM t)";

/**
 * expire-workers: declares workers dead whose lease has ended, and live ones whose process a neighbour knows to be gone.
 * Only rows this statement changed count: a heartbeat that came first keeps its worker alive.
 * The two are found apart, each by its index: together they would need a look at every worker there ever was. Indexes: workers_live, workers_pkey.
 */
export function expireWorkers(gone: readonly string[]): Transaction<{ readonly id: string }> {
  return {
    name: "expire-workers",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
found AS MATERIALIZED (SELECT id FROM workers WHERE state = 'live' AND ${isOver} UNION ALL SELECT unnest($1::uuid[])),
ended AS MATERIALIZED (
 SELECT id FROM workers WHERE id = ANY(ARRAY(SELECT id FROM found)) AND state = 'live' AND (${isOver} OR id = ANY($1::uuid[])) ORDER BY id FOR UPDATE SKIP LOCKED)
UPDATE workers SET state = 'dead', ended_at = current_time_of_pawl()
WHERE id = ANY(ARRAY(SELECT id FROM ended)) AND state = 'live' RETURNING id`,
    parameters: [uuids(gone)],
  };
}
