import type { SqlClient } from "../definition/transaction.ts";
import type { ExecutionState } from "../kernel/execution-state.ts";
import type { AppendOperation, StartOperation, StartOutcome } from "../store/operations.ts";
import type { OutsideMessage, Receipt } from "../store/store.ts";
import type { TransactionStore, TransactOutcome, TransactRequest } from "../store/transact.ts";
import type { CommitIds } from "./commit-batch.ts";
import { classifyFault } from "./faults.ts";
import type { TransactionGateway } from "./gateway.ts";
import { CommitInDoubt, type Sessions } from "./sessions.ts";
import { appendInTransaction } from "./statements/append-in-transaction.ts";
import { awaitTransaction } from "./statements/await-transaction.ts";
import { signalInTransaction, type SignalledInTransactionRow } from "./statements/signal-in-transaction.ts";
import { startInTransaction, type StartedInTransactionRow } from "./statements/start-in-transaction.ts";
import { readHistory } from "./statements/reads.ts";

/** What the transaction has come to, as far as this process knows. */
interface Progress {
  /** Whether the user's code has been called: then it is not this one's to call it again. */
  begun: boolean;
  append: AppendOperation | undefined;
  /** The time of the event, once it is written in the transaction; from then on the commit may happen. */
  writtenAt: number | undefined;
  rejected: boolean;
}

/** Users' transactions on PostgreSQL. */
export class PostgresTransactions implements TransactionStore {
  readonly #gateway: TransactionGateway;
  readonly #sessions: Sessions;
  readonly #schema: string;
  readonly #commitIds: CommitIds;

  constructor(gateway: TransactionGateway, sessions: Sessions, schema: string, commitIds: CommitIds) {
    this.#gateway = gateway;
    this.#sessions = sessions;
    this.#schema = schema;
    this.#commitIds = commitIds;
  }

  get isExclusive(): boolean {
    return this.#sessions.isExclusive;
  }

  async run(request: TransactRequest): Promise<TransactOutcome> {
    const progress: Progress = { begun: false, append: undefined, writtenAt: undefined, rejected: false };
    try {
      await this.#gateway.read("transaction", () => this.#once(request, progress));
    } catch (error) {
      const cause = error instanceof Failed ? error.cause : error;
      // What failed before the event was written cannot have been committed; nor what PostgreSQL says it has rolled back.
      if (progress.writtenAt === undefined || (error instanceof Failed && !isLostReply(cause)))
        return { outcome: "rolled-back", error: cause, again: isConflict(cause) };
      return this.#inDoubt(progress.append!, cause);
    }
    if (progress.rejected) return { outcome: "rejected" };
    if (progress.writtenAt === undefined) return { outcome: "rolled-back", error: undefined, again: false };
    return { outcome: "accepted", at: progress.writtenAt, parked: false, conflicts: [] };
  }

  async start(client: SqlClient, start: StartOperation): Promise<StartOutcome> {
    const { text, values } = startInTransaction(this.#schema, start);
    for (;;) {
      const [row] = (await client.query<StartedInTransactionRow>(text, values)).rows;
      // Somebody else's start has come between; the next statement sees it.
      if (row === undefined) continue;
      if (row.run_id === start.runId) return { outcome: "started", at: 0 };
      const { run_id: runId, execution_id: executionId, workflow, version, state, parent_run_id: parentRunId, parent_position: parentPosition } = row;
      return { outcome: "exists", existing: { runId, executionId, workflow, version, state: state as ExecutionState, parentRunId, parentPosition } };
    }
  }

  async signal(client: SqlClient, namespace: string, signal: OutsideMessage): Promise<Receipt | undefined> {
    const { text, values } = signalInTransaction(this.#schema, namespace, signal);
    const [row] = (await client.query<SignalledInTransactionRow>(text, values)).rows;
    return row === undefined ? undefined : { runId: row.run_id, state: row.state as ExecutionState };
  }

  /** As long as the user's code has not been called, a fault of the connection is nobody's business. */
  async #once(request: TransactRequest, progress: Progress): Promise<void> {
    // Its reply was lost on the way.
    if (progress.begun) throw new Failed({ cause: new CommitInDoubt("The reply to a transaction was lost.") });
    // A connection may have been waited for in vain for longer than that.
    if (request.signal.aborted) return;
    try {
      await this.#sessions.transact(request.isolation, async (client) => this.#work(request, client, progress), request.signal);
    } catch (error) {
      throw progress.begun ? new Failed({ cause: error }) : error;
    }
  }

  async #work(request: TransactRequest, client: SqlClient, progress: Progress): Promise<boolean> {
    progress.begun = true;
    progress.append = await request.work(client);
    if (progress.append === undefined) return false;
    const { text, values } = appendInTransaction(this.#schema, progress.append, this.#commitIds.next());
    const { rows } = await client.query<{ readonly at: number }>(text, values);
    progress.writtenAt = rows[0]?.at;
    progress.rejected = rows.length === 0;
    return !progress.rejected;
  }

  /** The commit was asked for, and no answer came. Nobody else writes under this claim, so the event tells. */
  async #inDoubt({ runId, epoch, expectedSeq }: AppendOperation, error: unknown): Promise<TransactOutcome> {
    await this.#gateway.run(awaitTransaction(runId));
    const [event] = await this.#gateway.run(readHistory(runId, expectedSeq, 1));
    if (event?.seq === expectedSeq + 1 && event.epoch === epoch) return { outcome: "accepted", at: event.at, parked: false, conflicts: [] };
    return { outcome: "rolled-back", error, again: true };
  }
}

function isLostReply(error: unknown): boolean {
  return error instanceof CommitInDoubt || classifyFault(error).kind === "unknown";
}

/** Not to be sent again; the cause is what went wrong. */
class Failed extends Error {
  /** Keeps `classifyFault` from looking at the cause. */
  readonly code = "TRANSACTION_FAILED";
  constructor(options: ErrorOptions) {
    super("A transaction has failed.", options);
  }
}

/** Serialization failure or deadlock, also where a library has put its own error around it. */
function isConflict(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && (cause.code === "40001" || cause.code === "40P01")) return true;
  }
  return false;
}
