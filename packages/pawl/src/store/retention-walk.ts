import { firstRun, retentionBatch } from "./retention.ts";
import type { Store } from "./store.ts";

/** What one step of a walk has done. */
export interface RetentionProgress {
  readonly what: "executions" | "earlierRuns";
  readonly deleted: number;
  /** It came to as many rows as it was to delete, and left some that are due. */
  readonly full: boolean;
  /** It was the last one; the next begins anew. */
  readonly isEnd: boolean;
}

const parts = [
  { what: "executions", take: "deleteEnded" },
  { what: "earlierRuns", take: "deleteContinued" },
] as const;

/** Goes through the executions that have ended, then through the runs behind which one goes on as new, in small batches, again and again. */
export class RetentionWalk {
  readonly #store: Pick<Store, (typeof parts)[number]["take"]>;
  readonly #namespace: string;
  #part = 0;
  #after = firstRun;

  constructor(store: Pick<Store, (typeof parts)[number]["take"]>, namespace: string) {
    this.#store = store;
    this.#namespace = namespace;
  }

  get isAtStart(): boolean {
    return this.#part === 0 && this.#after === firstRun;
  }

  /** Deletes what is due of the next batch. */
  async step(): Promise<RetentionProgress> {
    const { what, take } = parts[this.#part]!;
    const { deleted, full, next } = await this.#store[take]({ namespace: this.#namespace, after: this.#after, ...retentionBatch });
    this.#after = next ?? firstRun;
    if (next === undefined) this.#part = (this.#part + 1) % parts.length;
    return { what, deleted, full, isEnd: this.isAtStart };
  }
}
