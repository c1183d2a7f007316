import { nodeRuntime } from "../../src/base/node-runtime.ts";
import type { SqlClient } from "../../src/definition/transaction.ts";
import pg from "pg";
import { silentLogger } from "../../src/base/logger.ts";
import { TransactionGateway } from "../../src/postgres/gateway.ts";
import { LocalHints } from "../../src/postgres/hint-channel.ts";
import { plannerSettings } from "../../src/postgres/pg-connections.ts";
import { toBinary } from "../../src/postgres/parameters.ts";
import { PostgresStore } from "../../src/postgres/postgres-store.ts";
import type { Queries } from "../../src/postgres/queries.ts";
import type { Sessions } from "../../src/postgres/sessions.ts";
import { markTransaction } from "../../src/postgres/statements/append-in-transaction.ts";
import type { Connections, Transaction } from "../../src/postgres/transaction.ts";
import { exploredRole } from "./gates.ts";

/** Changes the text of a statement before it is sent, to see whether the explorer notices. */
export type Mutation = (transaction: Transaction<unknown>) => string;

/** What the statements of users' transactions are called where there is a name for a transaction. */
export const userStatement = "user statement";

/** A user's session has the settings of whoever connects, not those for Pawl's own statements. */
const userSettings = `${plannerSettings.replaceAll(/SET (\w+) = \w+/g, "SET LOCAL $1 TO DEFAULT")}; SET LOCAL search_path TO DEFAULT`;

/** Where a session is. `running` is the only one that changes by itself. */
export type SessionState = "idle" | "running" | "gate" | "blocked";

/** Where a session waits to be let on. `step` is the number of its advisory lock; 0 for the gates around a transaction. */
interface Gate {
  readonly label: string;
  readonly step: number;
}

/**
 * One explored session: a connection whose named transactions stop at gates. It is what a process has of the database, so
 * the real gateway and the real store run on it.
 */
export class Session implements Connections {
  readonly number: number;
  readonly gateway: TransactionGateway;
  readonly store: PostgresStore;
  /** What users' transactions run on. Their statements are sent one by one, and what others do may come between any two. */
  readonly users: Sessions = { isExclusive: false, transact: (_, work) => this.#transact(work), close: async () => {} };
  state: SessionState = "idle";
  gate: Gate | undefined;
  pid = 0;
  deadlocks = 0;
  mutation: Mutation | undefined;
  /** Whether it is between the beginning of a transaction and its commit. */
  inTransaction = false;
  /** Whether it is in what is whole in every order of whole transactions: one of Pawl's, or a statement of a user's. */
  inWhole = false;
  readonly #client: pg.Client;
  readonly #changed: () => void;
  #proceed: (() => void) | undefined;

  /** @param changed called whenever the session has come to a gate or to its end */
  constructor(url: string, number: number, changed: () => void) {
    this.number = number;
    this.#changed = changed;
    this.#client = new pg.Client({ connectionString: url, application_name: `explored ${number}` });
    this.#client.on("error", () => {});
    this.#client.on("notice", ({ message }) => {
      const [, step, label] = /^gate (\d+) (.*)$/.exec(message ?? "") ?? [];
      if (label !== undefined) this.#stop({ label, step: Number(step) });
    });
    this.gateway = new TransactionGateway(this, { logger: silentLogger, runtime: nodeRuntime });
    const unused = (): never => {
      throw new Error("No part of what is explored.");
    };
    const queries = new Proxy({} as Queries, { get: unused });
    this.store = new PostgresStore({
      gateway: this.gateway,
      runtime: nodeRuntime,
      queries,
      hints: new LocalHints(nodeRuntime),
      sessions: this.users,
      schema: "pawl",
      startLeaseKeeper: unused,
      disconnect: async () => {},
    });
  }

  async open(): Promise<void> {
    await this.#client.connect();
    // A deadlock shall show at once; nothing here has to survive a crash.
    await this.#client.query(`SET search_path = "pawl"; ${plannerSettings}; SET deadlock_timeout = '20ms'; SET synchronous_commit = off;
      SET pawl_gates.session = '${this.number}'; SET ROLE ${exploredRole}`);
    const { rows } = await this.#client.query<{ readonly pid: number }>("SELECT pg_backend_pid() AS pid");
    this.pid = rows[0]!.pid;
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    const text = this.mutation?.(transaction) ?? transaction.text;
    const query = { name: statementName(transaction, text), text, values: transaction.parameters.map(toBinary) };
    await this.#wait(`begin ${transaction.name}`);
    // A read is one snapshot and takes no locks: nothing can come in between.
    if (/^(read|find|lost|stream)-/.test(transaction.name)) return (await this.#client.query(query)).rows as Row[];
    this.inTransaction = this.inWhole = true;
    try {
      await this.#client.query("BEGIN");
      const result = await this.#client.query(query);
      await this.#wait(`commit ${transaction.name}`);
      await this.#client.query("COMMIT");
      return result.rows as Row[];
    } catch (error) {
      await this.#rollBack(error);
      throw error;
    } finally {
      this.inTransaction = this.inWhole = false;
    }
  }

  async #transact(work: (client: SqlClient) => Promise<boolean>): Promise<void> {
    await this.#wait("begin a user's");
    this.inTransaction = true;
    try {
      await this.#client.query(`BEGIN; ${userSettings}; ${markTransaction}`);
      let isFirst = true;
      const query = async (text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> => {
        // This one neither has a snapshot nor waits for anybody.
        if (text.startsWith("LOCK TABLE")) return this.#client.query(text);
        if (!isFirst) await this.#wait(`send ${text.slice(0, 60).replaceAll("\n", " ")}`);
        isFirst = false;
        return this.#statement(text, values);
      };
      const commits = await work({ query } as SqlClient);
      await query(commits ? "COMMIT" : "ROLLBACK");
    } catch (error) {
      await this.#rollBack(error);
      throw error;
    } finally {
      this.inTransaction = false;
    }
  }

  async #statement(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
    const sent = this.mutation?.({ name: userStatement, text, parameters: [] }) ?? text;
    this.inWhole = true;
    try {
      return await this.#client.query(sent, [...values]);
    } finally {
      this.inWhole = false;
    }
  }

  async #rollBack(cause: unknown): Promise<void> {
    if (cause instanceof Error && "code" in cause && cause.code === "40P01") this.deadlocks++;
    await this.#client.query("ROLLBACK").catch(() => {});
  }

  /** Begins work that will stop at the gate of its first transaction. */
  begin(work: () => Promise<string>): Promise<string> {
    this.deadlocks = 0;
    this.state = "running";
    return work().finally(() => {
      this.state = "idle";
      this.gate = undefined;
      this.#changed();
    });
  }

  /** Goes on from a gate around a transaction. Gates inside are opened by the controller's advisory lock. */
  proceed(): void {
    const proceed = this.#proceed;
    this.#proceed = undefined;
    proceed?.();
  }

  async close(): Promise<void> {
    this.gateway.close();
    await this.#client.end();
  }

  #wait(label: string): Promise<void> {
    return new Promise((resolve) => {
      this.#proceed = resolve;
      this.#stop({ label, step: 0 });
    });
  }

  #stop(gate: Gate): void {
    this.gate = gate;
    this.state = "gate";
    this.#changed();
  }
}

const names = new Map<string, string>();

/** One prepared statement for each text, as in production; a changed text gets a name of its own. */
function statementName(transaction: Transaction<unknown>, text: string): string {
  let name = names.get(text);
  if (name === undefined) names.set(text, (name = `${transaction.name}_${names.size}`));
  return name;
}
