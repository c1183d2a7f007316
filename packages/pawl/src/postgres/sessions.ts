import pg from "pg";
import { OptionInvalid } from "../base/errors.ts";
import type { IsolationLevel, SqlClient } from "../definition/transaction.ts";
import { keepAlive } from "./pg-connections.ts";
import { markTransaction } from "./statements/append-in-transaction.ts";
import { endSession, transactionSessions } from "./statements/end-session.ts";
import type { Connections } from "./transaction.ts";

/** What became of a transaction whose commit was asked for. */
export class CommitInDoubt extends Error {
  override readonly name = "CommitInDoubt";
}

/** Opens transactions in which users' code runs SQL: with PostgreSQL's own settings, and the search path of whoever connects. */
export interface Sessions {
  /** Whether one session serves everything, so that nothing else can be sent while a transaction is open. */
  readonly isExclusive: boolean;
  /**
   * Begins, lets `work` do what it does, and commits if it gives true, or rolls back. When the signal has fired by then, what still runs in
   * the transaction is not waited for: nobody wants it any more.
   *
   * @throws what `work` throws, after rolling back; CommitInDoubt (with the error as cause) when nobody knows whether the commit happened
   */
  transact(isolation: IsolationLevel, work: (client: SqlClient) => Promise<boolean>, signal?: AbortSignal): Promise<void>;
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
  readonly #connections: Connections;
  #pool: pg.Pool | undefined;
  readonly #open = new Set<pg.PoolClient>();

  /** @param connections others, to end sessions that are stuck */
  constructor(url: string, size: number, connections: Connections) {
    this.#url = url;
    this.#size = size;
    this.#connections = connections;
  }

  async transact(isolation: IsolationLevel, work: (client: SqlClient) => Promise<boolean>, signal?: AbortSignal): Promise<void> {
    const client = await this.#connect();
    let broken: Error | undefined;
    this.#open.add(client);
    try {
      await client.query(`BEGIN ISOLATION LEVEL ${isolationSql(isolation)}; ${markTransaction}`).catch((error: Error) => {
        broken = error;
        throw error;
      });
      let commits: boolean;
      try {
        commits = await work(client);
      } catch (error) {
        broken = await this.#rollBack(client, signal);
        throw error;
      }
      if (!commits) {
        broken = await this.#rollBack(client, signal);
        return;
      }
      try {
        await client.query("COMMIT");
      } catch (error) {
        broken = error as Error;
        // An answer with a code is PostgreSQL's own, which has rolled back.
        if (error instanceof pg.DatabaseError && !/^(57P|08)/.test(error.code ?? "")) throw error;
        throw new CommitInDoubt("Nobody knows whether the transaction was committed.", { cause: error });
      }
    } finally {
      this.#open.delete(client);
      client.release(broken);
    }
  }

  /** Gives what has made the connection useless, if anything has. */
  async #rollBack(client: pg.PoolClient, signal: AbortSignal | undefined): Promise<Error | undefined> {
    if (signal?.aborted !== true)
      return client.query("ROLLBACK").then(
        () => undefined,
        (error: Error) => error,
      );
    await this.#end(client);
    return signal.reason as Error;
  }

  /** Its locks are free, and its place is, also when a statement of it waits for somebody else's lock. */
  async #end(client: pg.PoolClient): Promise<void> {
    const { processID } = client as unknown as { readonly processID: number };
    // Where that cannot be sent, its own connection will be broken, too.
    await this.#connections.run(endSession(processID)).catch(() => {});
  }

  async #connect(): Promise<pg.PoolClient> {
    if (this.#pool === undefined) {
      this.#pool = new pg.Pool({
        connectionString: this.#url,
        max: this.#size,
        connectionTimeoutMillis: 10_000,
        ...keepAlive,
        application_name: transactionSessions,
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
    if (this.#open.size === 0) return closing;
    const end = async (client: pg.PoolClient): Promise<void> => {
      await this.#end(client);
      await (client as unknown as pg.Client).end().catch(() => {});
    };
    await Promise.all([...this.#open].map(end));
  }
}
