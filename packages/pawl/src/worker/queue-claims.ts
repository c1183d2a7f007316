import type { Runtime } from "../base/runtime.ts";
import type { ClaimOutcome, ClaimRequest, Store } from "../store/store.ts";
import type { ClaimRules } from "./claim-rules.ts";

/** So that many workers do not ask at once for the one task that is due, and that one who asks gets all that is due by then. */
const spreadMs = 40;

/**
 * Claims from those of a worker's queues that are not paused: those without limits with the one statement, those with limits with the
 * other, taking turns where it has both.
 */
export class QueueClaims {
  readonly #store: Store;
  readonly #runtime: Pick<Runtime, "random" | "monotonicMs">;
  readonly #namespace: string;
  readonly #rules: ClaimRules;
  readonly #lookAheadMs: number | undefined;
  /** Executions here that count against limits. */
  readonly #counted = new Set<string>();
  #limitedFirst = false;
  /** Which of the queues with limits is served first. */
  #turn = 0;
  #more = false;
  #waitMs: number | undefined;
  /** Where its search for keys that may go on stands. */
  #search: string | undefined;

  /** @param pollMs the longest time until the next claim; undefined: nobody comes by himself, so nobody asks when to come */
  constructor(store: Store, runtime: Pick<Runtime, "random" | "monotonicMs">, namespace: string, rules: ClaimRules, pollMs: number | undefined) {
    this.#store = store;
    this.#runtime = runtime;
    this.#namespace = namespace;
    this.#rules = rules;
    this.#lookAheadMs = pollMs === undefined ? undefined : pollMs * 2;
  }

  /** Those of its queues that have limits. */
  get limited(): readonly string[] {
    return this.#rules.openQueues.filter((name) => this.#rules.hasLimits(name));
  }

  comeAgain(): { readonly more: boolean; readonly waitMs: number | undefined } {
    return { more: this.#more, waitMs: this.#waitMs };
  }

  /** An execution is no longer claimed here. Gives whether that makes room under a limit. */
  left(runId: string): boolean {
    return this.#counted.size > 0 && this.#counted.delete(runId);
  }

  /** One claim, or one from each kind of queue. Calls back with each outcome as it comes and how long it took, and gives how many were claimed. */
  async claim(
    request: Pick<ClaimRequest, "workerId" | "limit" | "suspects">,
    claimed: (outcome: ClaimOutcome, tookMs: number) => Promise<void>,
  ): Promise<number> {
    this.#more = false;
    this.#waitMs = undefined;
    const where = { namespace: this.#namespace, definitions: this.#rules.openDefinitions };
    const { openQueues } = this.#rules;
    const free = openQueues.filter((name) => !this.#rules.hasLimits(name));
    const both = free.length > 0 && free.length < openQueues.length;
    this.#limitedFirst = both ? !this.#limitedFirst : free.length < openQueues.length;
    const order = both ? [this.#limitedFirst, !this.#limitedFirst] : [this.#limitedFirst];
    let taken = 0;
    let { suspects } = request;
    for (const limited of order) {
      if (taken >= request.limit) break;
      const taskQueues = limited ? this.#limitedInTurn() : free;
      if (taskQueues.length === 0) continue;
      const { workerId, limit } = request;
      const began = this.#runtime.monotonicMs();
      const outcome = await this.#store.claim({
        ...where,
        workerId,
        limit: limit - taken,
        suspects,
        taskQueues,
        ...(limited ? { limited, search: this.#search } : {}),
      });
      const tookMs = this.#runtime.monotonicMs() - began;
      if (limited) {
        // Whose limits are gone was not looked into: the next claim takes it with those that have none.
        const anyGone = this.#rules.limitsGone(outcome.unlimited ?? []);
        this.#more = outcome.more === true || anyGone;
        this.#waitMs = outcome.waitMs;
        this.#search = outcome.search;
        for (const { runId } of outcome.executions) this.#counted.add(runId);
      }
      taken += outcome.executions.length;
      suspects &&= !outcome.executions.some(({ suspect }) => suspect);
      await claimed(outcome, tookMs);
    }
    // Where there is more, the next claim comes at once.
    if (taken < request.limit && !this.#more) await this.#lookAhead({ ...where, taskQueues: openQueues });
    return taken;
  }

  /** Nothing tells workers that the timer of a parked execution is due: they look when the next one will be. */
  async #lookAhead(where: Pick<ClaimRequest, "namespace" | "definitions" | "taskQueues">): Promise<void> {
    if (this.#lookAheadMs === undefined || where.taskQueues.length === 0 || where.definitions.length === 0) return;
    const dueMs = await this.#store.nextDue({ ...where, withinMs: this.#lookAheadMs });
    if (dueMs === undefined) return;
    const waitMs = dueMs + this.#runtime.random() * spreadMs;
    this.#waitMs = this.#waitMs === undefined ? waitMs : Math.min(this.#waitMs, waitMs);
  }

  /** The first of them is served first: each in its turn. */
  #limitedInTurn(): readonly string[] {
    const { limited } = this;
    const first = this.#turn++ % limited.length;
    return [...limited.slice(first), ...limited.slice(0, first)];
  }
}
