import type { AppendOperation, StartOperation } from "../../store/operations.ts";
import type { CommitBatch } from "../../store/store.ts";
import { isRanked, isSearchable, type CommitRow, type PreparedCommit } from "./commit.ts";
import { impatience } from "./impatience.ts";

/**
 * commit, for a batch of one: the eager start, the single event and the end that a lone execution writes. The same changes
 * under the same fence as in commit.ts, with plain parameters instead of arrays to join: on its own, such a commit takes
 * two thirds of the general statement's time, and a single execution waits for one commit after the other.
 *
 * No row back: the append was rejected, or the start found its id taken. Lock order: the execution, then history, tasks,
 * inbox. Indexes: executions_pkey; unique indexes for the start.
 */
export function prepareOne(batch: CommitBatch, commitId: string): PreparedCommit | undefined {
  const [start] = batch.starts;
  const [append] = batch.appends;
  if (batch.starts.length + batch.appends.length !== 1) return undefined;
  if (start !== undefined) return start.claimBy === null || start.delayMs > 0 || isSearchable(start) || isRanked(start) ? undefined : oneStart(start);
  if (append!.events.length !== 1 || append!.starts.length + append!.messages.length + append!.consumed.length > 0) return undefined;
  if (isSearchable(append!) || append!.chunks !== undefined) return undefined;
  switch (append!.after.kind) {
    case "keep":
      return append!.progress ? oneEvent(append!, commitId) : undefined;
    case "end":
      return append!.after.state === "quarantined" ? undefined : oneEnd(append!, append!.after.state, commitId);
    case "park":
    // A continuation has a statement of its own.
    case "continue":
      return undefined;
  }
}

/** What a row that did not come back says. */
export const nothingCommitted: CommitRow = { at: 0, accepted: [], unparked: null, started: [], woken: null };

const fence = "e.run_id = $1::uuid AND e.epoch = $2::int AND e.last_seq = $3::int AND e.state = 'running'";
const result =
  "(extract(epoch FROM (SELECT now FROM t)) * 1000)::float8 AS at, NULL::int[] AS accepted, NULL::int[] AS unparked, NULL::uuid[] AS started, NULL::text[] AS woken";

function oneEvent(append: AppendOperation, commitId: string): PreparedCommit {
  const [event] = append.events;
  return {
    targets: [append],
    starts: [],
    transaction: {
      name: "commit",
      shape: "event",
      text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
updated AS (
 UPDATE executions e SET last_seq = $3::int + 1, commit_id = $4::bigint, claims = 1 WHERE ${fence} RETURNING e.run_id)
INSERT INTO history (run_id, seq, epoch, at, type, data)
SELECT run_id, $3::int + 1, $2::int, (SELECT now FROM t), $5, $6 FROM updated RETURNING ${result}`,
      parameters: [append.runId, append.epoch, append.expectedSeq, commitId, event!.type, event!.data],
    },
  };
}

function oneEnd(append: AppendOperation, state: string, commitId: string): PreparedCommit {
  const [event] = append.events;
  return {
    targets: [append],
    starts: [],
    transaction: {
      name: "commit",
      shape: "end",
      text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
updated AS (
 UPDATE executions e SET last_seq = $3::int + 1, commit_id = $4::bigint, claims = 0, state = $7, epoch = e.epoch + 1, worker_id = NULL,
  waiting_for = NULL, finished_at = (SELECT now FROM t)
 WHERE ${fence} RETURNING e.run_id, e.inbox_seq),
appended AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT run_id, $3::int + 1, $2::int, (SELECT now FROM t), $5, $6 FROM updated)
SELECT ${result}, CASE WHEN inbox_seq > 0 THEN drop_wakeups(run_id) END AS emptied FROM updated`,
      parameters: [append.runId, append.epoch, append.expectedSeq, commitId, event!.type, event!.data, state],
    },
  };
}

function oneStart(start: StartOperation): PreparedCommit {
  return {
    targets: [],
    starts: [start],
    transaction: {
      name: "commit",
      shape: start.chosen === true ? "chosen start" : "start",
      text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now${start.chosen === true ? impatience.alone : ""}),
started AS (
 INSERT INTO executions (run_id, namespace, execution_id, workflow, version, task_queue, idempotency_key, parent_run_id, parent_position, worker_id, epoch, claims, last_seq, state, created_at, started_at)
 SELECT $1::uuid, $2, $3, $4, $5, $6, $7, $8::uuid, $9::int, $10::uuid, 1, 1, 1, 'running', now, now FROM t
 ON CONFLICT DO NOTHING RETURNING run_id)
INSERT INTO history (run_id, seq, epoch, at, type, data)
SELECT run_id, 1, 0, (SELECT now FROM t), 'ExecutionStarted', $11 FROM started RETURNING ${result}`,
      parameters: [
        start.runId,
        start.namespace,
        start.executionId,
        start.workflow,
        start.version,
        start.taskQueue,
        start.idempotencyKey,
        start.parentRunId,
        start.parentPosition,
        start.claimBy,
        start.started,
      ],
    },
  };
}
