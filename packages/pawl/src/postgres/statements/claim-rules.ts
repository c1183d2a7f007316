import type { PauseTarget } from "../../store/pauses.ts";
import type { Transaction } from "../transaction.ts";

export interface ClaimRuleRow {
  readonly kind: PauseTarget["kind"] | "limited-queue";
  readonly name: string;
}

/** read-claim-rules: what is paused, and which queues have limits. Every worker asks once a second. Indexes: pauses_pkey, queues_pkey. */
export function readClaimRules(namespace: string): Transaction<ClaimRuleRow> {
  return {
    name: "read-claim-rules",
    text: `SELECT kind, name FROM pauses WHERE namespace = $1
UNION ALL
SELECT 'limited-queue', name FROM queues WHERE namespace = $1`,
    parameters: [namespace],
  };
}
