import { dataRead, historyEntry, wholeEntry, type EntryRow } from "./history-entry.ts";
import { pagefuls } from "./pagefuls.ts";
import type { Child, CurrentRun, HistoryEntry, LiveWorker, PastRun, QueueView, Run, ScheduleView, Stray, StreamView } from "./rows.ts";

/** Sends one statement with `$1`, `$2`, ... and gives its rows: node `pg`, PGlite or anything else that speaks PostgreSQL. */
export type Read = (sql: string, parameters?: readonly unknown[]) => Promise<Record<string, unknown>[]>;

/** Newer than every run id. */
const beforeAll = "ffffffff-ffff-ffff-ffff-ffffffffffff";
/** Below every seq, also one that should not be. */
const firstSeq = -2_147_483_648;
export const executionsInBatch = 200;
const eventsInPage = 4000;

/** `date_part` computes in float8, which is exact enough to a microsecond and several times faster than `extract`. */
const ms = (column: string): string => `date_part('epoch', ${column}) * 1000`;

/** All that is read from the database: a few statements for each batch of executions, each along an index. */
export class DatabaseReader {
  readonly #read: Read;
  readonly #schema: string;

  /** @param schema checked by whoever gives it: it stands in the statements as it is */
  constructor(read: Read, schema: string) {
    this.#read = read;
    this.#schema = `"${schema}"`;
  }

