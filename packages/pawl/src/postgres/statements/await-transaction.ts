import type { Transaction } from "../transaction.ts";

/**
 * await-transaction: waits until no transaction holds the row of an execution. One whose commit is in doubt holds it until it has
 * ended either way; what it has written is then read by another statement, which sees it. Locks: the execution, for a moment. Index: executions_pkey.
 */
export function awaitTransaction(runId: string): Transaction<{ readonly run_id: string }> {
  return { name: "await-transaction", text: "SELECT run_id FROM executions WHERE run_id = $1::uuid FOR UPDATE", parameters: [runId] };
}
