import { ExecutionCancelled } from "../base/errors.ts";
import { nextTurn, type Runtime } from "../base/runtime.ts";
import type { Store } from "../store/store.ts";
import type { ActiveExecution } from "./active-execution.ts";

/** Reads inboxes for executions that may have messages, all that ask within one read together in the next. */
export class InboxReader {
  readonly #store: Pick<Store, "readInboxes">;
  /** By run id, with the very claim that asks: a later claim of the run may know less than what is read for this one. */
  #wanted = new Map<string, ActiveExecution>();
  #reading = false;
  #stopped = false;

  readonly #runtime: Runtime;
  readonly #onIdle: () => void;

  constructor(store: Pick<Store, "readInboxes">, runtime: Runtime, onIdle: () => void) {
    this.#store = store;
    this.#runtime = runtime;
    this.#onIdle = onIdle;
  }

  get isReading(): boolean {
    return this.#reading;
  }

  request(execution: ActiveExecution): void {
    this.#wanted.set(execution.runId, execution);
    if (!this.#reading) void this.#read();
  }

  stop(): void {
    this.#stopped = true;
  }

  async #read(): Promise<void> {
    this.#reading = true;
    // What else this turn brings shall come along.
    await nextTurn(this.#runtime);
    while (this.#wanted.size > 0 && !this.#stopped) {
      const asking = this.#wanted;
      this.#wanted = new Map();
      try {
        for (const inbox of await this.#store.readInboxes([...asking.keys()])) {
          asking.get(inbox.runId)?.receive(inbox);
          asking.delete(inbox.runId);
        }
        // A rollback has given the execution another run; or its own end has, which says so itself.
        for (const gone of asking.values()) if (!gone.isEnding) gone.drop(new ExecutionCancelled(gone.executionId, "it goes on as another run"));
      } catch {
        // The store is closing; whoever still needs it asks again with the next check.
        break;
      }
    }
    this.#reading = false;
    this.#onIdle();
  }
}
