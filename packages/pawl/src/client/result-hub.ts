import type { Logger } from "../base/logger.ts";
import type { Runtime, Timer } from "../base/runtime.ts";
import type { Event } from "../kernel/event.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { Outcome, Store } from "../store/store.ts";

/** The event that an execution ended (or was quarantined) with. */
export interface Ending {
  readonly runId: string;
  readonly workflow: string;
  readonly event: Event;
}

interface Waiter {
  /** Whether its end will be told by a worker in this process, so that the store need not be asked. */
  readonly isLocal: () => boolean;
  readonly resolve: (ending: Ending) => void;
  readonly reject: (error: unknown) => void;
}

const shortestPollMs = 20;
const longestPollMs = 500;
/** The store is asked about so many at once. */
const largestQuestion = 1000;

/**
 * Everyone in this process who waits for an execution to end. Local ends arrive directly; for the others a hint or a poll
 * asks the store about all of them, as many at once as it may be asked.
 */
export class ResultHub {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #logger: Logger;
  readonly #runtime: Runtime;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #timer: Timer | undefined;
  #polling = false;
  #pollMs = shortestPollMs;
  #closed = false;
  readonly #removeListener: () => void;

  constructor(store: Store, namespace: string, logger: Logger, runtime: Runtime) {
    this.#store = store;
    this.#namespace = namespace;
    this.#logger = logger;
    this.#runtime = runtime;
    this.#removeListener = store.onHint((hint) => {
      if (hint.kind === "ended" && this.#waiters.size > 0) this.#pollSoon(0);
    });
  }

  /**
   * @param isLocal whether this process runs it at the moment, so that its end will be told here
   * @param onMissing makes the error for an id that does not exist
   */
  wait(executionId: string, isLocal: () => boolean, onMissing: () => Error): { readonly ending: Promise<Ending>; readonly cancel: () => void } {
    let waiter: Waiter | undefined;
    const ending = new Promise<Ending>((resolve, reject) => {
      waiter = { isLocal, resolve, reject: (error) => reject(error === undefined ? onMissing() : error) };
    });
    let waiters = this.#waiters.get(executionId);
    if (waiters === undefined) this.#waiters.set(executionId, (waiters = new Set()));
    waiters.add(waiter!);
    if (isLocal()) this.#pollSoon(longestPollMs);
    else {
      this.#pollMs = shortestPollMs;
      this.#pollSoon(0);
    }
    return { ending, cancel: () => this.#remove(executionId, waiter!) };
  }

  ended(executionId: string, ending: Ending): void {
    const waiters = this.#waiters.get(executionId);
    if (waiters === undefined) return;
    this.#waiters.delete(executionId);
    for (const waiter of waiters) waiter.resolve(ending);
  }

  close(error: Error): void {
    this.#closed = true;
    this.#timer?.clear();
    this.#removeListener();
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  #remove(executionId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(executionId);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(executionId);
  }

  #pollSoon(inMs: number): void {
    if (this.#closed || this.#polling || this.#waiters.size === 0) {
      if (inMs === 0) this.#pollMs = 0;
      return;
    }
    if (this.#timer !== undefined) {
      if (inMs > 0) return;
      this.#timer?.clear();
    }
    this.#timer = this.#runtime.startTimer(inMs, () => void this.#poll(), { polls: true });
  }

  async #poll(): Promise<void> {
    this.#timer = undefined;
    this.#polling = true;
    const remote = this.#remote();
    try {
      for (let i = 0; i < remote.length; i += largestQuestion) {
        const asked = remote.slice(i, i + largestQuestion);
        const outcomes = await this.#store.outcomes(this.#namespace, asked);
        for (const executionId of asked) this.#told(executionId, outcomes.get(executionId));
      }
    } catch (error) {
      if (!this.#closed) this.#logger.info(`waiting for results: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.#polling = false;
    const again = this.#pollMs === 0 ? 0 : this.#pollMs;
    this.#pollMs = Math.min(Math.max(this.#pollMs, shortestPollMs) * 1.5, longestPollMs);
    if (this.#waiters.size > 0) this.#pollSoon(again === 0 ? 0 : again * (0.75 + this.#runtime.random() / 2));
  }

  /** Those that only the store knows about. */
  #remote(): readonly string[] {
    const remote: string[] = [];
    for (const [executionId, waiters] of this.#waiters) {
      for (const waiter of waiters) {
        if (waiter.isLocal()) continue;
        remote.push(executionId);
        break;
      }
    }
    return remote;
  }

  #told(executionId: string, outcome: Outcome | undefined): void {
    if (outcome === undefined) {
      const waiters = this.#waiters.get(executionId);
      this.#waiters.delete(executionId);
      for (const waiter of waiters ?? []) waiter.reject(undefined);
    } else if (outcome.last !== undefined && (isTerminal(outcome.state) || outcome.state === "quarantined")) {
      this.ended(executionId, { runId: outcome.runId, workflow: outcome.workflow, event: outcome.last.event });
    }
  }
}
