import { and, asc, desc, eq, exists, gt, gte, inArray, lt, lte, notExists, notInArray, sql, type SQL } from "drizzle-orm";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import type { PgliteDatabase } from "drizzle-orm/pglite";
import { readAttributes } from "../base/search-values.ts";
import { decodeEvent } from "../kernel/event-codec.ts";
import { terminalStates, type ExecutionState } from "../kernel/execution-state.ts";
import type { RecordedEvent } from "../kernel/event.ts";
import type { UpdateReply } from "../kernel/mailbox.ts";
import type { FilterField } from "../store/filter.ts";
import type {
  Backlog,
  CountedGroup,
  DatabaseFacts,
  ExecutionSummary,
  HistoryPlace,
  ListFilter,
  ListPage,
  WatchedWorkers,
  VersionCount,
  Outcome,
  PastRunSummary,
  ScheduleCount,
  ValueOutcome,
  WorkerSummary,
} from "../store/store.ts";
import { filterCondition, groupValue, otherThan, readGroupValue, stateCondition } from "./filter-sql.ts";
import type { Tables } from "./schema.ts";

type Drizzle = NodePgDatabase | PgliteDatabase;

/** Reads off the hot path, on connections with PostgreSQL's own planner settings. */
export class Queries {
  readonly #db: NodePgDatabase;
  readonly #tables: Tables;

  constructor(db: Drizzle, tables: Tables) {
    // The two drivers differ in how they send, not in what can be asked.
    this.#db = db as NodePgDatabase;
    this.#tables = tables;
  }

  async describe(namespace: string, executionId: string): Promise<ExecutionSummary | undefined> {
    const { executions } = this.#tables;
    const [row] = await this.#db
      .select()
      .from(executions)
      .where(and(eq(executions.namespace, namespace), eq(executions.executionId, executionId)));
    return row === undefined ? undefined : summary(row);
  }

  /** Newest first: run ids are made in time order, so the primary key is the order, and a page costs as much as the rows it passes. */
  async list(filter: ListFilter, { limit, before, afterExecutionId }: ListPage): Promise<readonly ExecutionSummary[]> {
    const { executions } = this.#tables;
    const conditions = this.#conditions(filter);
    if (before !== undefined) conditions.push(lt(executions.runId, before));
    if (afterExecutionId !== undefined) conditions.push(gt(executions.executionId, afterExecutionId));
    const rows = await this.#db
      .select()
      .from(executions)
      .where(and(...conditions))
      .orderBy(afterExecutionId === undefined ? desc(executions.runId) : executions.executionId)
      .limit(limit);
    return rows.map(summary);
  }

