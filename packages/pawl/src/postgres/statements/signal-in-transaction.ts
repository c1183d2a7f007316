import type { OutsideMessage } from "../../store/store.ts";

export interface SignalledInTransactionRow {
  readonly run_id: string;
  readonly state: string;
}

const setting = "pawl.noted_signals";

/** The ordinal of the first signal that this transaction has noted; null: it has noted none. */
export const firstNoted = `nullif(current_setting('${setting}', true), '')::bigint`;

/**
 * signal-in-transaction: notes a signal in a transaction of the user's; the names are qualified, because the search path is the user's. It
 * changes and locks no execution, so that a long transaction holds up nobody: a deferred trigger (`deliver_signals`) delivers what was
 * noted, and notifies who waits, as the transaction commits. No row: there is no such execution, or the transaction does not see it.
 *
 * Lock order: none here; at the commit, executions by run_id, then inbox, then tasks. Index: executions_id.
 */
export function signalInTransaction(
  schema: string,
  namespace: string,
  { executionId, messageId, data }: OutsideMessage,
): { readonly text: string; readonly values: readonly string[] } {
  const s = `"${schema}"`;
  return {
    text: `WITH found AS MATERIALIZED (SELECT run_id, state FROM ${s}.executions WHERE namespace = $1::text AND execution_id = $2::text),
noted AS (
 INSERT INTO ${s}.noted_signals (namespace, execution_id, message_id, data)
 SELECT $1::text, $2::text, $3::text, $4::text FROM found WHERE state IN ('pending', 'running', 'paused', 'quarantined')
 RETURNING set_config('${setting}', coalesce(${firstNoted}, ordinal)::text, true))
SELECT run_id, state FROM found`,
    values: [namespace, executionId, messageId, data],
  };
}
