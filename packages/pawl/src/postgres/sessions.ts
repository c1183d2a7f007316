import pg from "pg";
import { OptionInvalid } from "../base/errors.ts";
import type { IsolationLevel, SqlClient } from "../definition/transaction.ts";
import { keepAlive } from "./pg-connections.ts";

/** What became of a transaction whose commit was asked for. */
export class CommitInDoubt extends Error {
  override readonly name = "CommitInDoubt";
}

/** Opens transactions in which users' code runs SQL: with PostgreSQL's own settings, and the search path of whoever connects. */
export interface Sessions {
  /** Whether one session serves everything, so that nothing else can be sent while a transaction is open. */
  readonly isExclusive: boolean;
  /**
   * Begins, lets `work` do what it does, and commits if it gives true, or rolls back.
   *
   * @throws what `work` throws, after rolling back; CommitInDoubt (with the error as cause) when nobody knows whether the commit happened
   */
  transact(isolation: IsolationLevel, work: (client: SqlClient) => Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

const levels: Readonly<Record<IsolationLevel, string>> = {
  "read committed": "READ COMMITTED",
  "repeatable read": "REPEATABLE READ",
  serializable: "SERIALIZABLE",
};

/** @throws OptionInvalid */
export function isolationSql(isolation: IsolationLevel): string {
  if (!Object.hasOwn(levels, isolation)) throw new OptionInvalid("isolation", `must be one of ${Object.keys(levels).join(", ")}, not ${isolation}`);
  return levels[isolation];
}

/** Sessions on a PostgreSQL server, in a pool of their own: a long transaction must not hold up commits. */
export class PgSessions implements Sessions {
  readonly isExclusive = false;
  readonly #url: string;
  readonly #size: number;
  #pool: pg.Pool | undefined;
  readonly #open = new Set<pg.PoolClient>();

  constructor(url: string, size: number) {
    this.#url = url;
    this.#size = size;
  }

  async transact(isolation: IsolationLevel, work: (client: SqlClient) => Promise<boolean>): Promise<void> {
    const client = await this.#connect();
    let broken: Error | undefined;
    this.#open.add(client);
    try {
      await client.query(`BEGIN ISOLATION LEVEL ${isolationSql(isolation)}`);
      let commits: boolean;
      try {
        commits = await work(client);
      } catch (error) {
        await client.query("ROLLBACK").catch((failure: Error) => (broken = failure));
        throw error;
      }
      if (!commits) return void (await client.query("ROLLBACK"));
      try {
        await client.query("COMMIT");
      } catch (error) {
        broken = error as Error;
        // An answer with a code is PostgreSQL's own, which has rolled back.
        if (error instanceof pg.DatabaseError && !/^(57P|08)/.test(error.code ?? "")) throw error;
        throw new CommitInDoubt("Nobody knows whether the transaction was committed.", { cause: error });
      }
    } catch (error) {
      broken ??= error instanceof pg.DatabaseError ? undefined : (error as Error);
      throw error;
    } finally {
      this.#open.delete(client);
      client.release(broken);
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#pool === undefined) {
      this.#pool = new pg.Pool({
        connectionString: this.#url,
        max: this.#size,
        connectionTimeoutMillis: 10_000,
        ...keepAlive,
        application_name: "pawl transactions",
      });
      this.#pool.on("error", () => {});
    }
    const client = await this.#pool.connect();
    // Whoever waits for a query hears of it; without a listener it would end the process.
    if (client.listenerCount("error") === 0) client.on("error", () => {});
    return client;
  }

  /** Transactions that are still open are rolled back: their users' code may never come to an end. */
  async close(): Promise<void> {
    const closing = this.#pool?.end();
    if (this.#open.size === 0) await closing;
    else await Promise.all([...this.#open].map((client) => (client as unknown as pg.Client).end().catch(() => {})));
  }
}
