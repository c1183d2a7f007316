import { PGlite, type QueryOptions, type Results } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { Closed, OptionInvalid } from "../base/errors.ts";
import type { SqlClient } from "../definition/transaction.ts";
import { migrate } from "../postgres/migrate.ts";
import { Queries } from "../postgres/queries.ts";
import { PgliteSessions } from "../postgres/pglite-sessions.ts";
import { tablesIn } from "../postgres/schema.ts";
import type { Connections, Transaction } from "../postgres/transaction.ts";
import { PgliteConnections } from "./pglite-connections.ts";

const schema = "pawl";

/** Makes what users' SQL needs to find: tables, rows. Every statement is a transaction of its own. */
export type SetUp = (sql: SqlClient) => Promise<unknown>;

/**
 * Drops all that users' SQL has made. What is in no schema but belongs to something in one (casts, event triggers) goes with that. The schema `public` is
 * as a new database has it.
 */
const dropWhatUsersMade = `DO $$
DECLARE made text;
BEGIN
 FOR made IN SELECT format('EXTENSION %I', extname) FROM pg_extension WHERE extname <> 'plpgsql'
  UNION ALL SELECT format('SCHEMA %I', nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', '${schema}') LOOP
  EXECUTE 'DROP ' || made || ' CASCADE';
 END LOOP;
 FOR made IN SELECT quote_ident(rolname) FROM pg_roles WHERE oid >= 16384 LOOP
  EXECUTE 'DROP OWNED BY ' || made || ' CASCADE';
  EXECUTE 'DROP ROLE ' || made;
 END LOOP;
 FOR made IN SELECT quote_ident(name) FROM pg_prepared_statements WHERE name !~ '^prepared_' LOOP EXECUTE 'DEALLOCATE ' || made; END LOOP;
 PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
 CREATE SCHEMA public AUTHORIZATION pg_database_owner;
 GRANT USAGE ON SCHEMA public TO PUBLIC;
END $$`;

/** What a session keeps beyond a transaction, besides its prepared statements. */
const forget = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; SELECT pg_advisory_unlock_all()";

/** A migrated PostgreSQL without any data, and without a user at the moment: making one takes a second or more. */
let spare: Session | undefined;

interface Session {
  readonly db: PGlite;
  readonly connections: PgliteConnections;
}

/**
 * A PostgreSQL inside this process (PGlite) with Pawl's schema, whose clock can be set. Closing it empties it and keeps it
 * for the next one who opens one in this process.
 */
export class MemoryDatabase implements Connections {
  readonly queries: Queries;
  readonly sessions: PgliteSessions;
  /** For users' SQL outside of workflows: every statement is a transaction of its own. */
  readonly sql: SqlClient;
  readonly #session: Session;
  #closed = false;
  /** What its clock was last set to; undefined while that is the machine's. */
  #setTo: number | undefined;

  private constructor(session: Session) {
    this.#session = session;
    const query = async (text: string, parameters?: unknown[], options?: QueryOptions): Promise<Results> => this.#open.query(text, parameters, options);
    this.sessions = new PgliteSessions(() => this.#open);
    this.sql = this.sessions.autocommit();
    this.queries = new Queries(drizzle({ query } as unknown as PGlite), tablesIn(schema));
  }

  /** @throws OptionInvalid; what `setUp` throws */
  static async open(setUp?: SetUp): Promise<MemoryDatabase> {
    checkSetUp(setUp);
    const session = spare;
    spare = undefined;
    const database = new MemoryDatabase(session ?? (await create()));
    try {
      await setUp?.(database.sql);
    } catch (error) {
      await database.close();
      throw error;
    }
    return database;
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    if (this.#closed) throw new Closed("The in-memory database");
    return this.#session.connections.run(transaction);
  }

  /** From now on, it is that time for every statement. @param nowMs milliseconds since 1970, whole */
  async setTime(nowMs: number): Promise<void> {
    if (this.#setTo === nowMs) return;
    // Before the reply: who asks meanwhile is served after this.
    this.#setTo = nowMs;
    await this.#open.query("SELECT set_config('pawl.now', $1, false)", [new Date(nowMs).toISOString()]);
  }

  /** The next time at which something becomes due, after the time that was set: every wait of an execution has a task. */
  async nextDue(): Promise<number | undefined> {
    const { rows } = await this.#open.query<{ due: number | null }>(
      `SELECT (extract(epoch FROM min(at)) * 1000)::float8 AS due
FROM (SELECT visible_at AS at FROM tasks UNION ALL SELECT next_fire_at FROM schedules
 UNION ALL SELECT b.at + period.ms * interval '1 millisecond' FROM queue_begins b JOIN queues q ON q.namespace = b.namespace AND q.name = b.task_queue
  CROSS JOIN LATERAL (VALUES (q.rate_ms), (q.key_rate_ms)) AS period(ms)
  WHERE EXISTS (SELECT FROM tasks k WHERE k.namespace = b.namespace AND k.task_queue = b.task_queue AND k.visible_at <= current_time_of_pawl())) AS due WHERE at > current_time_of_pawl()`,
    );
    return rows[0]?.due ?? undefined;
  }

  /** Empty, as it was made: without data, without what users' SQL has made, with the machine's clock. */
  async clear(): Promise<void> {
    await this.#open.exec(`${forget}; ${dropWhatUsersMade}`);
    await this.#session.connections.prepare(schema);
    const { rows } = await this.#open.query<{ name: string }>(
      "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'migrations'",
    );
    await this.#open.exec(`TRUNCATE ${rows.map(({ name }) => name).join(", ")} RESTART IDENTITY`);
    this.#setTo = undefined;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.clear();
    this.#closed = true;
    if (spare === undefined) spare = this.#session;
    else await this.#session.connections.close();
  }

  /** What its last user still wants must not reach the next one. */
  get #open(): PGlite {
    if (this.#closed) throw new Closed("The in-memory database");
    return this.#session.db;
  }
}

/** @throws OptionInvalid */
export function checkSetUp(setUp: SetUp | undefined): void {
  if (setUp !== undefined && typeof setUp !== "function") throw new OptionInvalid("setUp", "must be a function (sql) => promise, which makes your tables");
}

async function create(): Promise<Session> {
  const db = await PGlite.create();
  await migrate({ exec: async (sql) => void (await db.exec(sql)), query: async (sql) => (await db.query<Record<string, unknown>>(sql)).rows }, schema, true);
  const connections = new PgliteConnections(db);
  await connections.prepare(schema);
  return { db, connections };
}
