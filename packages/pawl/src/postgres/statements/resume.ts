import type { Transaction } from "../transaction.ts";
import { suspectFromClaims } from "./claim.ts";
import { ended, movedDueIn } from "./due-in.ts";

export interface ResumeRow {
  /**
   * The new run; null: while the statement waited, another resume gave it or a child of it a new run, or it was closed by an event that
   * the statement's snapshot does not show. Nothing was done, send it again.
   */
  readonly run_id: string | null;
  /** The queues of its task, and of its open children: some were given back, and of others a claim may have skipped the tasks because of this lock. */
  readonly due_in: string[] | null;
}

/**
 * resume: starts the next run of a cancelled or quarantined execution from a prefix of the last one's history: all of it
 * but the cancel request and what followed (cancelled), or all but the quarantine events (quarantined). The old run moves
 * to past_runs unchanged; messages that were on their way go to the new run.
 * A request that it has copied as a fork stays: what it has copied belongs to the other execution, whose random numbers it replays with.
 * Signals and updates that it had read after the request are sent to the new run again, before those that it had not read: they were acknowledged.
 *
 * So do the children that the prefix has started; their claims are given back, because a worker holds on to the parent it
 * knows, and would send the child's end to the run of before. Others that have not ended have no parent any more. As these have ids
 * that the run would give to those it starts, the number of the run is part of them from now on.
 * Labels and attributes stay as they are, also where the prefix does not reach as far: then the event says what they are.
 * Another execution may have the deduplication id of a cancelled one by now, so it has none any more.
 * Who resumes a delayed start that was cancelled wants it to begin now.
 *
 * Lock order: the execution and its children by run_id, then history, tasks, inbox. Indexes: executions_id, executions_children.
 */
