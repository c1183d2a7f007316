import type { Runtime } from "../base/runtime.ts";
import type { ClaimOutcome, ClaimRequest, Store } from "../store/store.ts";

/** How often a worker asks which of its queues have limits, if no hint says that this has changed. */
const refreshMs = 1000;

/** So that many workers do not ask at once for the one task that is due, and that one who asks gets all that is due by then. */
const spreadMs = 40;

export interface QueueClaimRequest extends Omit<ClaimRequest, "taskQueues" | "limited"> {
  /** Those of them that are not paused. */
  readonly openQueues: (names: readonly string[]) => readonly string[];
}

/**
 * Claims from a worker's queues: those without limits with the one statement, those with limits with the other, taking turns where it
 * has both. Which have limits, it knows as of a second ago: the first limits of a queue bind a worker that late. All later
 * changes are read by the claim itself.
 */
export class QueueClaims {
  readonly #store: Store;
  readonly #runtime: Pick<Runtime, "random">;
  readonly #namespace: string;
  readonly #lookAheadMs: number;
  readonly #taskQueues: readonly string[];
  #free: readonly string[];
  #limited: readonly string[] = [];
  readonly #limitedSet = new Set<string>();
  /** Executions here that count against limits. */
  readonly #counted = new Set<string>();
  #limitedFirst = false;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #more = false;
  #waitMs: number | undefined;

  /** @param pollMs the longest time until the next claim */
  constructor(store: Store, runtime: Pick<Runtime, "random">, namespace: string, taskQueues: readonly string[], pollMs: number) {
    this.#store = store;
    this.#runtime = runtime;
    this.#lookAheadMs = pollMs * 2;
    this.#namespace = namespace;
    this.#taskQueues = taskQueues;
    this.#free = taskQueues;
  }

  has(taskQueue: string): boolean {
    return this.#limitedSet.has(taskQueue);
  }

  /** Those of its queues that have limits. */
  get limited(): readonly string[] {
    return this.#limited;
  }

  comeAgain(): { readonly more: boolean; readonly waitMs: number | undefined } {
    return { more: this.#more, waitMs: this.#waitMs };
  }

  /** An execution is no longer claimed here. Gives whether that makes room under a limit. */
  left(runId: string): boolean {
    return this.#counted.size > 0 && this.#counted.delete(runId);
  }

  /** Whether it is time to ask again which queues have limits. @param now monotonic, in milliseconds */
  isStale(now: number): boolean {
    return now - this.#refreshedAt >= refreshMs;
  }

  /** Gives whether anything has changed. */
  async refresh(now: number): Promise<boolean> {
    const before = this.#limited.toSorted().join();
    this.#refreshing ??= this.#refresh(now).finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
    return this.#limited.toSorted().join() !== before;
  }

  async #refresh(now: number): Promise<void> {
    const names = new Set((await this.#store.queues.list(this.#namespace)).map(({ name }) => name));
    this.#refreshedAt = now;
    this.#free = this.#taskQueues.filter((name) => !names.has(name));
    this.#limited = this.#taskQueues.filter((name) => names.has(name));
    this.#limitedSet.clear();
    // Not only its own: starts go to all queues.
    for (const name of names) this.#limitedSet.add(name);
  }

  /** One claim, or one from each kind of queue. Calls back with each outcome as it comes, and gives how many were claimed. */
  async claim({ openQueues, ...request }: QueueClaimRequest, claimed: (outcome: ClaimOutcome) => Promise<void>): Promise<number> {
    this.#more = false;
    this.#waitMs = undefined;
    const both = this.#free.length > 0 && this.#limited.length > 0;
    this.#limitedFirst = both ? !this.#limitedFirst : this.#limited.length > 0;
    const order = both ? [this.#limitedFirst, !this.#limitedFirst] : [this.#limitedFirst];
    let taken = 0;
    let { suspects } = request;
    for (const limited of order) {
      if (taken >= request.limit) break;
      const taskQueues = openQueues(limited ? this.#nextLimited() : this.#free);
      if (taskQueues.length === 0) continue;
      const outcome = await this.#store.claim({ ...request, limit: request.limit - taken, suspects, taskQueues, ...(limited ? { limited } : {}) });
      if (limited) {
        this.#more = outcome.more ?? false;
        this.#waitMs = outcome.waitMs;
        for (const { runId } of outcome.executions) this.#counted.add(runId);
      }
      taken += outcome.executions.length;
      suspects &&= !outcome.executions.some(({ suspect }) => suspect);
      await claimed(outcome);
    }
    if (taken < request.limit) await this.#lookAhead(request, openQueues(this.#taskQueues));
    return taken;
  }

  /** Nothing tells workers that the timer of a parked execution is due: they look when the next one will be. */
  async #lookAhead({ namespace, definitions }: Pick<ClaimRequest, "namespace" | "definitions">, taskQueues: readonly string[]): Promise<void> {
    if (taskQueues.length === 0 || definitions.length === 0) return;
    const dueMs = await this.#store.nextDue({ namespace, taskQueues, definitions, withinMs: this.#lookAheadMs });
    if (dueMs === undefined) return;
    const waitMs = dueMs + this.#runtime.random() * spreadMs;
    this.#waitMs = this.#waitMs === undefined ? waitMs : Math.min(this.#waitMs, waitMs);
  }

  /** The first of them is served first: each in its turn. */
  #nextLimited(): readonly string[] {
    const [first, ...others] = this.#limited;
    this.#limited = [...others, first!];
    return this.#limited;
  }
}
