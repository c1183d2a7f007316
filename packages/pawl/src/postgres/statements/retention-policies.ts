import type { RetentionRule } from "../../store/retention.ts";
import type { Transaction } from "../transaction.ts";

/** In the table, for all workflows or all states; no name has this character. */
export const everything = "*";

/** set-retention: one row for a namespace, workflow and state; the last one to say something decides. Index: retention_policies_pkey. */
export function setRetention(namespace: string, rule: RetentionRule, keepMs: number | null): Transaction<never> {
  return {
    name: "set-retention",
    text: `INSERT INTO retention_policies (namespace, workflow, state, keep_ms) VALUES ($1, $2, $3, $4::float8)
ON CONFLICT (namespace, workflow, state) DO UPDATE SET keep_ms = excluded.keep_ms`,
    parameters: [namespace, rule.workflow ?? everything, rule.state ?? everything, keepMs],
  };
}

/** delete-retention. Index: retention_policies_pkey. */
export function deleteRetention(namespace: string, rule: RetentionRule): Transaction<{ readonly keep_ms: number | null }> {
  return {
    name: "delete-retention",
    text: `DELETE FROM retention_policies WHERE namespace = $1 AND workflow = $2 AND state = $3 RETURNING keep_ms`,
    parameters: [namespace, rule.workflow ?? everything, rule.state ?? everything],
  };
}

export interface RetentionRow {
  /** Null: all. */
  readonly workflow: string | null;
  readonly state: string | null;
  readonly keep_ms: number | null;
}

/** retention-policies: the most specific first, as they are looked up. Index: retention_policies_pkey. */
export function retentionPolicies(namespace: string): Transaction<RetentionRow> {
  return {
    name: "retention-policies",
    text: `SELECT nullif(workflow, '${everything}') AS workflow, nullif(state, '${everything}') AS state, keep_ms FROM retention_policies
WHERE namespace = $1 ORDER BY workflow = '${everything}', workflow, state = '${everything}', state`,
    parameters: [namespace],
  };
}
