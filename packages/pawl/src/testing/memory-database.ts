import { PGlite, type QueryOptions, type Results } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { Closed } from "../base/errors.ts";
import { migrate } from "../postgres/migrate.ts";
import { Queries } from "../postgres/queries.ts";
import { PgliteSessions } from "../postgres/pglite-sessions.ts";
import { tablesIn } from "../postgres/schema.ts";
import type { Connections, Transaction } from "../postgres/transaction.ts";
import { PgliteConnections } from "./pglite-connections.ts";

const schema = "pawl";

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
  readonly #session: Session;
  #closed = false;
  /** What its clock was last set to; undefined while that is the machine's. */
  #setTo: number | undefined;

  private constructor(session: Session) {
    this.#session = session;
    const query = async (text: string, parameters?: unknown[], options?: QueryOptions): Promise<Results> => this.#open.query(text, parameters, options);
    this.sessions = new PgliteSessions(() => this.#open);
    this.queries = new Queries(drizzle({ query } as unknown as PGlite), tablesIn(schema));
  }

  static async open(): Promise<MemoryDatabase> {
    const session = spare;
    spare = undefined;
    return new MemoryDatabase(session ?? (await create()));
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
    await this.#setClock(new Date(nowMs).toISOString());
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

  /** Empty, as it was made. */
  async clear(): Promise<void> {
    const { rows } = await this.#open.query<{ name: string }>(
      "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'migrations'",
    );
    await this.#open.exec(`TRUNCATE ${rows.map(({ name }) => name).join(", ")} RESTART IDENTITY`);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.clear();
    await this.#setClock("");
    this.#closed = true;
    if (spare === undefined) spare = this.#session;
    else await this.#session.connections.close();
  }

  /** What its last user still wants must not reach the next one. */
  get #open(): PGlite {
    if (this.#closed) throw new Closed("The in-memory database");
    return this.#session.db;
  }

  async #setClock(now: string): Promise<void> {
    await this.#open.query("SELECT set_config('pawl.now', $1, false)", [now]);
  }
}

async function create(): Promise<Session> {
  const db = await PGlite.create();
  await migrate({ exec: async (sql) => void (await db.exec(sql)), query: async (sql) => (await db.query<Record<string, unknown>>(sql)).rows }, schema, true);
  const connections = new PgliteConnections(db);
  await connections.prepare(schema);
  return { db, connections };
}
