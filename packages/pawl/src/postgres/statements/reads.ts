import { integers, uuids } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";

/** Reads on the hot path. Each goes through primary keys or executions_claimed only. */

export interface HistoryRow {
  readonly run_id: string;
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly type: string;
  readonly data: string;
}

/** Whole histories of executions just claimed. */
export function readHistories(runIds: readonly string[]): Transaction<HistoryRow> {
  return {
    name: "read-histories",
    text: `SELECT h.run_id, h.seq, h.epoch, (extract(epoch FROM h.at) * 1000)::float8 AS at, h.type, h.data
FROM history h WHERE h.run_id = ANY($1::uuid[]) ORDER BY h.run_id, h.seq`,
    parameters: [uuids(runIds)],
  };
}

export function readHistory(runId: string, afterSeq: number, limit: number): Transaction<HistoryRow> {
  return {
    name: "read-history",
    text: `SELECT run_id, seq, epoch, (extract(epoch FROM at) * 1000)::float8 AS at, type, data
FROM history WHERE run_id = $1::uuid AND seq > $2::int ORDER BY seq LIMIT $3::int`,
    parameters: [runId, afterSeq, limit],
  };
}

export interface InboxRow {
  readonly run_id: string;
  readonly inbox_seq: number;
  readonly message_id: string | null;
  readonly ordinal: number | null;
  readonly type: string | null;
  readonly data: string | null;
}

/** The counter and the messages of one snapshot, so that a park that saw this counter saw these messages. */
export function readInboxes(runIds: readonly string[]): Transaction<InboxRow> {
  return {
    name: "read-inboxes",
    text: `SELECT e.run_id, e.inbox_seq, x.message_id, x.ordinal::float8 AS ordinal, x.type, x.data
FROM executions e LEFT JOIN inbox x ON x.run_id = e.run_id AND x.run_id = ANY($1::uuid[])
WHERE e.run_id = ANY($1::uuid[]) ORDER BY e.run_id, x.ordinal`,
    parameters: [uuids(runIds)],
  };
}

/** Claims that no longer hold. */
export function lostClaims(claims: readonly { readonly runId: string; readonly epoch: number }[]): Transaction<{ readonly run_id: string }> {
  return {
    name: "lost-claims",
    text: `SELECT c.run_id FROM unnest($1::uuid[], $2::int[]) AS c(run_id, epoch)
LEFT JOIN executions e ON e.run_id = c.run_id AND e.run_id = ANY($1::uuid[]) WHERE e.epoch IS DISTINCT FROM c.epoch OR e.worker_id IS NULL`,
    parameters: [uuids(claims.map(({ runId }) => runId)), integers(claims.map(({ epoch }) => epoch))],
  };
}

/** Appends of a commit whose reply was lost that did commit, with the time and epoch they left behind. */
export function findCommitted(
  runIds: readonly string[],
  seqs: readonly number[],
  commitId: string,
): Transaction<{ readonly run_id: string; readonly epoch: number; readonly at: number }> {
  return {
    name: "find-committed",
    text: `SELECT e.run_id, e.epoch,
 (extract(epoch FROM coalesce((SELECT h.at FROM history h WHERE h.run_id = c.run_id AND h.seq = c.seq), current_time_of_pawl())) * 1000)::float8 AS at
FROM unnest($1::uuid[], $2::int[]) AS c(run_id, seq) JOIN executions e ON e.run_id = c.run_id AND e.run_id = ANY($1::uuid[]) AND e.commit_id = $3::bigint`,
    parameters: [uuids(runIds), integers(seqs), commitId],
  };
}

export interface ExistingRow {
  readonly wanted: string;
  readonly run_id: string;
  readonly execution_id: string;
  readonly workflow: string;
  readonly version: string;
  readonly state: string;
  readonly parent_run_id: string | null;
  readonly parent_position: number | null;
  readonly created_at: number;
  readonly has_key: boolean;
}
