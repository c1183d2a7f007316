import { loggerOf, type Logger } from "../base/logger.ts";
import type { Runtime, Timer } from "../base/runtime.ts";
import type { Store } from "../store/store.ts";

const chunk = 500;

/**
 * Finds workers that are dead and takes their executions over. Every worker does this, without a leader: each statement
 * changes only rows that are still as it expects, so it does not matter how many do it at once or how often.
 */
export class Reaper {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #runtime: Runtime;
  readonly #intervalMs: number;
  readonly #ownId: () => string;
  readonly #onReleased: () => void;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(store: Store, logger: Logger, runtime: Runtime, leaseMs: number, ownId: () => string, onReleased: () => void) {
    this.#store = store;
    this.#logger = logger;
    this.#runtime = runtime;
    this.#intervalMs = Math.max(50, leaseMs / 4);
    this.#ownId = ownId;
    this.#onReleased = onReleased;
  }

  async start(): Promise<void> {
    await this.#round();
    this.#plan();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.clear();
    await this.#running;
  }

  #plan(): void {
    if (this.#stopped) return;
    // Spread, so that a fleet started together does not ask together.
    const inMs = this.#intervalMs * (0.75 + this.#runtime.random() / 2);
    const round = (): void => {
      this.#running = this.#round().finally(() => this.#plan());
    };
    this.#timer = this.#runtime.startTimer(inMs, round, { background: true });
  }

  async #round(): Promise<void> {
    try {
      const { neighbours, dead: known } = await this.#store.watchedWorkers(this.#runtime.identity.host);
      const gone = neighbours
        .filter(({ workerId, pid, pidStarted }) => workerId !== this.#ownId() && this.#runtime.isGone(pid, pidStarted))
        .map(({ workerId }) => workerId);
      const dead = new Set([...known, ...(await this.#store.expireWorkers(gone))]);
      for (const workerId of dead) await this.#takeOver(workerId);
    } catch (error) {
      if (!this.#stopped) this.#logger.warn(`looking for dead workers: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #takeOver(workerId: string): Promise<void> {
    let released = 0;
    let quarantined = 0;
    for (;;) {
      const takeover = await this.#store.takeOver(workerId, chunk);
      released += takeover.released;
      quarantined += takeover.quarantined;
      if (takeover.released + takeover.quarantined === 0) break;
      this.#onReleased();
    }
    if (released + quarantined > 0) {
      loggerOf(this.#logger, { workerId }).warn(
        `a worker is gone: ${released} executions go on elsewhere${quarantined > 0 ? `, ${quarantined} are quarantined` : ""}`,
      );
    }
  }
}
