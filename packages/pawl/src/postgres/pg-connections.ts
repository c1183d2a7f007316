import pg from "pg";
import { toBinary } from "./parameters.ts";
import type { Connections, Transaction } from "./transaction.ts";

/**
 * Planner settings of connections that run the hot statements. Their plans must not depend on table sizes or statistics:
 * rows are reached one by one through primary keys, never by hashing or scanning a table (see statements/commit.ts).
 */
export const plannerSettings =
  "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off";

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
      keepAlive: true,
      application_name: "pawl",
      onConnect: async (client) => {
        await client.query(`SET search_path = "${schema}"; ${plannerSettings}`);
      },
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
