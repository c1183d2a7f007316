/** What must be true after every order, made small: thousands of orders are judged, and fixtures tell no whole stories. */
import { decodeEvent } from "../../src/kernel/event-codec.ts";
import type { Event } from "../../src/kernel/event.ts";
import { terminalStates } from "../../src/kernel/execution-state.ts";
import { fold } from "../../src/kernel/fold.ts";
import type pg from "pg";

const terminal = terminalStates.map((state) => `'${state}'`).join(", ");

interface RunRow {
  readonly run_id: string;
  readonly execution_id: string;
  readonly state: string;
  readonly last_seq: number;
  readonly finished_at: number | null;
  readonly worker_id: string | null;
}

interface EventRow {
  readonly run_id: string;
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly type: string;
  readonly data: string;
}

/** All that `checkInvariants` looks for but the wake query. */
export async function invariantProblems(client: Pick<pg.ClientBase, "query">): Promise<string[]> {
  const problems: string[] = [];
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const columns = "run_id, execution_id, state, last_seq, floor(extract(epoch FROM finished_at) * 1000)::float8 AS finished_at";
  const runs = (await client.query<RunRow>(`SELECT ${columns}, worker_id FROM pawl.executions UNION ALL SELECT ${columns}, NULL FROM pawl.past_runs`)).rows;
  const events = (
    await client.query<EventRow>(
      "SELECT run_id, seq, epoch, floor(extract(epoch FROM at) * 1000)::float8 AS at, type, data FROM pawl.history ORDER BY run_id, seq",
    )
  ).rows;
  problems.push(...historyProblems(runs, events));
  const ask = async (what: string, sql: string): Promise<void> => {
    for (const row of (await client.query<{ readonly execution_id: string; readonly state: string }>(sql)).rows)
      problems.push(`${row.execution_id} (${row.state}) ${what}`);
  };
  await ask("is claimed and has a task", "SELECT execution_id, state FROM pawl.executions JOIN pawl.tasks USING (run_id) WHERE worker_id IS NOT NULL");
  await ask("has ended and has a task", `SELECT execution_id, state FROM pawl.executions JOIN pawl.tasks USING (run_id) WHERE state IN (${terminal})`);
  await ask(
    "has ended and has messages",
    `SELECT DISTINCT execution_id, state FROM pawl.executions JOIN pawl.inbox USING (run_id) WHERE state IN (${terminal}) AND type <> 'SignalReceived'`,
  );
  await ask(
    "has ended and has a worker",
    `SELECT execution_id, state FROM pawl.executions WHERE worker_id IS NOT NULL AND state IN (${terminal}, 'quarantined', 'paused')`,
  );
  await ask(
    "is paused and asked to end, and has no task",
    "SELECT execution_id, state FROM pawl.executions e JOIN pawl.inbox USING (run_id) WHERE state = 'paused' AND message_id IN ('cancel', 'terminate') AND NOT EXISTS (SELECT 1 FROM pawl.tasks t WHERE t.run_id = e.run_id)",
  );
  await ask(
    "is paused and has a task without being asked to end",
    "SELECT execution_id, state FROM pawl.executions e JOIN pawl.tasks USING (run_id) WHERE state = 'paused' AND NOT EXISTS (SELECT 1 FROM pawl.inbox x WHERE x.run_id = e.run_id AND x.message_id IN ('cancel', 'terminate'))",
  );
  await ask(
    "is paused and asked to pause again",
    "SELECT execution_id, state FROM pawl.executions e JOIN pawl.inbox USING (run_id) WHERE state = 'paused' AND message_id = 'pause'",
  );
  await ask("is pending and has a worker", "SELECT execution_id, state FROM pawl.executions WHERE worker_id IS NOT NULL AND state = 'pending'");
  await ask(
    "has a task or message without an execution",
    "SELECT run_id::text AS execution_id, 'gone' AS state FROM (SELECT run_id FROM pawl.tasks UNION SELECT run_id FROM pawl.inbox) AS x WHERE NOT EXISTS (SELECT 1 FROM pawl.executions e WHERE e.run_id = x.run_id)",
  );
  await ask(
    "has a stream with a gap",
    "SELECT execution_id, stream AS state FROM pawl.stream_chunks GROUP BY execution_id, stream HAVING min(chunk_offset) <> 0 OR max(chunk_offset) <> count(*) - 1",
  );
  await ask(
    "has a chunk of an older epoch behind a newer one",
    "SELECT a.execution_id, a.stream AS state FROM pawl.stream_chunks a JOIN pawl.stream_chunks b USING (execution_id, stream) WHERE a.chunk_offset > b.chunk_offset AND a.epoch < b.epoch",
  );
  await ask(
    "has a stream and no execution",
    "SELECT execution_id, stream AS state FROM pawl.stream_chunks c WHERE NOT EXISTS (SELECT 1 FROM pawl.executions e WHERE e.execution_id = c.execution_id)",
  );
  await ask("has a signal that was noted and not sent", "SELECT execution_id, message_id AS state FROM pawl.noted_signals");
  const [guarded] = (await client.query<{ readonly there: boolean }>("SELECT to_regclass('pawl_guard.violations') IS NOT NULL AS there")).rows;
  if (guarded?.there === true) {
    const [count] = (await client.query<{ readonly n: number }>("SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS n FROM pawl_guard.violations"))
      .rows;
    if (count !== undefined && count.n > 0) problems.push(`the terminal guard refused ${count.n} writes`);
  }
  await client.query("COMMIT");
  return problems;
}

