import { PGlite, protocol, type QueryOptions, type Results } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { literal, migrate, PgliteSessions, plannerSettings, Queries, tablesIn, type Connections, type Parameter, type Transaction } from "pawl/internal";
import { guardSql } from "./guard.ts";
import { readResults } from "./read-results.ts";

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
      // It dies with this process: nothing of it needs to be written anywhere.
      `SET synchronous_commit = off; SET search_path = "${schema}"; ${plannerSettings}; ${guardSql}; CREATE TABLE public.effects (key text NOT NULL, value integer NOT NULL); CREATE TABLE public.orders (id text NOT NULL, what text NOT NULL, execution_id text NOT NULL)`,
    );
    return new SimDatabase(pglite);
  }

  /** Empty, as after the migration. Truncating what nothing was written to would take most of the time. */
  async reset(): Promise<void> {
    const written = await this.read<{ readonly name: string }>(
      `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) > 0 AND relname <> 'migrations'
 AND relnamespace IN ('${schema}'::regnamespace, 'public'::regnamespace)`,
    );
    if (written.length > 0) await this.pglite.exec(`TRUNCATE ${written.map(({ name }) => name).join(", ")} RESTART IDENTITY`);
  }

  /** For users' transactions. */
  get sessions(): PgliteSessions {
    return new PgliteSessions(() => this.pglite);
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    return (await this.#execute(transaction.text, transaction.parameters.map(literal))).rows as Row[];
  }

  /** As one text of JSON: reading it field by field would take longer than the statement. */
  async read<Row>(sql: string): Promise<Row[]> {
    return JSON.parse(await this.readText(`SELECT coalesce(json_agg(r), '[]')::text AS rows FROM (${sql}) r`)) as Row[];
  }

  /** The one value of the one row that a statement gives. */
  async readText(sql: string, parameters: readonly string[] = []): Promise<string> {
    const { rows } = await this.#execute(sql, parameters.map(literal));
    return Object.values(rows[0] as Record<string, string>)[0]!;
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
    const query = protocol.serialize.query(literals.length === 0 ? `EXECUTE ${name}` : `EXECUTE ${name}(${literals.join(", ")})`);
    return readResults(this.pglite.execProtocolRawSync(query), this.pglite, options);
  }

  async close(): Promise<void> {
    await this.pglite.close();
  }
}
