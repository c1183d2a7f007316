import { PGlite, type QueryOptions, type Results } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { literal, migrate, PgliteSessions, plannerSettings, Queries, tablesIn, type Connections, type Parameter, type Transaction } from "pawl/internal";
import { guardSql } from "./guard.ts";

/** Time as the database has it: the world of the simulation that is running sets it. */
export const databaseTime = { now: (): number => 0 };

const schema = "pawl";

/**
 * One PostgreSQL inside this process, for all simulations one after the other. Its clock is JavaScript's `Date.now`, which is
 * taken over before it starts.
 */
export class SimDatabase implements Connections {
  readonly pglite: PGlite;
  /** For the stores of all processes: made once, since it keeps nothing. */
  readonly queries = new Queries(drizzle(this.#drizzleClient), tablesIn(schema));
  readonly #prepared = new Map<string, string>();

  private constructor(pglite: PGlite) {
    this.pglite = pglite;
  }

  static async create(): Promise<SimDatabase> {
    Date.now = () => Math.floor(databaseTime.now());
    const pglite = await PGlite.create();
    const query = async (sql: string): Promise<Record<string, unknown>[]> => (await pglite.query<Record<string, unknown>>(sql)).rows;
    await migrate({ exec: async (sql) => void (await pglite.exec(sql)), query }, schema, true);
    await pglite.exec(
      `SET search_path = "${schema}"; ${plannerSettings}; ${guardSql}; CREATE TABLE public.effects (key text NOT NULL, value integer NOT NULL)`,
    );
    return new SimDatabase(pglite);
  }

  /** Empty, as after the migration. */
  async reset(): Promise<void> {
    await this.pglite.exec(
      "TRUNCATE executions, history, tasks, inbox, workers, past_runs, schedules, retention_policies, stream_chunks, queues, queue_begins, public.effects RESTART IDENTITY",
    );
  }

  /** For users' transactions. */
  get sessions(): PgliteSessions {
    return new PgliteSessions(() => this.pglite);
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    return (await this.#execute(transaction.text, transaction.parameters.map(literal))).rows as Row[];
  }

  /** As one text of JSON: reading it field by field would take longer than the statement. */
  async read<Row>(sql: string, parameters: readonly string[] = []): Promise<Row[]> {
    const { rows } = await this.#execute(`SELECT coalesce(json_agg(r), '[]')::text AS rows FROM (${sql}) r`, parameters.map(literal));
    return JSON.parse((rows[0] as { readonly rows: string }).rows) as Row[];
  }

  /** For Drizzle, which asks the way a PGlite is asked. */
  get #drizzleClient(): PGlite {
    const query = async (text: string, parameters: readonly Parameter[] = [], options?: QueryOptions): Promise<Results> =>
      this.#execute(text, parameters.map(literal), options);
    return { query } as unknown as PGlite;
  }

  /** Through PREPARE and EXECUTE: planning a statement anew each time would take most of a simulation's time. */
  async #execute(text: string, literals: readonly string[], options?: QueryOptions): Promise<Results> {
    let name = this.#prepared.get(text);
    if (name === undefined) {
      name = `prepared_${this.#prepared.size + 1}`;
      await this.pglite.exec(`PREPARE ${name} AS ${text}`);
      this.#prepared.set(text, name);
    }
    const [result] = await this.pglite.exec(literals.length === 0 ? `EXECUTE ${name}` : `EXECUTE ${name}(${literals.join(", ")})`, options);
    return result as Results;
  }

  async close(): Promise<void> {
    await this.pglite.close();
  }
}