function historyProblems(runs: readonly RunRow[], events: readonly EventRow[]): string[] {
  const problems: string[] = [];
  const histories = new Map<string, EventRow[]>();
  for (const event of events) {
    const history = histories.get(event.run_id);
    if (history === undefined) histories.set(event.run_id, [event]);
    else history.push(event);
  }
  for (const run of runs) {
    const name = `${run.execution_id} (${run.state}, run ${run.run_id})`;
    const history = histories.get(run.run_id) ?? [];
    histories.delete(run.run_id);
    history.forEach((event, index) => {
      if (event.seq !== index + 1) problems.push(`${name} has event ${event.seq} in place ${index + 1}`);
      if (index > 0 && event.epoch < history[index - 1]!.epoch)
        problems.push(`${name} has epoch ${event.epoch} at ${event.seq}, after ${history[index - 1]!.epoch}`);
    });
    const recorded = history.map((row) => ({ seq: row.seq, epoch: row.epoch, at: row.at, event: decodeEvent(row.type, row.data) }));
    const view = fold(recorded);
    if (view.lastSeq !== run.last_seq) problems.push(`${name} has last_seq ${run.last_seq}, its history ends at ${view.lastSeq}`);
    if (recorded[0]?.event.type !== "ExecutionStarted") problems.push(`${name} does not begin with ExecutionStarted`);
    const held = (terminalStates as readonly string[]).includes(run.state) || run.state === "quarantined" || run.state === "paused";
    // Claimed to be cancelled, and nothing is written yet.
    const isWoken = view.state === "paused" && run.state === "running";
    if ((held ? view.state !== run.state : view.state !== "running") && !isWoken) problems.push(`${name} folds to ${view.state}`);
    if ((view.finishedAt ?? null) !== run.finished_at) problems.push(`${name} has finished_at ${run.finished_at}, its history ${view.finishedAt}`);
    problems.push(...repeatedResults(recorded.map(({ event }) => event)).map((problem) => `${name} ${problem}`));
  }
  for (const runId of histories.keys()) problems.push(`run ${runId} has a history and no row`);
  return problems;
}

/** I3: one result per durable call; a failed attempt has the next number. */
function repeatedResults(events: readonly Event[]): string[] {
  const problems: string[] = [];
  const results = new Map<string, Event["type"]>();
  const attempts = new Map<number, number>();
  for (const event of events) {
    if (!("position" in event)) continue;
    const call =
      event.type === "TimerStarted" || event.type === "ChildStarted"
        ? "start"
        : event.type === "StepStarted" || event.type === "StepHeartbeat" || event.type === "StepAttemptFailed"
          ? undefined
          : "result";
    if (call !== undefined) {
      const key = `${call} of call ${event.position}`;
      const before = results.get(key);
      if (before !== undefined) problems.push(`has ${before} and ${event.type} as ${key}`);
      results.set(key, event.type);
    }
    if (event.type === "StepAttemptFailed") {
      const last = attempts.get(event.position) ?? 0;
      if (event.attempt <= last) problems.push(`has attempt ${event.attempt} of call ${event.position} after attempt ${last}`);
      attempts.set(event.position, event.attempt);
    }
  }
  return problems;
}
