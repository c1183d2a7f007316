import type { IsolationLevel, SqlClient, SqlResult } from "../definition/transaction.ts";
import { isolationSql, type Sessions } from "./sessions.ts";
import { markTransaction } from "./statements/append-in-transaction.ts";

interface PgliteResults {
  readonly rows: unknown[];
  readonly rowCount?: number | undefined;
  readonly command?: string | undefined;
}

/** As much of a PGlite as transactions need. */
interface PgliteLike {
  transaction(work: (tx: PgliteTransaction) => Promise<void>): Promise<unknown>;
}

interface QueryOptions {
  readonly rowMode?: "array" | "object";
}

interface PgliteTransaction {
  query(text: string, values: unknown[], options: QueryOptions): Promise<PgliteResults>;
  exec(sql: string, options?: QueryOptions): Promise<PgliteResults[]>;
  rollback(): Promise<void>;
}

/** How Drizzle and others ask a node-postgres client. */
interface QueryConfig {
  readonly text: string;
  readonly values?: unknown[];
  readonly rowMode?: "array";
}

/** What PostgreSQL refuses outside of a transaction. */
const onlyInTransaction = /(?<=^\s*)(?:lock|savepoint|release|rollback\s+to)\b/i;

/** Transactions on an in-process PostgreSQL, whose one session serves everybody. Users' SQL finds the tables of the schema `public` first. */
export class PgliteSessions implements Sessions {
  readonly isExclusive = true;
  readonly #db: () => PgliteLike;

  constructor(db: () => PgliteLike) {
    this.#db = db;
  }

  async transact(isolation: IsolationLevel, work: (client: SqlClient) => Promise<boolean>): Promise<void> {
    await this.#db().transaction(async (tx) => {
      // Until the end of the transaction: the session's own settings are for Pawl's statements.
      await tx.exec(`SET TRANSACTION ISOLATION LEVEL ${isolationSql(isolation)}; SET LOCAL search_path = public; ${markTransaction};
SET LOCAL enable_nestloop = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; SET LOCAL plan_cache_mode = auto`);
      if (!(await work(clientOf(tx)))) await tx.rollback();
    });
  }

  /** Runs users' SQL outside of workflows: every query is a transaction of its own. */
  autocommit(): SqlClient {
    const query: SqlClient["query"] = async <Row>(text: string, values?: readonly unknown[]) => {
      const [found] = onlyInTransaction.exec(text) ?? [];
      if (found !== undefined) throw Object.assign(new Error(`${found.toUpperCase()} can only be used in transaction blocks`), { code: "25P01" });
      let result: SqlResult<Row> | undefined;
      await this.transact("read committed", async (client) => {
        result = await client.query<Row>(text, values);
        return true;
      });
      return result!;
    };
    return { query };
  }

  async close(): Promise<void> {}
}

function clientOf(tx: PgliteTransaction): SqlClient {
  const query = async (asked: string | QueryConfig, values?: readonly unknown[]): Promise<SqlResult<unknown> | SqlResult<unknown>[]> => {
    const { text, values: inside, rowMode } = typeof asked === "string" ? { text: asked, values: undefined, rowMode: undefined } : asked;
    const given = inside ?? values;
    const options = rowMode === undefined ? {} : { rowMode };
    if (given !== undefined) return resultOf(await tx.query(text, [...given], options));
    // As node-postgres does it: without values, a text may hold several statements, and then there are several results.
    const results = (await tx.exec(text, options)).map(resultOf);
    return results.length > 1 ? results : (results[0] ?? { rows: [], rowCount: null });
  };
  return { query } as SqlClient;
}

/** With the command, as node-postgres has it: Kysely wants to know. */
function resultOf({ rows, rowCount, command }: PgliteResults): SqlResult<unknown> & { readonly command: string | undefined } {
  return { rows, rowCount: rowCount ?? null, command };
}
