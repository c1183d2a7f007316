import type { Logger } from "../base/logger.ts";
import type { Runtime, Timer } from "../base/runtime.ts";
import { RetentionWalk } from "../store/retention-walk.ts";
import type { Store } from "../store/store.ts";

/** Between two small batches of one walk where little is due, so that it is hardly felt: a thousand executions looked at a second. */
const betweenBatchesMs = 1000;
/** While batches are full, the pauses shorten to this, so that others come in between. */
const shortestPauseMs = 20;
/** While they only find some that are due, to this. */
const shortPauseMs = 100;

/**
 * Deletes what no retention policy keeps any longer. Every worker does this, without a leader: each walks through the
 * executions, then through earlier runs, at its own pace and skips what another is deleting. What is due comes in with every end: while batches find
 * some, it halves the pauses between them, but is at it for half of the time at most. Where there is no policy, it asks for one now and then.
 */
export class RetentionRunner {
  readonly #store: Store;
  readonly #namespace: string;
  readonly #logger: Logger;
  readonly #runtime: Runtime;
  readonly #intervalMs: number;
  readonly #walk: RetentionWalk;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #pauseMs = betweenBatchesMs;

  /** @param intervalMs between the end of a walk and the next one */
  constructor(store: Store, namespace: string, logger: Logger, runtime: Runtime, intervalMs: number) {
    this.#store = store;
    this.#namespace = namespace;
    this.#logger = logger;
    this.#runtime = runtime;
    this.#intervalMs = intervalMs;
    this.#walk = new RetentionWalk(store, namespace);
  }

  start(): void {
    this.#plan(this.#intervalMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.clear();
    await this.#running;
  }

  #plan(inMs: number): void {
    if (this.#stopped) return;
    const round = (): void => {
      this.#running = this.#round();
    };
    this.#timer = this.#runtime.startTimer(inMs, round, { background: true });
  }

  async #round(): Promise<void> {
    this.#plan(await this.#step());
  }

  /** Gives when to come again. */
  async #step(): Promise<number> {
    // Spread, so that a fleet started together does not walk together.
    const nextWalk = this.#intervalMs * (0.75 + this.#runtime.random() / 2);
    try {
      if (this.#walk.isAtStart && (await this.#store.retentionPolicies(this.#namespace)).every(({ keepMs }) => keepMs === null)) return nextWalk;
      const began = this.#runtime.monotonicMs();
      const { what, deleted, full, isEnd } = await this.#walk.step();
      const tookMs = this.#runtime.monotonicMs() - began;
      if (deleted > 0) this.#logger.info(`retention: ${deleted} ${what === "executions" ? what : "earlier runs"} deleted`);
      this.#pauseMs = deleted === 0 ? betweenBatchesMs : Math.max(full ? shortestPauseMs : shortPauseMs, this.#pauseMs / 2);
      return isEnd ? nextWalk : Math.min(Math.max(this.#pauseMs, tookMs), nextWalk);
    } catch (error) {
      if (!this.#stopped) this.#logger.warn(`retention: ${error instanceof Error ? error.message : String(error)}`);
      return nextWalk;
    }
  }
}
