import type { PGlite } from "@electric-sql/pglite";
import { plannerSettings } from "../postgres/pg-connections.ts";
import { toPlain } from "../postgres/parameters.ts";
import type { Connections, Transaction } from "../postgres/transaction.ts";

/** The named transactions on an in-process PostgreSQL. One session: they run one after the other. */
export class PgliteConnections implements Connections {
  readonly #db: PGlite;

  constructor(db: PGlite) {
    this.#db = db;
  }

  async prepare(schema: string): Promise<void> {
    await this.#db.exec(`SET search_path = "${schema}"; ${plannerSettings}`);
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    const result = await this.#db.query<Row>(transaction.text, transaction.parameters.map(toPlain));
    return result.rows;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}
