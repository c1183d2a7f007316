import { NonRetryable } from "../base/errors.ts";
import { pause, type Runtime } from "../base/runtime.ts";
import { untilAborted } from "../base/until-aborted.ts";
import type { StepContext } from "../definition/context.ts";
import type { TransactionCall } from "../kernel/call.ts";
import type { StepCompleted } from "../kernel/event.ts";
import type { AppendOperation, AppendOutcome } from "../store/operations.ts";
import type { TransactionStore, TransactOutcome } from "../store/transact.ts";
import type { StepAttempt } from "./step-attempt.ts";
import { StepRunner } from "./step-runner.ts";

/** What a transaction needs of the execution it belongs to. */
export interface TransactionOwner {
  readonly transactions: TransactionStore;
  readonly runtime: Runtime;
  /** Whether the execution still belongs to this worker, as far as it knows. */
  holdsLease(): boolean;
  /**
   * Waits until nothing else of the execution is on its way into the history, and keeps it so until the turn ends.
   * Undefined: nothing of it will be written any more.
   */
  takeTurn(): Promise<Turn | undefined>;
}

/** The right to write the next event of an execution. */
export interface Turn {
  append(event: StepCompleted): AppendOperation;
  /** The event was written, or rejected. `before` is called first if it was written. */
  settle(outcome: AppendOutcome, before: () => void): void;
  /** Nothing was written; others may go on. */
  giveBack(): void;
}

/** So many times it is run again at once when other transactions were in its way; then the attempt fails, and the retry policy decides. */
const mostReruns = 20;
const firstWaitMs = 5;
const longestWaitMs = 500;

/** A transaction whose attempt is over does not keep its locks until it is its turn. @throws the reason of the signal */
async function turnOf(owner: TransactionOwner, signal: AbortSignal): Promise<Turn | undefined> {
  const taking = owner.takeTurn();
  try {
    return await untilAborted(taking, signal);
  } catch (error) {
    void taking.then((turn) => turn?.giveBack());
    throw error;
  }
}

/**
 * Runs one attempt of a transaction. The user's code runs in an open transaction while the execution goes on; only writing
 * the result and committing happen in a turn of their own. Where one session serves everything, the turn comes first.
 *
 * @throws what makes the attempt fail; never resolves where the attempt is over for other reasons
 */
export async function runTransaction(
  attempt: StepAttempt,
  { isolation, run }: TransactionCall,
  context: StepContext,
  owner: TransactionOwner,
  finished: () => void,
): Promise<unknown> {
  const { transactions, runtime } = owner;
  let reruns = 0;
  for (;;) {
    let turn: Turn | undefined;
    let isOwner = true;
    let value: unknown;
    let stored = true;
    if (transactions.isExclusive && !attempt.isOver) turn = await owner.takeTurn();
    let outcome: TransactOutcome;
    try {
      outcome = await transactions.run({
        isolation,
        signal: context.signal,
        work: async (client) => {
          // A connection may have been waited for longer than a lease.
          isOwner = owner.holdsLease();
          if (attempt.isOver || !isOwner) return undefined;
          // When the attempt is over, its locks and its connection are wanted, whatever it waits for.
          value = await untilAborted(run(client, context), context.signal);
          let event: StepCompleted;
          try {
            event = StepRunner.completed(attempt, value);
          } catch (error) {
            stored = false;
            throw error;
          }
          if (attempt.isOver) return undefined;
          turn ??= await turnOf(owner, context.signal);
          if (turn === undefined || attempt.isOver) return undefined;
          attempt.seal();
          return turn.append(event);
        },
      });
    } catch (error) {
      turn?.giveBack();
      attempt.unseal();
      throw error;
    }
    if (outcome.outcome !== "rolled-back") {
      turn!.settle(outcome, finished);
      return value;
    }
    turn?.giveBack();
    attempt.unseal();
    if (attempt.isOver) return undefined;
    // Running it again would give the like of it.
    if (!stored) throw new NonRetryable((outcome.error as Error).message, { cause: outcome.error });
    if (isOwner && (!outcome.again || ++reruns > mostReruns)) throw outcome.error;
    const waitMs = isOwner ? Math.min(firstWaitMs * 2 ** (reruns - 1), longestWaitMs) : longestWaitMs;
    await pause(runtime, waitMs * (0.5 + runtime.random()), context.signal).catch(() => {});
  }
}