  async count(filter: ListFilter, groupBy: FilterField | undefined, limit: number): Promise<readonly CountedGroup[]> {
    const { executions } = this.#tables;
    const count = sql<number>`count(*)::float8`;
    const where = and(...this.#conditions(filter));
    if (groupBy === undefined) return [{ value: null, count: (await this.#db.select({ count }).from(executions).where(where))[0]!.count }];
    const rows = await this.#db
      .select({ value: sql<unknown>`${groupValue(executions, groupBy)} AS value`, count })
      .from(executions)
      .where(where)
      .groupBy(sql`1`)
      .orderBy(desc(count), sql`1`)
      .limit(limit);
    return rows.map((row) => ({ value: readGroupValue(row.value), count: row.count }));
  }

  #conditions(filter: ListFilter): SQL[] {
    const { executions } = this.#tables;
    const conditions: SQL[] = [eq(executions.namespace, filter.namespace)];
    if (filter.workflow !== undefined) conditions.push(eq(executions.workflow, filter.workflow));
    if (filter.state !== undefined) conditions.push(stateCondition(executions, filter.state));
    if (filter.taskQueue !== undefined) conditions.push(eq(executions.taskQueue, filter.taskQueue));
    if (filter.createdAfter !== undefined) conditions.push(gte(executions.createdAt, new Date(filter.createdAfter)));
    if (filter.createdBefore !== undefined) conditions.push(lt(executions.createdAt, new Date(filter.createdBefore)));
    if (filter.parentExecutionId !== undefined) {
      const { pastRuns } = this.#tables;
      const parent = this.#db
        .select({ runId: executions.runId })
        .from(executions)
        .where(and(eq(executions.namespace, filter.namespace), eq(executions.executionId, filter.parentExecutionId)));
      const earlier = this.#db
        .select({ runId: pastRuns.runId })
        .from(pastRuns)
        .where(and(eq(pastRuns.namespace, filter.namespace), eq(pastRuns.executionId, filter.parentExecutionId)));
      conditions.push(inArray(executions.parentRunId, parent.unionAll(earlier)));
    }
    if (filter.filter !== undefined) conditions.push(filterCondition(executions, filter.filter));
    return conditions;
  }

  async pastRuns(namespace: string, executionId: string): Promise<readonly PastRunSummary[]> {
    const { pastRuns } = this.#tables;
    const rows = await this.#db
      .select()
      .from(pastRuns)
      .where(and(eq(pastRuns.namespace, namespace), eq(pastRuns.executionId, executionId)))
      .orderBy(asc(pastRuns.runNumber));
    return rows.map(({ runId, runNumber, version, state, startedAt, finishedAt, lastSeq }) => ({
      runId,
      runNumber,
      version,
      state: state as ExecutionState,
      startedAt: startedAt?.getTime() ?? null,
      finishedAt: finishedAt?.getTime() ?? null,
      events: lastSeq,
    }));
  }

  /** By the primary key of the latest run, which has from its beginning the ids that the runs before it remember. */
  async hasReceived(namespace: string, executionId: string, messageId: string): Promise<boolean> {
    const { executions, history, inbox } = this.#tables;
    const { rows } = await this.#db.execute(sql`SELECT 1 FROM ${executions} e JOIN ${history} h ON h.run_id = e.run_id
     WHERE e.namespace = ${namespace} AND e.execution_id = ${executionId} AND CASE h.type
      WHEN 'SignalReceived' THEN ${messageId} = 'signal:' || (h.data::json->>'signalId')
      WHEN 'UpdateReceived' THEN ${messageId} = 'update:' || (h.data::json->>'updateId')
      WHEN 'ExecutionStarted' THEN ${messageId} IN (SELECT json_array_elements_text(h.data::json->'continuedFrom'->'messages'))
      ELSE false END
     UNION ALL SELECT 1 FROM ${executions} e JOIN ${inbox} i ON i.run_id = e.run_id
     WHERE e.namespace = ${namespace} AND e.execution_id = ${executionId} AND i.message_id = ${messageId} LIMIT 1`);
    return rows.length > 0;
  }

  /**
   * Newest run first, each by its primary key, and no further than where it is found, or up to where was looked before. An execution may
   * have continued many times since. What a rollback has left behind is no part of it.
   */
  async updateReply(namespace: string, executionId: string, updateId: string, after?: HistoryPlace): Promise<UpdateReply | undefined> {
    const { executions, history } = this.#tables;
    const known = sql`${after?.runId ?? null}::uuid`;
    const replyIn = (runId: SQL): SQL => sql`LATERAL (
      SELECT h.type, h.data FROM ${history} h
      WHERE h.run_id = ${runId} AND h.seq > CASE WHEN h.run_id = ${known} THEN ${after?.seq ?? 0}::int ELSE 0 END
       AND h.type IN ('UpdateCompleted', 'UpdateRejected') AND h.data::json->>'updateId' = ${updateId}
      ORDER BY h.seq DESC LIMIT 1) r ON true`;
    const { rows } = await this.#db.execute<{ type: string; data: string }>(sql`WITH RECURSIVE line AS (
      SELECT e.run_id, r.type, r.data FROM ${executions} e LEFT JOIN ${replyIn(sql`e.run_id`)}
      WHERE e.namespace = ${namespace} AND e.execution_id = ${executionId}
     UNION ALL
      SELECT p.run_id, r.type, r.data FROM line l
      CROSS JOIN LATERAL (
       SELECT (h.data::json->'continuedFrom'->>'runId')::uuid AS run_id FROM ${history} h WHERE h.run_id = l.run_id AND h.seq = 1 LIMIT 1) p
      LEFT JOIN ${replyIn(sql`p.run_id`)}
      WHERE l.type IS NULL AND l.run_id IS DISTINCT FROM ${known} AND p.run_id IS NOT NULL)
    SELECT type, data FROM line WHERE type IS NOT NULL`);
    const [row] = rows;
    return row === undefined ? undefined : (decodeEvent(row.type, row.data) as UpdateReply);
  }

  async value(namespace: string, executionId: string, key: string): Promise<ValueOutcome | undefined> {
    const { executions, history } = this.#tables;
    const [row] = await this.#db
      .select({
        runId: executions.runId,
        state: executions.state,
        seq: history.seq,
        epoch: history.epoch,
        at: history.at,
        type: history.type,
        data: history.data,
      })
      .from(executions)
      .leftJoin(history, and(eq(history.runId, executions.runId), eq(history.type, "ValueSet"), sql`${history.data}::json->>'key' = ${key}`))
      .where(and(eq(executions.namespace, namespace), eq(executions.executionId, executionId)))
      .orderBy(desc(history.seq))
      .limit(1);
    if (row === undefined) return undefined;
    const { runId, state, ...event } = row;
    return { runId, state: state as ExecutionState, event: event.seq === null ? undefined : recorded(event as HistoryRow) };
  }

  async outcomes(namespace: string, executionIds: readonly string[]): Promise<ReadonlyMap<string, Outcome>> {
    const { executions, history } = this.#tables;
    const rows = await this.#db
      .select({
        executionId: executions.executionId,
        runId: executions.runId,
        workflow: executions.workflow,
        state: executions.state,
        startedAt: executions.startedAt,
        parentRunId: executions.parentRunId,
        parentPosition: executions.parentPosition,
        seq: history.seq,
        epoch: history.epoch,
        at: history.at,
        type: history.type,
        data: history.data,
      })
      .from(executions)
      .leftJoin(
        history,
        and(eq(history.runId, executions.runId), eq(history.seq, executions.lastSeq), inArray(executions.state, [...terminalStates, "quarantined"])),
      )
      .where(and(eq(executions.namespace, namespace), inArray(executions.executionId, [...executionIds])));
    return new Map(
      rows.map((row) => [
        row.executionId,
        {
          runId: row.runId,
          workflow: row.workflow,
          state: row.state as ExecutionState,
          hasBegun: row.startedAt !== null,
          parentRunId: row.parentRunId,
          parentPosition: row.parentPosition,
          last: row.type === null ? undefined : recorded(row as HistoryRow),
        },
      ]),
    );
  }

  async deadWorkersWithClaims(): Promise<readonly string[]> {
    const { rows } = await this.#db.execute<{ id: string }>(this.#deadWithClaims());
    return rows.map((row) => row.id);
  }

  async watchedWorkers(host: string): Promise<WatchedWorkers> {
    const { workers } = this.#tables;
    const neighbours = await this.#db
      .select({ workerId: workers.id, pid: workers.pid, pidStarted: workers.pidStarted })
      .from(workers)
      .where(and(sql`${workers.state} = 'live'`, eq(workers.host, host)));
    return { neighbours, dead: await this.deadWorkersWithClaims() };
  }

  /**
   * Goes from one worker that has claims to the next along the index of claims: there are far fewer of these than of workers that have
   * died within a day. One without a row counts as dead; it was for so long that it is forgotten.
   */
  #deadWithClaims(): SQL {
    const { workers, executions } = this.#tables;
    const next = (condition: SQL): SQL => sql`SELECT e.worker_id FROM ${executions} e WHERE ${condition} ORDER BY e.worker_id LIMIT 1`;
    return sql`WITH RECURSIVE owners AS (
      (${next(sql`e.worker_id IS NOT NULL`)})
     UNION ALL
      SELECT (${next(sql`e.worker_id > o.worker_id`)}) FROM owners o WHERE o.worker_id IS NOT NULL)
    SELECT o.worker_id AS id FROM owners o
    WHERE o.worker_id IS NOT NULL AND NOT EXISTS (SELECT FROM ${workers} w WHERE w.id = o.worker_id AND w.state = 'live')`;
  }

  async workers(namespace: string): Promise<readonly WorkerSummary[]> {
    const { workers, executions } = this.#tables;
    const claimed = this.#db
      .select({ n: sql<number>`count(*)::int` })
      .from(executions)
      .where(eq(executions.workerId, workers.id));
    // Nobody may be there to declare one dead whose lease has ended.
    const isLive = sql<boolean>`(${workers.state} = 'live' AND ${workers.leaseUntil} >= now())`;
    const ids = (condition: SQL) =>
      this.#db
        .select({ id: workers.id })
        .from(workers)
        .where(and(eq(workers.namespace, namespace), condition));
    // A process that dies and starts again and again leaves more of these than anybody reads.
    const ended = ids(sql`NOT ${isLive} AND ${workers.leaseUntil} > now() - interval '1 day'`)
      .orderBy(desc(workers.startedAt))
      .limit(200);
    const rows = await this.#db
      .select({ worker: workers, claimed: sql<number>`(${claimed})`, live: isLive })
      .from(workers)
      .where(inArray(workers.id, ids(isLive).unionAll(ended)))
      .orderBy(desc(isLive), desc(workers.startedAt));
    return rows.map(({ worker, claimed: held, live }) => ({
      workerId: worker.id,
      state: worker.state === "live" && !live ? "dead" : (worker.state as WorkerSummary["state"]),
      host: worker.host,
      pid: worker.pid,
      taskQueues: worker.taskQueues,
      definitions: worker.definitions,
      definitionQueues: worker.definitionQueues,
      concurrency: worker.concurrency,
      startedAt: worker.startedAt.getTime(),
      leaseUntil: worker.leaseUntil.getTime(),
      claimed: held,
    }));
  }

  async unfinishedByVersion(namespace: string, workflow: string | undefined): Promise<readonly VersionCount[]> {
    const { executions } = this.#tables;
    const rows = await this.#db
      .select({
        workflow: executions.workflow,
        version: executions.version,
        state: executions.state,
        count: sql<number>`count(*)::float8`,
        oldest: sql<number>`(extract(epoch FROM min(${executions.createdAt})) * 1000)::float8`,
      })
      .from(executions)
      .where(
        and(
          eq(executions.namespace, namespace),
          stateCondition(executions, otherThan(["completed", "terminated"])),
          workflow === undefined ? undefined : eq(executions.workflow, workflow),
        ),
      )
      .groupBy(executions.workflow, executions.version, executions.state);
    return rows.map((row) => ({ ...row, state: row.state as ExecutionState }));
  }

  async schedulesByVersion(namespace: string, workflow: string | undefined): Promise<readonly ScheduleCount[]> {
    const { schedules } = this.#tables;
    return this.#db
      .select({ workflow: schedules.workflow, version: schedules.version, count: sql<number>`count(*)::int` })
      .from(schedules)
      .where(and(eq(schedules.namespace, namespace), workflow === undefined ? undefined : eq(schedules.workflow, workflow)))
      .groupBy(schedules.workflow, schedules.version);
  }

  async databaseFacts(): Promise<DatabaseFacts> {
    const { rows } = await this.#db.execute<{
      version: string;
      now: number;
      read_only: boolean;
      fsync: boolean;
      full_page_writes: boolean;
      synchronous_commit: string;
    }>(
      sql`SELECT current_setting('server_version') AS version, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now,
        pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS read_only, current_setting('fsync')::boolean AS fsync,
        current_setting('full_page_writes')::boolean AS full_page_writes, current_setting('synchronous_commit') AS synchronous_commit`,
    );
    const row = rows[0]!;
    return {
      version: row.version,
      now: row.now,
      readOnly: row.read_only,
      fsync: row.fsync,
      fullPageWrites: row.full_page_writes,
      synchronousCommit: row.synchronous_commit,
    };
  }

  async backlog(namespace: string): Promise<readonly Backlog[]> {
    const { tasks } = this.#tables;
    const oldest = sql<number>`(extract(epoch FROM min(${tasks.visibleAt})) * 1000)::float8`;
    return this.#db
      .select({ taskQueue: tasks.taskQueue, definition: tasks.definition, tasks: sql<number>`count(*)::int`, oldestDueAt: oldest })
      .from(tasks)
      .where(and(eq(tasks.namespace, namespace), lte(tasks.visibleAt, sql`now()`)))
      .groupBy(tasks.taskQueue, tasks.definition)
      .orderBy(asc(oldest))
      .limit(100);
  }

  /**
   * The wake query (I19): executions that are not over and have no claim, no task, no held state and no child or message
   * that could wake them. Always empty.
   */
  async stranded(): Promise<readonly { readonly executionId: string; readonly state: string; readonly namespace: string }[]> {
    const { executions, tasks, inbox, history } = this.#tables;
    const child = this.#db
      .select({ one: sql`1` })
      .from(sql`${executions} AS child`)
      .where(
        sql`child.parent_run_id = ${executions.runId} AND child.state NOT IN (${sql.join(
          terminalStates.map((state) => sql`${state}`),
          sql`, `,
        )})`,
      );
    const task = this.#db
      .select({ one: sql`1` })
      .from(tasks)
      .where(eq(tasks.runId, executions.runId));
    const message = this.#db
      .select({ one: sql`1` })
      .from(inbox)
      .where(eq(inbox.runId, executions.runId));
    // A paused one is held, until it is asked to cancel, or ended with its parent.
    const cancel = this.#db
      .select({ one: sql`1` })
      .from(inbox)
      .where(and(eq(inbox.runId, executions.runId), inArray(inbox.messageId, ["cancel", "terminate"])));
    // Which of its waits are over, only its code knows: one that has waited for messages counts as waiting.
    const wait = this.#db
      .select({ one: sql`1` })
      .from(history)
      .where(and(eq(history.runId, executions.runId), eq(history.type, "WaitStarted")));
    return this.#db
      .select({ executionId: executions.executionId, state: executions.state, namespace: executions.namespace })
      .from(executions)
      .where(
        and(
          notInArray(executions.state, [...terminalStates, "quarantined"]),
          sql`(${executions.state} <> 'paused' OR ${exists(cancel)})`,
          // A claim is a reason only while its worker lives or is about to be taken over, which the reaper does for every dead one.
          sql`${executions.workerId} IS NULL`,
          notExists(task),
          // A message without a task would be a lost wake-up: waiting for a child counts only while nothing has arrived.
          sql`((NOT ${exists(child)} AND NOT ${exists(wait)}) OR ${exists(message)})`,
        ),
      )
      .limit(100);
  }
}

interface HistoryRow {
  readonly seq: number;
  readonly epoch: number;
  readonly at: Date;
  readonly type: string;
  readonly data: string;
}

function recorded({ seq, epoch, at, type, data }: HistoryRow): RecordedEvent {
  return { seq, epoch, at: at.getTime(), event: decodeEvent(type, data) };
}

function summary(row: Tables["executions"]["$inferSelect"]): ExecutionSummary {
  return {
    executionId: row.executionId,
    runId: row.runId,
    runNumber: row.runNumber,
    workflow: row.workflow,
    version: row.version,
    taskQueue: row.taskQueue,
    state: row.state as ExecutionState,
    createdAt: row.createdAt.getTime(),
    startedAt: row.startedAt?.getTime() ?? null,
    finishedAt: row.finishedAt?.getTime() ?? null,
    events: row.lastSeq,
    workerId: row.workerId,
    parentRunId: row.parentRunId,
    idempotencyKey: row.idempotencyKey,
    deduplicationId: row.deduplicationId,
    // Empty: it has none, and was claimed from a queue with limits.
    key: row.queueKey === "" ? null : row.queueKey,
    priority: row.priority ?? 0,
    waitingFor: row.waitingFor,
    labels: row.labels ?? {},
    attributes: readAttributes(row.attributes),
  };
}
