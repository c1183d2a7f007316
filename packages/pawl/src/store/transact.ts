import type { IsolationLevel, OpenTransaction, SqlClient } from "../definition/transaction.ts";
import type { AppendOperation, AppendOutcome, StartOperation, StartOutcome } from "./operations.ts";
import type { OutsideMessage, Receipt } from "./store.ts";

/** One try of a transaction of a user's. */
export interface TransactRequest {
  readonly isolation: IsolationLevel;
  /** Fires when nobody wants its outcome any more. */
  readonly signal: AbortSignal;
  /**
   * Runs the user's code in the transaction, and gives what is appended to the history at its end, in the same transaction: one event.
   * Undefined: everything is rolled back. What it throws rolls back, too.
   */
  work(client: SqlClient): Promise<AppendOperation | undefined>;
}

export type TransactOutcome =
  | AppendOutcome
  /** Nothing has happened. `again`: another transaction was in its way, and running it again may work at once. */
  | { readonly outcome: "rolled-back"; readonly error: unknown; readonly again: boolean };

/** Runs users' SQL in transactions of this database that append to a history too. */
export interface TransactionStore {
  /** Whether nothing else can reach the database while a transaction is open: one session serves all. */
  readonly isExclusive: boolean;
  run(request: TransactRequest): Promise<TransactOutcome>;
  /** Starts an execution in a transaction that its user has begun and will end. It starts when that commits. @throws OptionInvalid if none is open */
  start(client: OpenTransaction, start: StartOperation): Promise<StartOutcome>;
  /** Sends a signal in such a transaction: it arrives when that commits. Undefined: there is no such execution. @throws OptionInvalid if none is open */
  signal(client: OpenTransaction, namespace: string, signal: OutsideMessage): Promise<Receipt | undefined>;
}
