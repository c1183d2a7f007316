import { ExecutionNotFound, ExecutionStateInvalid } from "../base/errors.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { OutsideMessage, Receipt, Store } from "../store/store.ts";

interface Pending {
  readonly message: OutsideMessage;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends something in a way of its own, and says itself what became of it. */
interface Operation {
  readonly executionId: string;
  readonly run: () => Promise<void>;
}

const mostInOneBatch = 500;
/** In characters of data: a statement of 1 GB would break the connection, each time that it is sent again. */
const largestBatchData = 16 * 1024 * 1024;
const mostOperationsAtOnce = 50;

/**
 * Sends signals and updates. What is sent while a batch is on its way goes with the next: many cost little more than one, and
 * those that this process sends to one execution arrive in the order in which they were sent.
 */
export class MessageSender {
  readonly #store: Pick<Store, "sendMessages">;
  readonly #namespace: string;
  readonly #waiting: (Pending | Operation)[] = [];
  #sending = false;

  constructor(store: Pick<Store, "sendMessages">, namespace: string) {
    this.#store = store;
    this.#namespace = namespace;
  }

  /** Resolves when the message is durable. @throws ExecutionNotFound; ExecutionStateInvalid if it has ended */
  send(message: OutsideMessage): Promise<Receipt> {
    return new Promise((resolve, reject) => this.#enqueue({ message, resolve, reject }));
  }

  /** Sends something to an execution in a way of its own, after what was sent before and before what is sent later. */
  sendBy<Result>(executionId: string, send: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => this.#enqueue({ executionId, run: async () => send().then(resolve, reject) }));
  }

  #enqueue(entry: Pending | Operation): void {
    this.#waiting.push(entry);
    if (!this.#sending) void this.#flush();
  }

  async #flush(): Promise<void> {
    this.#sending = true;
    while (this.#waiting.length > 0) {
      const operations = this.#takeOperations();
      if (operations.length > 0) await Promise.all(operations.map(({ run }) => run()));
      else await this.#send(this.#takeMessages());
    }
    this.#sending = false;
  }

  /** The next ones, up to the first message or the second for the same execution. */
  #takeOperations(): readonly Operation[] {
    const taken = new Map<string, Operation>();
    for (const entry of this.#waiting) {
      if ("message" in entry || taken.has(entry.executionId) || taken.size === mostOperationsAtOnce) break;
      taken.set(entry.executionId, entry);
    }
    this.#waiting.splice(0, taken.size);
    return [...taken.values()];
  }

  #takeMessages(): readonly Pending[] {
    const taken: Pending[] = [];
    let data = 0;
    for (const entry of this.#waiting) {
      if (!("message" in entry) || taken.length === mostInOneBatch || data >= largestBatchData) break;
      taken.push(entry);
      data += entry.message.data.length;
    }
    this.#waiting.splice(0, taken.length);
    return taken;
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      const receipts = await this.#store.sendMessages(
        this.#namespace,
        batch.map(({ message }) => message),
      );
      for (const { message, resolve, reject } of batch) {
        const { executionId } = message;
        try {
          resolve(checkReceipt(executionId, receipts.get(executionId)));
        } catch (error) {
          reject(error);
        }
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

/** @throws ExecutionNotFound; ExecutionStateInvalid if it has ended */
export function checkReceipt(executionId: string, receipt: Receipt | undefined): Receipt {
  if (receipt === undefined) throw new ExecutionNotFound(executionId);
  if (isTerminal(receipt.state)) throw new ExecutionStateInvalid(executionId, receipt.state, "sent anything", "It has ended; nothing was changed.");
  return receipt;
}
