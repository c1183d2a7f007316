import pg from "pg";
import { toBinary } from "./parameters.ts";
import { searchPath } from "./search-path.ts";
import type { Connections, Transaction } from "./transaction.ts";

/**
 * Planner settings of connections that run the named transactions. A plan is made once per connection and must be good for
 * tables of any size, so it must not depend on statistics: a table that was analysed while nearly empty would be joined row
 * by row for ever after. The statements reach every table through an index condition (`= ANY(array)` or a correlated
 * subquery), and what joins there are, are hashed. A test reads the plans.
 */
export const plannerSettings =
  "SET enable_nestloop = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off";

/**
 * For every session of Pawl's own: the timeouts and the isolation level that a role or a database has for its users' sessions are not
 * for these. A commit that waits for a moment would fail for good, a migration would never end, and the statements rely on seeing what
 * was committed while they waited for a lock. Asked for by name, because not every server knows all of them.
 */
export const sessionSettings = `SELECT pg_catalog.set_config(name, CASE name WHEN 'default_transaction_isolation' THEN 'read committed' ELSE '0' END, false) FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout', 'default_transaction_isolation')`;

/**
 * For every connection: a server that is gone without a word (its machine died, a firewall forgot the connection) is noticed
 * within half a minute. Without the delay the first probe would be sent after two hours, and a worker whose lease has a
 * connection of its own would hold its executions all that time.
 */
export const keepAlive = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;

/** Connections to a PostgreSQL server, for the named transactions. */
export class PgConnections implements Connections {
  readonly #pool: pg.Pool;
  readonly #names = new Map<string, string>();

  /** @param schema where Pawl's tables are; checked by `checkSchemaName` before it gets here */
  constructor(url: string, schema: string, size: number) {
    this.#pool = new pg.Pool({
      connectionString: url,
      max: size,
      idleTimeoutMillis: 0,
      connectionTimeoutMillis: 10_000,
      ...keepAlive,
      application_name: "pawl",
      // Awaited by the pool before anyone gets the connection, whatever its types say.
      onConnect: (client) => client.query(`${sessionSettings}; SET search_path = ${searchPath(schema)}; ${plannerSettings}`) as unknown as void,
    });
    // A connection that breaks while idle is replaced by the pool; its next user needs to know nothing of it.
    this.#pool.on("error", () => {});
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    const key = transaction.shape === undefined ? transaction.name : `${transaction.name}:${transaction.shape}`;
    const result = await this.#pool.query({ name: this.#nameOf(key), text: transaction.text, values: transaction.parameters.map(toBinary) });
    return result.rows as Row[];
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  #nameOf(key: string): string {
    let name = this.#names.get(key);
    if (name === undefined) {
      name = `pawl_${key}`;
      this.#names.set(key, name);
    }
    return name;
  }
}
