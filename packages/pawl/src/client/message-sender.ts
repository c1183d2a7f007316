import { ExecutionNotFound, ExecutionStateInvalid } from "../base/errors.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { OutsideMessage, Receipt, Store } from "../store/store.ts";

interface Pending {
  readonly message: OutsideMessage;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

const mostInOneBatch = 500;

/**
 * Sends signals and updates. What is sent while a batch is on its way goes with the next: many cost little more than one, and
 * those that this process sends to one execution arrive in the order in which they were sent.
 */
export class MessageSender {
  readonly #store: Pick<Store, "sendMessages">;
  readonly #namespace: string;
  #waiting: Pending[] = [];
  #sending = false;

  constructor(store: Pick<Store, "sendMessages">, namespace: string) {
    this.#store = store;
    this.#namespace = namespace;
  }

  /** Resolves when the message is durable. @throws ExecutionNotFound; ExecutionStateInvalid if it has ended */
  send(message: OutsideMessage): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject });
      if (!this.#sending) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#sending = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, mostInOneBatch);
      try {
        const receipts = await this.#store.sendMessages(
          this.#namespace,
          batch.map(({ message }) => message),
        );
        for (const pending of batch) settle(pending, receipts.get(pending.message.executionId));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#sending = false;
  }
}

function settle({ message: { executionId }, resolve, reject }: Pending, receipt: Receipt | undefined): void {
  if (receipt === undefined) reject(new ExecutionNotFound(executionId));
  else if (isTerminal(receipt.state)) reject(new ExecutionStateInvalid(executionId, receipt.state, "sent anything", "It has ended; nothing was changed."));
  else resolve(receipt);
}
