import type { PGlite } from "@electric-sql/pglite";
import { literal } from "../postgres/literal.ts";
import { plannerSettings } from "../postgres/pg-connections.ts";
import { searchPath } from "../postgres/search-path.ts";
import type { Connections, Transaction } from "../postgres/transaction.ts";

/** The named transactions on an in-process PostgreSQL. One session: they run one after the other. */
export class PgliteConnections implements Connections {
  readonly #db: PGlite;
  /** By text: which prepared statement it is. */
  readonly #prepared = new Map<string, Promise<string>>();

  constructor(db: PGlite) {
    this.#db = db;
  }

  async prepare(schema: string): Promise<void> {
    await this.#db.exec(`SET search_path = ${searchPath(schema)}; ${plannerSettings}`);
  }

  /** Through PREPARE and EXECUTE: PGlite's own way plans a statement anew each time, which takes longer than running it. */
  async run<Row>({ text, parameters }: Transaction<Row>): Promise<Row[]> {
    let preparing = this.#prepared.get(text);
    if (preparing === undefined) this.#prepared.set(text, (preparing = this.#prepare(text)));
    const name = await preparing;
    const [result] = await this.#db.exec(parameters.length === 0 ? `EXECUTE ${name}` : `EXECUTE ${name}(${parameters.map(literal).join(", ")})`);
    return result!.rows as Row[];
  }

  async #prepare(text: string): Promise<string> {
    const name = `prepared_${this.#prepared.size}`;
    await this.#db.exec(`PREPARE ${name} AS ${text}`);
    return name;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}