export function resume(namespace: string, executionId: string, newRunId: string): Transaction<ResumeRow> {
  return {
    name: "resume",
    text: `WITH t AS MATERIALIZED (SELECT current_time_of_pawl() AS now),
target AS MATERIALIZED (SELECT run_id, last_seq FROM executions WHERE namespace = $1 AND execution_id = $2 AND state IN ('cancelled', 'quarantined')),
wanted AS MATERIALIZED (
 SELECT run_id FROM target UNION ALL SELECT k.run_id FROM executions k WHERE k.parent_run_id = (SELECT run_id FROM target)),
locked AS MATERIALIZED (SELECT * FROM executions WHERE run_id = ANY(ARRAY(SELECT run_id FROM wanted)) ORDER BY run_id FOR UPDATE),
complete AS MATERIALIZED (
 SELECT (SELECT count(*) FROM locked) = (SELECT count(*) FROM wanted)
  AND NOT EXISTS (SELECT FROM locked WHERE run_id = (SELECT run_id FROM target) AND last_seq <> (SELECT last_seq FROM target)) AS yes),
old AS MATERIALIZED (
 SELECT * FROM locked WHERE run_id = (SELECT run_id FROM target) AND state IN ('cancelled', 'quarantined') AND (SELECT yes FROM complete)),
kin AS MATERIALIZED (SELECT * FROM locked WHERE parent_run_id = (SELECT run_id FROM old)),
cut AS MATERIALIZED (
 SELECT o.run_id, coalesce(
  (SELECT min(h.seq) - 1 FROM history h WHERE h.run_id = o.run_id AND ((h.type = 'CancelRequested' AND o.state = 'cancelled'
   AND h.seq > (SELECT coalesce(max(f.seq), 0) FROM history f WHERE f.run_id = o.run_id AND f.type = 'ExecutionForked')) OR (h.type IN ('ExecutionCancelled', 'ExecutionQuarantined') AND h.seq = o.last_seq))), o.last_seq) AS seq
 FROM old o),
changed AS MATERIALIZED (
 SELECT EXISTS (SELECT FROM history h WHERE h.run_id = c.run_id AND h.seq > c.seq AND h.type IN ('LabelsSet', 'AttributesSet')) AS yes FROM cut c),
archived AS (
 INSERT INTO past_runs (run_id, namespace, execution_id, run_number, workflow, version, state, last_seq, created_at, started_at, finished_at)
 SELECT run_id, namespace, execution_id, run_number, workflow, version, state, last_seq, created_at, started_at, finished_at FROM old),
kept AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT $3::uuid, h.seq, h.epoch, h.at, h.type, h.data FROM history h WHERE h.run_id = (SELECT run_id FROM cut) AND h.seq <= (SELECT seq FROM cut)),
event AS (
 INSERT INTO history (run_id, seq, epoch, at, type, data)
 SELECT $3::uuid, c.seq + 1, o.epoch + 1, (SELECT now FROM t), 'ExecutionResumed',
  json_strip_nulls(json_build_object('fromRunId', o.run_id, 'fromState', o.state,
   'labels', CASE WHEN (SELECT yes FROM changed) THEN coalesce(o.labels, '{}') END, 'attributes', CASE WHEN (SELECT yes FROM changed) THEN coalesce(o.attributes, '{}') END,
   'runNumber', CASE WHEN o.state = 'cancelled' THEN o.run_number + 1 END))::text FROM old o, cut c),
moved AS (
 UPDATE executions e SET run_id = $3::uuid, run_number = e.run_number + 1, epoch = e.epoch + 1, last_seq = (SELECT seq FROM cut) + 1, claims = 0, commit_id = 0,
  inbox_seq = e.inbox_seq + 1, state = 'running', finished_at = NULL, worker_id = NULL, waiting_for = NULL,
  not_before = NULL, deduplication_id = CASE WHEN e.state = 'quarantined' THEN e.deduplication_id END
 WHERE e.run_id = (SELECT run_id FROM cut) RETURNING e.run_id, e.namespace, e.task_queue, e.workflow, e.version),
mine AS MATERIALIZED (
 SELECT h.data::json->>'executionId' AS execution_id FROM history h
 WHERE h.run_id = (SELECT run_id FROM cut) AND h.seq <= (SELECT seq FROM cut) AND h.type = 'ChildStarted'),
received AS (
 INSERT INTO inbox (run_id, message_id, ordinal, type, data) OVERRIDING SYSTEM VALUE
 SELECT $3::uuid, CASE h.type WHEN 'SignalReceived' THEN 'signal:' || (h.data::json->>'signalId') ELSE 'update:' || (h.data::json->>'updateId') END,
  (SELECT least(min(i.ordinal), 1) FROM inbox i WHERE i.run_id = h.run_id) - (SELECT last_seq + 1 FROM old) + h.seq, h.type, h.data
 FROM history h WHERE h.run_id = (SELECT run_id FROM cut) AND h.seq > (SELECT seq FROM cut) AND h.type IN ('SignalReceived', 'UpdateReceived') ORDER BY h.seq
 ON CONFLICT DO NOTHING),
children AS (
 UPDATE executions k SET
  parent_run_id = CASE WHEN (k.execution_id IN (SELECT execution_id FROM mine)) IS TRUE THEN $3::uuid WHEN ${ended} THEN k.parent_run_id END,
  parent_position = CASE WHEN (k.execution_id IN (SELECT execution_id FROM mine)) IS TRUE OR ${ended} THEN k.parent_position END,
  worker_id = NULL, epoch = k.epoch + (k.worker_id IS NOT NULL)::int, claims = greatest(k.claims - (k.worker_id IS NOT NULL)::int, 0)
 WHERE k.run_id = ANY(ARRAY(SELECT run_id FROM kin))),
queued AS (
 INSERT INTO tasks (run_id, visible_at, namespace, task_queue, definition, suspect)
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version, false FROM moved
 UNION ALL
 SELECT run_id, (SELECT now FROM t), namespace, task_queue, workflow || '@' || version, claims > ${suspectFromClaims} FROM kin WHERE worker_id IS NOT NULL)
SELECT (SELECT run_id FROM moved) AS run_id, ${movedDueIn} AS due_in, (SELECT count(move_messages(run_id, $3::uuid)) FROM old) AS messages
FROM complete WHERE NOT yes OR EXISTS (SELECT FROM moved)`,
    parameters: [namespace, executionId, newRunId],
  };
}
