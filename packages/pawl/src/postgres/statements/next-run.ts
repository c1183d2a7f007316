import type { NextRunOperation } from "../../store/store.ts";
import { integers, texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";
import { suspectFromClaims } from "./claim.ts";
import { ended, movedDueIn } from "./due-in.ts";

export interface NextRunRow {
  /** The new run; null: a child of it was started or given a new run while the statement waited, nothing was done, send it again. */
  readonly run_id: string | null;
  /** Children that were asked to cancel. */
  readonly asked: string[] | null;
  /** The queues of its task, and of its open children: some have tasks now, and of others a claim may have skipped them because of this lock. */
  readonly due_in: string[] | null;
}

/**
 * next-run: a rollback or a retry. Starts the next run of an execution from a part of the last one's history, whatever state that is
 * in; the last one moves to past_runs as it is. Its owner is fenced by the epoch and by the run id, which no row has any more.
 *
 * Messages that were on their way go to the new run, after the signals and updates that the part it does not keep had read; requests
 * to cancel or pause, and to end with its parent, were about what is rolled back and go nowhere. Children that the kept part has started are children of
 * the new run; their claims are given back, because a worker would send the child's end to the run of before. The others have no
 * parent any more, and those that have not ended are asked to cancel.
 *
 * Lock order: the execution and its children by run_id, then history, tasks, inbox. Indexes: executions_id, executions_children, history_pkey.
 */
export function nextRun(operation: NextRunOperation): Transaction<NextRunRow> {
  const { children } = operation;
  const reason = `its parent ${operation.executionId} was ${operation.operation === "retry" ? "retried" : "rolled back"}`;
  return {
    name: "next-run",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
target AS MATERIALIZED (
 SELECT run_id FROM executions WHERE namespace = $1 AND execution_id = $2 AND run_id = $3::uuid AND state = ANY($5::text[])),
wanted AS MATERIALIZED (
 SELECT run_id FROM target UNION ALL SELECT k.run_id FROM executions k WHERE k.parent_run_id = (SELECT run_id FROM target)),
locked AS MATERIALIZED (SELECT * FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM wanted)) ORDER BY run_id FOR UPDATE),
complete AS MATERIALIZED (
 SELECT (SELECT count(*) FROM locked) = (SELECT count(*) FROM wanted)
  AND coalesce((SELECT count_children(run_id) = (SELECT count(*) FROM locked WHERE parent_run_id = (SELECT run_id FROM target))
   FROM locked WHERE run_id = (SELECT run_id FROM target)), true) AS yes),
old AS MATERIALIZED (
 SELECT * FROM locked WHERE run_id = (SELECT run_id FROM target) AND state = ANY($5::text[]) AND (SELECT yes FROM complete)),
kin AS MATERIALIZED (
 SELECT *, execution_id = ANY($11::text[]) AS mine FROM locked WHERE parent_run_id = (SELECT run_id FROM old)),
archived AS (
 INSERT INTO past_runs (run_id, namespace, execution_id, run_number, workflow, version, state, last_seq, created_at, started_at, finished_at)
 SELECT run_id, namespace, execution_id, run_number, workflow, version, state, last_seq, created_at, started_at, finished_at FROM old),
kept AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT $4::uuid, row_number() OVER (ORDER BY h.seq), h.epoch, h.at, h.type, h.data FROM history h
 WHERE h.run_id = (SELECT run_id FROM old) AND h.seq <= $8::int AND NOT (h.seq = ANY($9::int[]))),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT $4::uuid, $10::int + 1, o.epoch + 1, (SELECT now FROM t), 'ExecutionResumed', json_strip_nulls(json_build_object('fromRunId', o.run_id,
  'fromState', o.state, 'operation', $6::text, 'toSeq', $8::int, 'runNumber', o.run_number + 1, 'reason', $7::text))::text FROM old o),
moved AS (
 UPDATE executions e SET run_id = $4::uuid, run_number = e.run_number + 1, epoch = e.epoch + 1, last_seq = $10::int + 1, claims = 0, commit_id = 0,
  inbox_seq = e.inbox_seq + 1, state = 'running', started_at = coalesce(e.started_at, (SELECT now FROM t)), finished_at = NULL, worker_id = NULL,
  waiting_for = NULL, not_before = NULL, labels = $15::jsonb, attributes = $13::jsonb, deduplication_id = CASE WHEN e.finished_at IS NULL THEN e.deduplication_id END
 WHERE e.run_id = (SELECT run_id FROM old) RETURNING e.run_id, e.namespace, e.task_queue, e.workflow, e.version),
children AS (
 UPDATE executions k SET
  parent_run_id = CASE WHEN k.execution_id = ANY($11::text[]) THEN $4::uuid END,
  parent_position = CASE WHEN k.execution_id = ANY($11::text[]) THEN k.parent_position END,
  inbox_seq = k.inbox_seq + (NOT (k.execution_id = ANY($11::text[]) OR ${ended}))::int,
  worker_id = NULL, epoch = k.epoch + (k.worker_id IS NOT NULL)::int, claims = greatest(k.claims - (k.worker_id IS NOT NULL)::int, 0)
 WHERE k.run_id = ANY(ARRAY(SELECT run_id FROM kin))),
asked AS MATERIALIZED (SELECT k.run_id FROM kin k WHERE NOT k.mine AND NOT (${ended})),
cancels AS (
 INSERT INTO inbox (run_id, message_id, type, data) SELECT run_id, 'cancel', 'CancelRequested', $14 FROM asked ON CONFLICT DO NOTHING),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition, suspect)
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version, false FROM moved
 UNION ALL
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version, claims > ${suspectFromClaims} FROM kin
 WHERE worker_id IS NOT NULL OR (state IN ('running', 'paused') AND run_id IN (SELECT run_id FROM asked))
 ON CONFLICT (run_id) DO UPDATE SET visible_at = least(tasks.visible_at, excluded.visible_at))
SELECT (SELECT run_id FROM moved) AS run_id, (SELECT array_agg(run_id) FROM asked) AS asked,
 ${movedDueIn} AS due_in,
 (SELECT count(carry_messages_back(run_id, $4::uuid, $8::int, $12::int[])) FROM old) AS messages
FROM complete WHERE NOT yes OR EXISTS (SELECT FROM moved)`,
    parameters: [
      operation.namespace,
      operation.executionId,
      operation.fromRunId,
      operation.newRunId,
      texts(operation.from),
      operation.operation,
      operation.reason,
      operation.toSeq,
      integers(operation.without),
      operation.kept,
      texts(children.map(({ executionId }) => executionId)),
      integers(children.map(({ position }) => position)),
      operation.attributes,
      JSON.stringify({ reason }),
      operation.labels,
    ],
  };
}
