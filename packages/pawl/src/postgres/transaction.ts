import type { Parameter } from "./parameters.ts";

/**
 * One named transaction: a single statement, sent in one round trip and committed by the server on its own. Every write of
 * Pawl is one of these and goes through `TransactionGateway`, where faults are retried in production and made in tests.
 */
export interface Transaction<Row> {
  /** The verb, e.g. `claim`. Also the name under which a prepared statement is kept, together with `shape`. */
  readonly name: string;
  /** Tells apart the texts of one verb, where it has several. */
  readonly shape?: string;
  readonly text: string;
  readonly parameters: readonly Parameter[];
  /** Never set: carries the type of the rows to the call site. */
  readonly row?: Row;
}

/** Runs statements. The two implementations are a pool of connections to a server and an in-process PostgreSQL. */
export interface Connections {
  run<Row>(transaction: Transaction<Row>): Promise<Row[]>;
  close(): Promise<void>;
}
