import { nodeRuntime } from "../../src/base/node-runtime.ts";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { silentLogger } from "../../src/base/logger.ts";
import { TransactionGateway } from "../../src/postgres/gateway.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { toBinary } from "../../src/postgres/parameters.ts";
import { plannerSettings } from "../../src/postgres/pg-connections.ts";
import { Queries } from "../../src/postgres/queries.ts";
import { tablesIn } from "../../src/postgres/schema.ts";
import type { Transaction } from "../../src/postgres/transaction.ts";
import { terminalGuard } from "../support/terminal-guard.ts";
import { Controller } from "./controller.ts";
import { installGates } from "./gates.ts";
import { invariantProblems } from "./invariant-problems.ts";
import { readable } from "./world.ts";

const tables = [
  "executions",
  "history",
  "tasks",
  "inbox",
  "workers",
  "past_runs",
  "schedules",
  "retention_policies",
  "stream_chunks",
  "noted_signals",
  "queues",
  "queue_begins",
] as const;
/** Deleted rows pile up until the tables are emptied for good, which costs more. */
const truncateEvery = 100;

/** What a claim knows of an execution. */
export interface Cursor {
  readonly runId: string;
  readonly epoch: number;
  readonly seq: number;
  readonly inboxSeq: number;
}

/** A database in which scenarios are set up, explored and looked at. */
export class Arena {
  readonly controller: Controller;
  /** Without gates: for fixtures and for what comes after a run. */
  readonly gateway: TransactionGateway;
  readonly #client: pg.Client;
  readonly #queries: Queries;
  readonly #fixtures = new Map<string, { readonly number: number; readonly cursors: ReadonlyMap<string, Cursor> }>();
  #restored = 0;

