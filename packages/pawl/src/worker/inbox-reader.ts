import type { Store } from "../store/store.ts";
import type { ActiveExecution } from "./active-execution.ts";

/** Reads inboxes for executions that may have messages, all that ask within one read together in the next. */
export class InboxReader {
  readonly #store: Pick<Store, "readInboxes">;
  readonly #find: (runId: string) => ActiveExecution | undefined;
  readonly #wanted = new Set<string>();
  #reading = false;
  #stopped = false;

  readonly #onIdle: () => void;

  constructor(store: Pick<Store, "readInboxes">, find: (runId: string) => ActiveExecution | undefined, onIdle: () => void) {
    this.#store = store;
    this.#find = find;
    this.#onIdle = onIdle;
  }

  get isReading(): boolean {
    return this.#reading;
  }

  request(execution: ActiveExecution): void {
    this.#wanted.add(execution.runId);
    if (!this.#reading) void this.#read();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #read(): Promise<void> {
    this.#reading = true;
    // What else this turn brings shall come along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#wanted.size > 0 && !this.#stopped) {
      const runIds = [...this.#wanted];
      this.#wanted.clear();
      try {
        for (const inbox of await this.#store.readInboxes(runIds)) this.#find(inbox.runId)?.receive(inbox);
      } catch {
        // The store is closing; whoever still needs it asks again with the next check.
        break;
      }
    }
    this.#reading = false;
    this.#onIdle();
  }
}
