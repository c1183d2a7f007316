/** What must be true of a database after every test. */
import { fold, terminalStates, type Event } from "pawl";
import { decodeEvent, openPawl, silentLogger } from "pawl/internal";
import { execute, withClient } from "./sql.ts";

const terminal = terminalStates.map((state) => `'${state}'`).join(", ");

/**
 * Makes the database refuse any change of a run that has ended (I1) and any change or removal of an event (I2). Call it
 * after the schema was made (the first `Pawl.open`). What it refuses is also counted where no rollback takes it back, so
 * `checkInvariants` fails even if the writer swallowed the error. A resume, which moves the row to a new run, is allowed; so is
 * pointing a child that has ended to its parent's new run.
 */
export async function installTerminalGuard(url: string): Promise<void> {
  await execute(
    url,
    `CREATE SCHEMA pawl_guard;
CREATE SEQUENCE pawl_guard.violations;
CREATE FUNCTION pawl_guard.refuse(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
 PERFORM nextval('pawl_guard.violations');
 RAISE EXCEPTION 'terminal guard: %', what;
END $$;
CREATE FUNCTION pawl_guard.execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 IF TG_OP = 'DELETE' THEN
  PERFORM pawl_guard.refuse('ended execution ' || OLD.execution_id || ' deleted');
 ELSIF NEW.run_id = OLD.run_id AND (to_jsonb(NEW) - 'parent_run_id') <> (to_jsonb(OLD) - 'parent_run_id') THEN
  PERFORM pawl_guard.refuse('execution ' || OLD.execution_id || ' is ' || OLD.state || ' and was changed to ' || to_jsonb(NEW)::text);
 END IF;
 RETURN NEW;
END $$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON pawl.executions FOR EACH ROW WHEN (OLD.state IN (${terminal})) EXECUTE FUNCTION pawl_guard.execution();
CREATE FUNCTION pawl_guard.history_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad text;
BEGIN
 SELECT a.run_id || ': ' || a.type INTO bad FROM added a JOIN pawl.executions e ON e.run_id = a.run_id
 WHERE e.state IN (${terminal}) AND e.xmin::text::bigint <> txid_current() % 4294967296 LIMIT 1;
 IF bad IS NULL THEN
  SELECT a.run_id || ': ' || a.type INTO bad FROM added a JOIN pawl.past_runs e ON e.run_id = a.run_id LIMIT 1;
 END IF;
 IF bad IS NOT NULL THEN PERFORM pawl_guard.refuse('event added to the ended run ' || bad); END IF;
 RETURN NULL;
END $$;
CREATE TRIGGER guard_added AFTER INSERT ON pawl.history REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION pawl_guard.history_added();
CREATE FUNCTION pawl_guard.history_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
 PERFORM pawl_guard.refuse('event ' || OLD.seq || ' of run ' || OLD.run_id || ': ' || TG_OP);
 RETURN NULL;
END $$;
CREATE TRIGGER guard_changed BEFORE UPDATE OR DELETE ON pawl.history FOR EACH ROW EXECUTE FUNCTION pawl_guard.history_changed();`,
  );
}

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

/**
 * Throws an error that lists everything about the database which must never be so, at any moment, with or without workers:
 * executions that nothing would wake, gaps in histories, rows that differ from the fold of their history, tasks, messages or
 * workers where none may be, results recorded twice, and writes that the terminal guard refused.
 */
export async function checkInvariants(url: string): Promise<void> {
  const problems: string[] = [];
  const pawl = await openPawl({ url, migrate: false, notify: false, poolSize: 1, logger: silentLogger });
  try {
    for (const { executionId, state } of await pawl.store.stranded()) problems.push(`${executionId} (${state}) has no reason to wake`);
  } finally {
    await pawl.close();
  }
  await withClient(url, async (client) => {
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
      `SELECT DISTINCT execution_id, state FROM pawl.executions JOIN pawl.inbox USING (run_id) WHERE state IN (${terminal})`,
    );
    await ask(
      "has ended and has a worker",
      `SELECT execution_id, state FROM pawl.executions WHERE worker_id IS NOT NULL AND state IN (${terminal}, 'quarantined')`,
    );
    await ask("is pending and has a worker", "SELECT execution_id, state FROM pawl.executions WHERE worker_id IS NOT NULL AND state = 'pending'");
    await ask(
      "has a task or message without an execution",
      "SELECT run_id::text AS execution_id, 'gone' AS state FROM (SELECT run_id FROM pawl.tasks UNION SELECT run_id FROM pawl.inbox) AS x WHERE NOT EXISTS (SELECT 1 FROM pawl.executions e WHERE e.run_id = x.run_id)",
    );
    const [guarded] = (await client.query<{ readonly there: boolean }>("SELECT to_regclass('pawl_guard.violations') IS NOT NULL AS there")).rows;
    if (guarded?.there === true) {
      const [count] = (await client.query<{ readonly n: number }>("SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS n FROM pawl_guard.violations"))
        .rows;
      if (count !== undefined && count.n > 0) problems.push(`the terminal guard refused ${count.n} writes`);
    }
    await client.query("COMMIT");
  });
  if (problems.length > 0)
    throw new Error(`invariants broken:\n${problems.slice(0, 40).join("\n")}${problems.length > 40 ? `\nand ${problems.length - 40} more` : ""}`);
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
    const held = (terminalStates as readonly string[]).includes(run.state) || run.state === "quarantined";
    if (held ? view.state !== run.state : view.state !== "running") problems.push(`${name} folds to ${view.state}`);
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
        : event.type === "StepStarted" || event.type === "StepAttemptFailed"
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