  async nowAndWorkers(): Promise<{ readonly now: number; readonly workers: readonly LiveWorker[] }> {
    const s = this.#schema;
    const rows = await this.#rows<{
      now: number;
      id: string | null;
      namespace: string;
      queues: string[];
      taken: string[];
      definitions: string[];
      slots: number;
      startedAt: number;
      claimed: number;
    }>(
      `SELECT ${ms("t.now")} AS now, w.id, w.namespace, w.concurrency AS slots, ${ms("w.started_at")} AS "startedAt", w.task_queues AS taken,
 ARRAY(SELECT q FROM unnest(w.task_queues) AS q WHERE NOT EXISTS (SELECT FROM ${s}.pauses p WHERE p.namespace = w.namespace AND p.kind = 'task-queue' AND p.name = q)) AS queues,
 ARRAY(SELECT d FROM unnest(w.definitions) AS d
  WHERE NOT EXISTS (SELECT FROM ${s}.pauses p WHERE p.namespace = w.namespace AND p.kind = 'workflow' AND p.name = regexp_replace(d, '@[^@]*$', ''))) AS definitions,
 (SELECT count(*) FROM ${s}.executions e WHERE e.worker_id = w.id)::int AS claimed
FROM (SELECT ${s}.current_time_of_pawl() AS now) t LEFT JOIN ${s}.workers w ON w.state = 'live' AND w.lease_until > t.now ORDER BY w.id`,
    );
    const workers = rows.flatMap(({ id, namespace, queues, taken, definitions, slots, startedAt, claimed }) =>
      id === null ? [] : [{ workerId: id, namespace, taskQueues: queues, queuesTaken: taken, definitions, concurrency: slots, startedAt, claimed }],
    );
    return { now: rows[0]!.now, workers };
  }

  async schedules(): Promise<readonly ScheduleView[]> {
    return this.#rows<ScheduleView>(
      `SELECT c.namespace, c.schedule_id AS "scheduleId", c.definition, c.state, ${ms("c.next_fire_at")} AS "nextFireAt", c.waiting, c.open
FROM ${this.#schema}.schedules c ORDER BY c.id`,
    );
  }

  async queues(): Promise<readonly QueueView[]> {
    const rate = (prefix: string): string =>
      `CASE WHEN ${prefix}rate_limit IS NULL THEN NULL ELSE json_build_object('limit', ${prefix}rate_limit, 'perMs', ${prefix}rate_ms)::text END`;
    const rows = await this.#rows<Omit<QueueView, "rate" | "keyRate"> & { readonly rate: string | null; readonly keyRate: string | null }>(
      `SELECT namespace, name, concurrency, ${rate("")} AS rate, key_concurrency AS "keyConcurrency", ${rate("key_")} AS "keyRate", ${ms("updated_at")} AS "updatedAt"
FROM ${this.#schema}.queues ORDER BY namespace, name`,
    );
    const read = (text: string | null): QueueView["rate"] => (text === null ? null : (JSON.parse(text) as QueueView["rate"]));
    return rows.map((row) => ({ ...row, rate: read(row.rate), keyRate: read(row.keyRate) }));
  }

  /** At most `executionsInBatch`, newest first: run ids are made in time order. The limit stands inside, so that only these rows are joined. */
  async executions(before: string | undefined, limit: number): Promise<readonly CurrentRun[]> {
    const s = this.#schema;
    const rows = await this.#rows<ExecutionRow>(
      `SELECT ${runColumns("e")}, e.epoch, e.claims, e.commit_id <> 0 AS "isCommitted", ${ms("e.not_before")} AS "notBefore", e.task_queue AS "taskQueue", e.idempotency_key AS "idempotencyKey", e.queue_key AS "queueKey",
 e.parent_run_id AS "parentRunId", e.parent_position AS "parentPosition", e.labels, e.attributes, coalesce(p.execution_id, q.execution_id) AS "parentExecutionId", coalesce(p.namespace, q.namespace) AS "parentNamespace", e.worker_id AS "workerId",
 t.run_id IS NOT NULL AS "hasTask", ${ms("t.visible_at")} AS "visibleAt", t.namespace AS "taskNamespace", t.task_queue AS "queueOfTask", t.definition, t.suspect,
 w.id IS NOT NULL AS "hasWorker", w.namespace AS "workerNamespace", w.task_queues AS "workerQueues", w.definitions AS "workerDefinitions",
 ${ms("CASE WHEN w.state = 'live' THEN w.lease_until ELSE coalesce(w.ended_at, w.lease_until) END")} AS "leaseEndsAt",
 ARRAY(SELECT i.message_id FROM ${s}.inbox i WHERE i.run_id = e.run_id ORDER BY i.ordinal) AS messages
FROM (SELECT * FROM ${s}.executions x WHERE x.run_id < $1::uuid ORDER BY x.run_id DESC LIMIT $2::int) e
 LEFT JOIN ${s}.tasks t ON t.run_id = e.run_id LEFT JOIN ${s}.workers w ON w.id = e.worker_id LEFT JOIN ${s}.executions p ON p.run_id = e.parent_run_id
 LEFT JOIN ${s}.past_runs q ON q.run_id = e.parent_run_id
ORDER BY e.run_id DESC`,
      [before ?? beforeAll, Math.min(limit, executionsInBatch)],
    );
    return rows.map(currentRun);
  }

  async pastRuns(runIds: readonly string[]): Promise<readonly PastRun[]> {
    const s = this.#schema;
    return this.#rows<PastRun>(
      `SELECT ${runColumns("p")}
FROM ${s}.executions e JOIN ${s}.past_runs p ON p.namespace = e.namespace AND p.execution_id = e.execution_id
WHERE e.run_id = ANY($1::text::uuid[]) ORDER BY p.namespace, p.execution_id, p.run_number`,
      [list(runIds)],
    );
  }

  async children(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly Child[]>> {
    const rows = await this.#rows<Child & { readonly parentRunId: string }>(
      `SELECT c.parent_run_id AS "parentRunId", c.run_id AS "runId", c.execution_id AS "executionId", c.workflow, c.state, c.parent_position AS position,
 ${ms("c.created_at")} AS "createdAt", ${ms("c.finished_at")} AS "finishedAt",
 CASE WHEN c.finished_at IS NULL AND p.finished_at IS NOT NULL AND c.run_number = 1 AND c.parent_close_policy IS DISTINCT FROM 'abandon' THEN
  EXISTS (SELECT 1 FROM ${this.#schema}.inbox i WHERE i.run_id = c.run_id AND i.type = ${toldBy})
  OR EXISTS (SELECT 1 FROM ${this.#schema}.history h WHERE h.run_id = c.run_id AND h.type = ${toldBy}) END AS told
FROM ${this.#schema}.executions c JOIN ${this.#schema}.executions p ON p.run_id = c.parent_run_id WHERE c.parent_run_id = ANY($1::text::uuid[]) ORDER BY c.parent_run_id, c.parent_position, c.run_id`,
      [list(runIds)],
    );
    return groupBy(rows, ({ parentRunId }) => parentRunId);
  }

  async streams(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly StreamView[]>> {
    const rows = await this.#rows<StreamView>(
      `SELECT e.run_id AS "runId", c.stream, count(*)::int AS chunks, min(c.chunk_offset) AS first, max(c.chunk_offset) AS last,
 (count(*) FILTER (WHERE c.epoch < c.before))::int AS fallen,
 coalesce(array_agg(c.chunk_offset ORDER BY c.chunk_offset) FILTER (WHERE c.step_position IS NULL AND c.run_id = e.run_id), '{}') AS written
FROM ${this.#schema}.executions e CROSS JOIN LATERAL (
 SELECT s.stream, s.chunk_offset, s.epoch, s.run_id, s.step_position, lag(s.epoch) OVER (PARTITION BY s.stream ORDER BY s.chunk_offset) AS before
 FROM ${this.#schema}.stream_chunks s WHERE s.namespace = e.namespace AND s.execution_id = e.execution_id) c
WHERE e.run_id = ANY($1::text::uuid[]) GROUP BY e.run_id, c.stream ORDER BY e.run_id, c.stream`,
      [list(runIds)],
    );
    return groupBy(rows, ({ runId }) => runId);
  }

  /** Whole histories in the order of `runs`; many short ones are read together, a long one page by page. */
  async *histories<R extends Pick<Run, "runId" | "lastSeq">>(runs: readonly R[]): AsyncGenerator<readonly [run: R, events: readonly HistoryEntry[]]> {
    for (const part of pagefuls(runs, ({ lastSeq }) => lastSeq, eventsInPage)) {
      if (part.length === 1) yield [part[0]!, await this.#longHistory(part[0]!.runId)];
      else {
        const ids = part.map(({ runId }) => runId);
        // Joined: in a table that is read as a whole, each row would be compared with each id of an array.
        const rows = await this.#entries("h.run_id IN (SELECT unnest($1::text::uuid[])) ORDER BY h.run_id, h.seq", [list(ids)]);
        const histories = groupBy(rows, ({ runId }) => runId);
        for (const run of part) yield [run, await this.#entriesOf(histories.get(run.runId) ?? [])];
      }
    }
  }

  async #longHistory(runId: string): Promise<readonly HistoryEntry[]> {
    const events: HistoryEntry[] = [];
    for (;;) {
      const page = await this.#entries(`h.run_id = $1::uuid AND h.seq > $2::int ORDER BY h.seq LIMIT ${eventsInPage}`, [runId, events.at(-1)?.seq ?? firstSeq]);
      for (const entry of await this.#entriesOf(page)) events.push(entry);
      if (page.length < eventsInPage) return events;
    }
  }

  async #entriesOf(rows: readonly EntryOfRun[]): Promise<readonly HistoryEntry[]> {
    const events: HistoryEntry[] = [];
    for (const row of rows) events.push(historyEntry(row) ?? wholeEntry(row, await this.#wholeData(row)));
    return events;
  }

  /** One at a time: it may be megabytes. */
  async #wholeData({ runId, seq }: EntryOfRun): Promise<string> {
    const sql = `SELECT h.data FROM ${this.#schema}.history h WHERE h.run_id = $1::uuid AND h.seq = $2::int`;
    return (await this.#rows<{ readonly data: string }>(sql, [runId, seq]))[0]!.data;
  }

  #entries(which: string, parameters: readonly unknown[]): Promise<EntryOfRun[]> {
    return this.#rows(
      `SELECT h.run_id AS "runId", h.seq, h.epoch, ${ms("h.at")} AS at, h.type, octet_length(h.data) AS bytes, left(h.data, ${dataRead}) AS head
FROM ${this.#schema}.history h WHERE ${which}`,
      parameters,
    );
  }

  /** @param from only rows of this run and newer ones; undefined for all */
  async strays(from: string | undefined): Promise<readonly Stray[]> {
    const s = this.#schema;
    const since = (alias: string): string => (from === undefined ? "" : `AND ${alias}.run_id >= $1::uuid`);
    const gone = (alias: string): string => `NOT EXISTS (SELECT 1 FROM ${s}.executions e WHERE e.run_id = ${alias}.run_id)`;
    const parts = [
      some("task", `SELECT t.run_id::text AS subject FROM ${s}.tasks t WHERE ${gone("t")} ${since("t")}`),
      some("inbox", `SELECT DISTINCT i.run_id::text AS subject FROM ${s}.inbox i WHERE ${gone("i")} ${since("i")}`),
      some(
        "history",
        `SELECT DISTINCT h.run_id::text AS subject FROM ${s}.history h WHERE ${gone("h")} AND NOT EXISTS (SELECT 1 FROM ${s}.past_runs p WHERE p.run_id = h.run_id) ${since("h")}`,
      ),
      some(
        "chunks",
        `SELECT DISTINCT c.execution_id AS subject FROM ${s}.stream_chunks c WHERE NOT EXISTS (SELECT 1 FROM ${s}.executions e WHERE e.namespace = c.namespace AND e.execution_id = c.execution_id) ${since("c")}`,
      ),
      some(
        "past run",
        `SELECT p.run_id::text AS subject FROM ${s}.past_runs p WHERE NOT EXISTS (SELECT 1 FROM ${s}.executions e WHERE e.namespace = p.namespace AND e.execution_id = p.execution_id AND e.run_number > p.run_number) ${since("p")}`,
      ),
      some(
        "two runs",
        `SELECT p.run_id::text AS subject FROM ${s}.past_runs p WHERE EXISTS (SELECT 1 FROM ${s}.executions e WHERE e.run_id = p.run_id) ${since("p")}`,
      ),
      some(
        "same id",
        `SELECT min(e.execution_id) AS subject FROM ${s}.executions e WHERE true ${since("e")} GROUP BY e.namespace, e.execution_id HAVING count(*) > 1`,
      ),
      some(
        "same idempotency key",
        `SELECT min(e.execution_id) AS subject FROM ${s}.executions e WHERE e.idempotency_key IS NOT NULL ${since("e")} GROUP BY e.namespace, e.workflow, e.idempotency_key HAVING count(*) > 1`,
      ),
    ];
    return this.#rows<Stray>(parts.join("\nUNION ALL\n"), from === undefined ? [] : [from]);
  }

  async #rows<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#read(sql, parameters)) as Row[];
  }
}

