import { OptionInvalid, TransactionControlInvalid } from "../base/errors.ts";
import type { OpenTransaction, SqlClient } from "../definition/transaction.ts";
import type { ExecutionState } from "../kernel/execution-state.ts";
import type { AppendOperation, StartOperation, StartOutcome } from "../store/operations.ts";
import type { OutsideMessage, Receipt } from "../store/store.ts";
import type { TransactionStore, TransactOutcome, TransactRequest } from "../store/transact.ts";
import type { CommitIds } from "./commit-batch.ts";
import { classifyFault } from "./faults.ts";
import type { TransactionGateway } from "./gateway.ts";
import { isLent, lend } from "./lend.ts";
import { CommitInDoubt, type Sessions } from "./sessions.ts";
import { appendInTransaction, type AppendedInTransactionRow } from "./statements/append-in-transaction.ts";
import { awaitTransaction } from "./statements/await-transaction.ts";
import { requireTransaction } from "./statements/require-transaction.ts";
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

  async start(client: OpenTransaction, start: StartOperation): Promise<StartOutcome> {
    await this.#checkOpen(client);
    const { text, values } = startInTransaction(this.#schema, start);
    for (;;) {
      const [row] = (await client.query(text, values)).rows as readonly StartedInTransactionRow[];
      // Somebody else's start has come between; the next statement sees it.
      if (row === undefined) continue;
      if (row.run_id === start.runId) return { outcome: "started", at: 0 };
      const { run_id: runId, execution_id: executionId, workflow, version, parent_run_id: parentRunId, parent_position: parentPosition, has_key: hasKey } = row;
      const state = row.state as ExecutionState;
      return { outcome: "exists", existing: { runId, executionId, workflow, version, state, parentRunId, parentPosition, hasKey } };
    }
  }

  async signal(client: OpenTransaction, namespace: string, signal: OutsideMessage): Promise<Receipt | undefined> {
    await this.#checkOpen(client);
    const { text, values } = signalInTransaction(this.#schema, namespace, signal);
    const [row] = (await client.query(text, values)).rows as readonly SignalledInTransactionRow[];
    return row === undefined ? undefined : { runId: row.run_id, state: row.state as ExecutionState };
  }

  /** Outside of a transaction each statement would commit by itself, whatever becomes of those around it. @throws OptionInvalid */
  async #checkOpen(client: OpenTransaction): Promise<void> {
    if (isLent(client)) return;
    try {
      await client.query(requireTransaction(this.#schema), []);
    } catch (error) {
      if (!hasCode(error, ["25P01"])) throw error;
      throw new OptionInvalid("transaction", "has no open transaction; begin one on this client first, or leave the option out to have it done at once");
    }
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
    const lent = lend(client);
    try {
      progress.append = await request.work(lent.client);
    } catch (error) {
      // Libraries put errors of their own around it.
      throw causesOf(error).find((cause) => cause instanceof TransactionControlInvalid) ?? error;
    } finally {
      lent.takeBack();
    }
    if (progress.append === undefined) return false;
    const { text, values } = appendInTransaction(this.#schema, progress.append, this.#commitIds.next());
    const [row] = (await client.query<AppendedInTransactionRow>(text, values)).rows;
    if (!row!.intact)
      throw new TransactionControlInvalid("has ended its transaction by itself, so what it did before that stays, and its result is not recorded");
    progress.writtenAt = row!.at ?? undefined;
    progress.rejected = row!.at === null;
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

/** Serialization failure or deadlock. */
function isConflict(error: unknown): boolean {
  return hasCode(error, ["40001", "40P01"]);
}

/** Also where a library has put its own error around it. */
function hasCode(error: unknown, codes: readonly string[]): boolean {
  return causesOf(error).some((cause) => "code" in cause && codes.includes(cause.code as string));
}

/** The error, and what was behind it. */
function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error && !causes.includes(cause); cause = cause.cause) causes.push(cause);
  return causes;
}
