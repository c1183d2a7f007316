import { terminalStates } from "../../kernel/execution-state.ts";

/** Of a child `k`. */
export const ended = `k.state IN (${terminalStates.map((state) => `'${state}'`).join(", ")})`;

// Which queues a statement has to tell of. A claim skips rows that are locked and comes again only with the next poll, so those
// count too whose task was there before the statement locked them.

/** Of a row `t` that a message has reached: the queue of its task, if that is due now; null: a worker has it, or nothing wakes it yet. */
export const reachedDueIn =
  "CASE WHEN t.worker_id IS NULL AND (t.state = 'running' OR (t.state = 'pending' AND (t.not_before IS NULL OR t.not_before <= current_time_of_pawl()))) THEN t.task_queue END";

/** Of an execution that has been `moved` to another run, and its children, its `kin`: the queues of all that go on. */
export const movedDueIn = `(SELECT array_agg(DISTINCT task_queue) FROM (SELECT task_queue FROM moved UNION ALL SELECT k.task_queue FROM kin k WHERE NOT (${ended})) AS open)`;
