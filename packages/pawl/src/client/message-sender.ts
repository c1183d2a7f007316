import { ExecutionNotFound, ExecutionStateInvalid } from "../base/errors.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import { largestStatement } from "../store/statement-size.ts";
import type { OutsideMessage, Receipt, Store } from "../store/store.ts";

interface Pending {
  readonly message: OutsideMessage;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

type MessageStore = Pick<Store, "sendMessages" | "hasReceived">;

/** Sends something in a way of its own, and says itself what became of it. */
type Operation = () => Promise<void>;

const mostInOneBatch = 500;
const mostOperationsAtOnce = 50;

/**
 * Sends signals and updates. What is sent while a batch is on its way goes with the next: many cost little more than one, and
 * those that this process sends to one execution arrive in the order in which they were sent. What has to wait for one execution holds up
 * none of the others.
 */
export class MessageSender {
  readonly #store: MessageStore;
  readonly #namespace: string;
  /** By execution, in order: what it is to be sent. One to which an operation is sending something is here, too. */
  readonly #waiting = new Map<string, (Pending | Operation)[]>();
  /** Executions whose next is a message, and those whose next is an operation that may begin. */
  readonly #withMessages = new Set<string>();
  readonly #withOperation = new Set<string>();
  /** By execution: when what was to be sent to it before is prepared, or cannot be. */
  readonly #preparing = new Map<string, Promise<unknown>>();
  #operations = 0;
  #sending = false;

  constructor(store: MessageStore, namespace: string) {
    this.#store = store;
    this.#namespace = namespace;
  }

  /** Resolves when the message is durable. @throws ExecutionNotFound; ExecutionStateInvalid if it has ended */
  send(message: OutsideMessage): Promise<Receipt> {
    const { executionId } = message;
    const send = (): Promise<Receipt> => new Promise((resolve, reject) => this.#enqueue(executionId, { message, resolve, reject }));
    const before = this.#preparing.get(executionId);
    return before === undefined ? send() : before.then(send);
  }

  /**
   * Sends something to an execution in a way of its own, after what was sent to it before and before what is sent to it later. User code may
   * take as long as it likes to prepare it: what goes to other executions does not wait for that.
   *
   * @param prepared gives what sends it
   */
  sendBy<Result>(executionId: string, prepared: Promise<() => Promise<Result>>): Promise<Result> {
    const turn = Promise.allSettled([prepared, this.#preparing.get(executionId)]);
    this.#preparing.set(executionId, turn);
    // Whatever waits for the turn goes on in the order in which it asked, all before anything that is sent from then on.
    return turn.then(([outcome]) => {
      if (this.#preparing.get(executionId) === turn) this.#preparing.delete(executionId);
      if (outcome.status === "rejected") throw outcome.reason;
      const send = outcome.value;
      return new Promise<Result>((resolve, reject) => this.#enqueue(executionId, async () => send().then(resolve, reject)));
    });
  }

  #enqueue(executionId: string, entry: Pending | Operation): void {
    const waiting = this.#waiting.get(executionId);
    if (waiting === undefined) {
      this.#waiting.set(executionId, [entry]);
      this.#advance(executionId);
    } else waiting.push(entry);
    void this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    for (;;) {
      this.#beginOperations();
      const batch = this.#takeMessages();
      if (batch.length === 0) break;
      await this.#send(batch);
    }
    this.#sending = false;
  }

  #beginOperations(): void {
    for (const executionId of this.#withOperation) {
      if (this.#operations === mostOperationsAtOnce) return;
      this.#withOperation.delete(executionId);
      void this.#run(executionId, this.#waiting.get(executionId)!.shift() as Operation);
    }
  }

  async #run(executionId: string, operation: Operation): Promise<void> {
    this.#operations++;
    await operation();
    this.#operations--;
    this.#advance(executionId);
    void this.#flush();
  }

  /** Of each execution, those before the first operation. */
  #takeMessages(): readonly Pending[] {
    const taken: Pending[] = [];
    let data = 0;
    for (const executionId of this.#withMessages) {
      const waiting = this.#waiting.get(executionId)!;
      let count = 0;
      for (const entry of waiting) {
        if (!("message" in entry) || taken.length === mostInOneBatch || data >= largestStatement) break;
        taken.push(entry);
        data += entry.message.data.length;
        count++;
      }
      // The batch is full.
      if (count === 0) break;
      waiting.splice(0, count);
      this.#withMessages.delete(executionId);
      this.#advance(executionId);
    }
    return taken;
  }

  /** What was sent to it before is on its way, or has arrived. */
  #advance(executionId: string): void {
    const [next] = this.#waiting.get(executionId)!;
    if (next === undefined) this.#waiting.delete(executionId);
    else if ("message" in next) this.#withMessages.add(executionId);
    else this.#withOperation.add(executionId);
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      const receipts = await this.#store.sendMessages(
        this.#namespace,
        batch.map(({ message }) => message),
      );
      // What is asked about those that have ended holds up no others.
      for (const { message, resolve, reject } of batch)
        void checkArrival(this.#store, this.#namespace, message, receipts.get(message.executionId)).then(resolve, reject);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

/**
 * Whether a message has come to its execution. One that has ended takes none, but may have got it before: its sender sends it again, or the
 * reply to the statement was lost.
 *
 * @throws ExecutionNotFound; ExecutionStateInvalid if it has ended without it
 */
async function checkArrival(
  store: Pick<Store, "hasReceived">,
  namespace: string,
  { executionId, messageId }: OutsideMessage,
  receipt: Receipt | undefined,
): Promise<Receipt> {
  if (receipt !== undefined && isTerminal(receipt.state) && (await store.hasReceived(namespace, executionId, messageId))) return receipt;
  return checkReceipt(executionId, receipt);
}

/** @throws ExecutionNotFound; ExecutionStateInvalid if it has ended */
export function checkReceipt(executionId: string, receipt: Receipt | undefined): Receipt {
  if (receipt === undefined) throw new ExecutionNotFound(executionId);
  if (isTerminal(receipt.state)) throw new ExecutionStateInvalid(executionId, receipt.state, "sent anything", "It has ended; nothing was changed.");
  return receipt;
}
