import type { RetentionOutcome } from "../store/retention.ts";
import { everything } from "./statements/retention-policies.ts";

/** What one step of a walk of retention gives. */
export interface RetentionStep {
  readonly deleted: number;
  /** Up to where it has looked; null if there was nothing. */
  readonly last_run_id: string | null;
  /** Whether more of what it has looked at is due. */
  readonly full: boolean;
  /** Whether there is more behind that. */
  readonly more: boolean;
}

export function retentionOutcome([step]: readonly RetentionStep[]): RetentionOutcome {
  return { deleted: step!.deleted, full: step!.full, next: step!.more ? (step!.last_run_id ?? undefined) : undefined };
}

/**
 * Whether a row with `namespace`, `workflow`, `state` and `finished_at` is kept no longer, as SQL. The policy that names the workflow goes
 * before the one that names the state only.
 */
export function isDue(row: string): string {
  return `${row}.finished_at + (SELECT p.keep_ms FROM retention_policies p
   WHERE p.namespace = ${row}.namespace AND p.workflow IN (${row}.workflow, '${everything}') AND p.state IN (${row}.state, '${everything}')
   ORDER BY p.workflow = '${everything}', p.state = '${everything}' LIMIT 1) * interval '1 millisecond' <= (SELECT now FROM t)`;
}

/**
 * The last part of such a statement: what it was to look at is in `scanned`, what of that is due in `due`, what it takes of these in
 * `wanted`, what it has deleted in `gone`. Its third parameter says how many it was to look at.
 */
export const stepTaken = `SELECT (SELECT count(*) FROM gone)::int AS deleted,
 CASE WHEN cut.yes THEN (SELECT run_id FROM wanted ORDER BY run_id DESC LIMIT 1) ELSE (SELECT run_id FROM scanned ORDER BY run_id DESC LIMIT 1) END AS last_run_id,
 cut.yes AS full,
 cut.yes OR (SELECT count(*) FROM scanned) = $3::int AS more
FROM (SELECT (SELECT count(*) FROM wanted) < (SELECT count(*) FROM due) AS yes) AS cut`;
