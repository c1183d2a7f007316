import type { Runtime } from "../base/runtime.ts";

/**
 * The database's time as this process knows it: a lower bound, from the latest time a transaction brought back plus the
 * monotonic time since. Never ahead, so that no timer fires early.
 */
export class DatabaseClock {
  readonly #runtime: Pick<Runtime, "monotonicMs">;
  #at = 0;
  #observedAt = 0;

  constructor(runtime: Pick<Runtime, "monotonicMs">) {
    this.#runtime = runtime;
  }

  /** @param at database time of a transaction whose reply just arrived, milliseconds */
  observe(at: number): void {
    this.#at = at;
    this.#observedAt = this.#runtime.monotonicMs();
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#at + (this.#runtime.monotonicMs() - this.#observedAt);
  }
}
