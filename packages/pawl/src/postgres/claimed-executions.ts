import { decodeEvent } from "../kernel/event-codec.ts";
import type { RecordedEvent } from "../kernel/event.ts";
import type { ClaimOutcome } from "../store/store.ts";
import type { TransactionGateway } from "./gateway.ts";
import type { HistoryCache } from "./history-cache.ts";
import type { ClaimRow } from "./statements/claim.ts";
import { readHistories, type HistoryRow } from "./statements/reads.ts";

/** What was claimed, with what its rows say and its history. Of one that has just begun, the history is in the row. */
export async function claimedExecutions(
  gateway: TransactionGateway,
  cache: HistoryCache,
  rows: readonly ClaimRow[],
): Promise<Pick<ClaimOutcome, "executions" | "now">> {
  if (rows.length === 0) return { executions: [], now: undefined };
  // One that continued as new began later than its row was made.
  const older = rows.filter((row) => row.last_seq > 1 || row.run_number > 1);
  const histories = older.length === 0 ? new Map<string, ReadHistory>() : await readOlder(gateway, cache, older);
  const executions = rows.map((row) => ({
    runId: row.run_id,
    executionId: row.execution_id,
    workflow: row.workflow,
    version: row.version,
    taskQueue: row.task_queue,
    epoch: row.epoch,
    inboxSeq: row.inbox_seq,
    suspect: row.suspect,
    parentRunId: row.parent_run_id,
    parentPosition: row.parent_position,
    place: { ...(row.queue_key ? { key: row.queue_key } : {}), ...(row.priority === null ? {} : { priority: row.priority }) },
    ...(histories.get(row.run_id) ?? {
      history: [{ seq: 1, epoch: 0, at: row.started_at, event: decodeEvent("ExecutionStarted", row.started_data) }],
      characters: row.started_data.length,
    }),
  }));
  return { executions, now: rows[0]!.now };
}

interface ReadHistory {
  readonly history: RecordedEvent[];
  readonly characters: number;
}

async function readOlder(gateway: TransactionGateway, cache: HistoryCache, claimed: readonly ClaimRow[]): Promise<Map<string, ReadHistory>> {
  const histories = new Map<string, readonly HistoryRow[]>();
  const missing: string[] = [];
  for (const { run_id: runId, last_seq: lastSeq } of claimed) {
    const cached = cache.find(runId, lastSeq);
    if (cached === undefined) missing.push(runId);
    else histories.set(runId, cached);
  }
  if (missing.length > 0) {
    for (const [runId, rows] of groupByRun(await gateway.run(readHistories(missing)))) {
      cache.keep(rows);
      histories.set(runId, rows);
    }
  }
  return new Map([...histories].map(([runId, rows]) => [runId, decoded(rows)]));
}

function groupByRun(rows: readonly HistoryRow[]): Map<string, HistoryRow[]> {
  const histories = new Map<string, HistoryRow[]>();
  for (const row of rows) {
    const read = histories.get(row.run_id);
    if (read === undefined) histories.set(row.run_id, [row]);
    else read.push(row);
  }
  return histories;
}

function decoded(rows: readonly HistoryRow[]): ReadHistory {
  let characters = 0;
  for (const { data } of rows) characters += data.length;
  return { history: rows.map(recordedEvent), characters };
}

/** A row of a history as the event it is. */
export function recordedEvent(row: HistoryRow): RecordedEvent {
  return { seq: row.seq, epoch: row.epoch, at: row.at, event: decodeEvent(row.type, row.data) };
}
