/** The histories of all runs, as the database has them. */
import type { Event } from "pawl";
import { decodeEvent } from "pawl/internal";
import { query } from "../../packages/pawl/test/support/sql.ts";

export interface RecordedRun {
  readonly runId: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly state: string;
  readonly idempotencyKey: string | null;
  readonly parentRunId: string | null;
  /** Whether it is the execution's last run. */
  readonly latest: boolean;
  readonly events: readonly { readonly at: number; readonly event: Event }[];
}

interface Row {
  readonly run_id: string;
  readonly execution_id: string;
  readonly workflow: string;
  readonly state: string;
  readonly idempotency_key: string | null;
  readonly parent_run_id: string | null;
  readonly latest: boolean;
}

export async function readRuns(url: string): Promise<RecordedRun[]> {
  const rows = await query<Row>(
    url,
    `SELECT run_id, execution_id, workflow, state, idempotency_key, parent_run_id, true AS latest FROM pawl.executions
UNION ALL SELECT run_id, execution_id, workflow, state, NULL, NULL, false FROM pawl.past_runs`,
  );
  const events = await query<{ run_id: string; at: number; type: string; data: string }>(
    url,
    "SELECT run_id, (extract(epoch FROM at) * 1000)::float8 AS at, type, data FROM pawl.history ORDER BY run_id, seq",
  );
  const histories = new Map<string, { at: number; event: Event }[]>();
  for (const { run_id, at, type, data } of events) {
    const history = histories.get(run_id) ?? [];
    history.push({ at, event: decodeEvent(type, data) });
    histories.set(run_id, history);
  }
  return rows.map((row) => ({
    runId: row.run_id,
    executionId: row.execution_id,
    workflow: row.workflow,
    state: row.state,
    idempotencyKey: row.idempotency_key,
    parentRunId: row.parent_run_id,
    latest: row.latest,
    events: histories.get(row.run_id) ?? [],
  }));
}
