import type { IsolationLevel, SqlClient } from "../definition/transaction.ts";
import { isolationSql, type Sessions } from "./sessions.ts";

interface PgliteResults {
  readonly rows: unknown[];
  readonly affectedRows?: number | undefined;
}

/** As much of a PGlite as transactions need. */
interface PgliteLike {
  transaction(work: (tx: PgliteTransaction) => Promise<void>): Promise<unknown>;
}

interface PgliteTransaction {
  query(text: string, values?: unknown[], options?: { readonly rowMode?: "array" | "object" }): Promise<PgliteResults>;
  exec(sql: string): Promise<unknown>;
  rollback(): Promise<void>;
}

/** How Drizzle and others ask a node-postgres client. */
interface QueryConfig {
  readonly text: string;
  readonly values?: unknown[];
  readonly rowMode?: "array";
}

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
      await tx.exec(`SET TRANSACTION ISOLATION LEVEL ${isolationSql(isolation)}; SET LOCAL search_path = public;
SET LOCAL enable_nestloop = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; SET LOCAL plan_cache_mode = auto`);
      if (!(await work(clientOf(tx)))) await tx.rollback();
    });
  }

  async close(): Promise<void> {}
}

function clientOf(tx: PgliteTransaction): SqlClient {
  const query = async (asked: string | QueryConfig, values: readonly unknown[] = []): Promise<{ rows: unknown[]; rowCount: number | null }> => {
    const { text, values: inside, rowMode } = typeof asked === "string" ? { text: asked, values: undefined, rowMode: undefined } : asked;
    const { rows, affectedRows } = await tx.query(text, [...(inside ?? values)], rowMode === undefined ? {} : { rowMode });
    return { rows, rowCount: affectedRows !== undefined && affectedRows > 0 ? affectedRows : rows.length };
  };
  return { query } as SqlClient;
}