  constructor(url: string) {
    this.controller = new Controller(url);
    this.#client = new pg.Client({ connectionString: url, application_name: "arena" });
    this.#client.on("error", () => {});
    this.#queries = new Queries(drizzle(this.#client), tablesIn("pawl"));
    const run = async <Row>({ text, parameters }: Transaction<Row>): Promise<Row[]> => (await this.#client.query(text, parameters.map(toBinary))).rows as Row[];
    this.gateway = new TransactionGateway({ run, close: async () => {} }, { logger: silentLogger, runtime: nodeRuntime });
  }

  async open(): Promise<void> {
    await this.#client.connect();
    const query = async (sql: string): Promise<Record<string, unknown>[]> => (await this.#client.query(sql)).rows as Record<string, unknown>[];
    await migrate({ exec: async (sql) => void (await query(sql)), query }, "pawl", true);
    await this.#client.query(terminalGuard);
    await installGates(this.#client);
    await this.#client.query(`SET search_path = "pawl"; ${plannerSettings}; SET synchronous_commit = off`);
    await this.controller.open(3);
  }

  async close(): Promise<void> {
    await this.controller.close();
    await this.#client.end();
  }

  /** Puts the database into the state that `build` makes; made once for each name and copied from then on. */
  async restore(name: string, build: (gateway: TransactionGateway) => Promise<void>): Promise<ReadonlyMap<string, Cursor>> {
    const known = this.#fixtures.get(name);
    if (known !== undefined) {
      await this.#copy(known.number);
      return known.cursors;
    }
    await this.#empty();
    await build(this.gateway);
    const number = this.#fixtures.size;
    await this.#client.query(
      `CREATE SCHEMA saved_${number}; ${tables.map((table) => `CREATE TABLE saved_${number}.${table} AS TABLE pawl.${table};`).join("")}`,
    );
    const { rows } = await this.#client.query<Cursor & { readonly id: string }>(
      `SELECT execution_id AS id, run_id AS "runId", epoch, last_seq AS seq, inbox_seq AS "inboxSeq" FROM pawl.executions`,
    );
    const cursors = new Map(rows.map(({ id, ...cursor }) => [id, cursor]));
    this.#fixtures.set(name, { number, cursors });
    return cursors;
  }

  /** The whole state, as far as it does not depend on when things happened. */
  async state(): Promise<string> {
    const list = (columns: string, from: string): string => `(SELECT coalesce(json_agg(x), '[]') FROM (SELECT ${columns} FROM pawl.${from}) AS x)`;
    const { rows } = await this.#client.query<{ readonly state: unknown }>(`SELECT json_build_object(
 'executions', ${list("execution_id, run_id, state, epoch, last_seq, inbox_seq, claims, run_number, worker_id, parent_run_id, waiting_for, started_at IS NOT NULL AS started, finished_at IS NOT NULL AS finished", "executions ORDER BY execution_id")},
 'history', ${list("run_id, seq, epoch, type, data", "history ORDER BY run_id, seq")},
 'tasks', ${list("run_id, visible_at <= clock_timestamp() AS due, suspect, queue_key IS NOT NULL AND NOT EXISTS (SELECT FROM pawl.queues) AS lost", "tasks ORDER BY run_id")},
 'inbox', ${list("run_id, message_id, type", "inbox ORDER BY run_id, ordinal")},
 'workers', ${list("id, state, lease_until > clock_timestamp() AS leased", "workers ORDER BY id")},
 'past_runs', ${list("run_id, run_number, state, last_seq", "past_runs ORDER BY run_id")},
 'stream_chunks', ${list("execution_id, stream, chunk_offset, run_id, epoch, step_position, data", "stream_chunks ORDER BY execution_id, stream, chunk_offset")},
 'queues', ${list("name, concurrency, key_concurrency, last_key", "queues ORDER BY name")},
 'queue_begins', ${list("queue_key, executions", "queue_begins ORDER BY queue_key, executions")},
 'schedules', ${list("id, revision, next_fire_at, waiting, open, state", "schedules ORDER BY id")}) AS state`);
    const state = rows[0]!.state as Record<string, readonly Record<string, unknown>[]>;
    const lines = Object.entries(state).flatMap(([table, records]) => records.map((record) => `${table}: ${Object.values(record).map(String).join(" ")}`));
    return readable(lines.join("\n"));
  }

  /** What must never be so, whatever was explored. */
  async problems(): Promise<string[]> {
    const stranded = (await this.#queries.stranded()).map(({ executionId, state }) => `${executionId} (${state}) has no reason to wake`);
    const waits = `SELECT execution_id FROM pawl.executions e WHERE state = 'running' AND worker_id IS NULL
 AND NOT EXISTS (SELECT FROM pawl.tasks t WHERE t.run_id = e.run_id AND t.visible_at <= clock_timestamp())`;
    const late = await this.#names(`${waits} AND EXISTS (SELECT FROM pawl.inbox i WHERE i.run_id = e.run_id)`);
    const untold = await this.#names(`${waits} AND EXISTS (SELECT FROM pawl.executions k WHERE k.parent_run_id = e.run_id AND k.finished_at IS NOT NULL
 AND NOT EXISTS (SELECT FROM pawl.inbox i WHERE i.run_id = e.run_id AND i.message_id = 'child:' || k.parent_position)
 AND NOT EXISTS (SELECT FROM pawl.history h WHERE h.run_id = e.run_id AND h.type LIKE 'Child%ed' AND h.type <> 'ChildStarted'
  AND h.data::json->>'position' = k.parent_position::text))`);
    const problems = [
      ...stranded,
      ...late.map((name) => `${name} has a message and is not due`),
      ...untold.map((name) => `${name} waits and was not told of the end of a child`),
      ...(await invariantProblems(this.#client)),
    ];
    return problems.map(readable);
  }

  deadWorkersWithClaims(): Promise<readonly string[]> {
    return this.#queries.deadWorkersWithClaims();
  }

  async #names(sql: string): Promise<string[]> {
    return (await this.#client.query<{ readonly execution_id: string }>(sql)).rows.map(({ execution_id }) => execution_id);
  }

  async #copy(number: number): Promise<void> {
    if (++this.#restored % truncateEvery === 0) await this.#empty();
    // Neither gates nor the guard are to see this.
    await this.#client.query(`BEGIN; SET LOCAL session_replication_role = replica; SELECT setval('pawl_guard.violations', 1, false);
 ${tables.map((table) => `DELETE FROM pawl.${table}; INSERT INTO pawl.${table} OVERRIDING SYSTEM VALUE TABLE saved_${number}.${table};`).join("\n")} COMMIT`);
  }

  async #empty(): Promise<void> {
    await this.#client.query(`TRUNCATE ${tables.map((table) => `pawl.${table}`).join(", ")}; SELECT setval('pawl_guard.violations', 1, false)`);
  }
}
