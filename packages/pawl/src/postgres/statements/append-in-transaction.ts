import type { AppendOperation } from "../../store/operations.ts";
import { firstNoted } from "./signal-in-transaction.ts";

/** How long the server waits for the commit that follows; then it rolls back, and frees the execution. */
const commitWithin = "10s";

/** Sent as a transaction begins, and gone when it ends: users' code may have ended it. */
export const markTransaction = "SET LOCAL pawl.transaction = 'open'";

export interface AppendedInTransactionRow {
  /** Null: another owns the execution; roll back. */
  readonly at: number | null;
  /** Whether it is still the transaction that was begun. If not, nothing was written. */
  readonly intact: boolean;
}

/**
 * append-in-transaction: one event, as commit writes it, behind the same fence, at the end of a user's transaction, which must still be the
 * one that was begun. The names are qualified, because the search path is the user's.
 *
 * Should the commit never arrive, because its connection is gone without a word, the row must not stay locked: from here on the
 * transaction may not be idle for long.
 *
 * Lock order: the execution, and with it those that the transaction signals as it commits, by run_id, then history; whatever the user's SQL has
 * locked comes before. Indexes: executions_pkey, executions_id, noted_signals_pkey.
 */
export function appendInTransaction(schema: string, append: AppendOperation, commitId: string): { readonly text: string; readonly values: readonly unknown[] } {
  const [event] = append.events;
  return {
    text: `WITH t AS MATERIALIZED (SELECT "${schema}".current_time_of_pawl() AS now, coalesce(current_setting('pawl.transaction', true), '') = 'open' AS intact, set_config('idle_in_transaction_session_timeout', '${commitWithin}', true)),
locked AS MATERIALIZED (
 SELECT run_id FROM "${schema}".executions WHERE run_id = ANY(ARRAY(
  SELECT unnest(ARRAY[$1::uuid, (SELECT x.run_id FROM "${schema}".executions x WHERE x.namespace = n.namespace AND x.execution_id = n.execution_id)])
  FROM "${schema}".noted_signals n WHERE n.ordinal >= ${firstNoted}))
 ORDER BY run_id FOR UPDATE),
updated AS (
 UPDATE "${schema}".executions e SET last_seq = $3::int + 1, commit_id = $4::bigint, claims = 1
 WHERE e.run_id = $1::uuid AND (SELECT intact FROM t) AND (SELECT count(*) FROM locked) >= 0 AND e.epoch = $2::int AND e.last_seq = $3::int AND e.state = 'running' RETURNING e.run_id),
written AS (
 INSERT INTO "${schema}".history (run_id, seq, epoch, at, type, data)
 SELECT run_id, $3::int + 1, $2::int, (SELECT now FROM t), $5::text, $6::text FROM updated
 RETURNING (extract(epoch FROM at) * 1000)::float8 AS at)
SELECT (SELECT at FROM written) AS at, intact FROM t`,
    values: [append.runId, append.epoch, append.expectedSeq, commitId, event!.type, event!.data],
  };
}
