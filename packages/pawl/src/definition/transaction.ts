import type { StepContext, StepInPlaceOptions } from "./context.ts";

export interface SqlResult<Row> {
  readonly rows: Row[];
  readonly rowCount: number | null;
}

/** What a transaction runs SQL with, as node-postgres does it: `$1`, `$2`, ... stand for the values. */
export interface SqlClient {
  query<Row = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<SqlResult<Row>>;
}

/** What runs SQL in a transaction of yours that is open: a client of node-postgres, or a function around what another library has, such as Kysely. */
export interface OpenTransaction {
  query(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** PostgreSQL's isolation levels. */
export type IsolationLevel = "read committed" | "repeatable read" | "serializable";

export interface TransactionOptions<Tx = SqlClient> extends StepInPlaceOptions {
  /** How the transaction sees what others commit meanwhile ("read committed"). */
  readonly isolation?: IsolationLevel;
  /**
   * Makes what the function gets of the driver's client, such as `(client: PoolClient) => drizzle(client)`. The client is node-postgres'
   * own, in the middle of the transaction, which it cannot end; its `release` does nothing. It is no longer of use when the function has
   * returned (the client itself).
   */
  readonly using?: (client: never) => Tx;
}

export type TransactionFunction<Tx, Result> = (tx: Tx, step: StepContext) => Promise<Result>;