interface EntryOfRun extends EntryRow {
  readonly runId: string;
}

/** What an open child gets when its parent ends. */
const toldBy = "CASE WHEN c.parent_close_policy IS NULL THEN 'CancelRequested' ELSE 'ExecutionTerminated' END";

/** A few of them, with their number. */
function some(kind: Stray["kind"], sql: string): string {
  return `(SELECT '${kind}' AS kind, x.subject, (count(*) OVER ())::int AS total FROM (${sql}) x ORDER BY x.subject LIMIT 5)`;
}

/** As text: how arrays are sent differs between drivers. */
function list(ids: readonly string[]): string {
  return `{${ids.join(",")}}`;
}

function groupBy<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}

function runColumns(alias: string): string {
  const plain = {
    run_id: "runId",
    namespace: "namespace",
    execution_id: "executionId",
    run_number: "runNumber",
    workflow: "workflow",
    version: "version",
    state: "state",
    last_seq: "lastSeq",
  };
  const times = { created_at: "createdAt", started_at: "startedAt", finished_at: "finishedAt" };
  return [
    ...Object.entries(plain).map(([column, name]) => `${alias}.${column} AS "${name}"`),
    ...Object.entries(times).map(([column, name]) => `${ms(`${alias}.${column}`)} AS "${name}"`),
  ].join(", ");
}

interface ExecutionRow extends Omit<CurrentRun, "task" | "claim"> {
  readonly workerId: string | null;
  readonly hasTask: boolean;
  readonly visibleAt: number;
  readonly taskNamespace: string;
  readonly queueOfTask: string;
  readonly definition: string;
  readonly suspect: boolean;
  readonly hasWorker: boolean;
  readonly workerNamespace: string;
  readonly workerQueues: readonly string[];
  readonly workerDefinitions: readonly string[];
  readonly leaseEndsAt: number;
}

function currentRun(row: ExecutionRow): CurrentRun {
  const { workerId, hasTask, visibleAt, taskNamespace, queueOfTask, definition, suspect, ...rest } = row;
  const { hasWorker, workerNamespace, workerQueues, workerDefinitions, leaseEndsAt, ...run } = rest;
  return {
    ...run,
    task: hasTask ? { visibleAt, namespace: taskNamespace, taskQueue: queueOfTask, definition, suspect } : undefined,
    claim:
      workerId === null
        ? undefined
        : { workerId, worker: hasWorker ? { namespace: workerNamespace, taskQueues: workerQueues, definitions: workerDefinitions, leaseEndsAt } : null },
  };
}
