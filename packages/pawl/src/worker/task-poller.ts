import type { Runtime, Timer } from "../base/runtime.ts";

/** What the poller asks of its worker. */
export interface PollerHost {
  freeSlots(): number;
  /** Claims up to `limit` executions and gives how many it got. */
  claim(limit: number): Promise<number>;
  claimFailed(error: unknown): void;
  /** What else the last claim said: come again at once, or in so many milliseconds at the latest. */
  comeAgain(): { readonly more: boolean; readonly waitMs: number | undefined };
}

const largestClaim = 200;
/** A rate of thousands a second frees a place all the time; then a claim takes what has come together. */
const shortestWaitMs = 5;

/**
 * Decides when to claim: when a hint says so, when a slot becomes free while there may be more, and otherwise every poll
 * interval, which is what makes it correct. One claim is under way at a time; what asks meanwhile leads to another one.
 */
export class TaskPoller {
  readonly #host: PollerHost;
  readonly #runtime: Runtime;
  readonly #pollMs: number;
  #claiming: Promise<number> | undefined;
  #askedMeanwhile = false;
  #wakeScheduled = false;
  /** The last claim took all it could: there may be more. */
  #mayHaveMore = false;
  #timer: Timer | undefined;
  #stopped: boolean;

  /** @param manual never claims by itself, only through `claimNow` */
  constructor(host: PollerHost, runtime: Runtime, pollMs: number, manual: boolean) {
    this.#host = host;
    this.#runtime = runtime;
    this.#pollMs = pollMs;
    this.#stopped = manual;
  }

  /** Looks for work now, or right after the claim that is under way. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#claiming !== undefined || this.#host.comeAgain().more) this.#askedMeanwhile = true;
    this.#goOn();
  }

  get isClaiming(): boolean {
    return this.#claiming !== undefined;
  }

  /** Not in this very moment: a commit frees many slots in one turn of the event loop, and one claim shall fill them all. */
  slotFreed(): void {
    if (this.#mayHaveMore) this.wakeSoon();
  }

  /** The same for what waits for a limit of its queue. */
  wakeSoon(): void {
    if (this.#wakeScheduled) return;
    this.#wakeScheduled = true;
    this.#runtime.soon(() => {
      this.#wakeScheduled = false;
      this.wake();
    });
  }

  claimNow(): Promise<number> {
    this.#claiming ??= this.#claim().finally(() => {
      this.#claiming = undefined;
    });
    return this.#claiming;
  }

  /** Resolves when no claim is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.clear();
    await this.#claiming?.catch(() => 0);
  }

  async #claim(): Promise<number> {
    const limit = Math.min(this.#host.freeSlots(), largestClaim);
    const claimed = limit > 0 ? await this.#host.claim(limit) : 0;
    this.#mayHaveMore = claimed >= limit || this.#host.comeAgain().more;
    return claimed;
  }

  #goOn(): void {
    if (this.#stopped || this.#claiming !== undefined) return;
    this.#timer?.clear();
    void this.#poll();
  }

  async #poll(): Promise<void> {
    // Where this claim goes on from the last one, what was asked for may lie behind it: there is another one when it has come to an end.
    this.#askedMeanwhile &&= this.#host.comeAgain().more;
    try {
      await this.claimNow();
    } catch (error) {
      this.#mayHaveMore = false;
      if (!this.#stopped) this.#host.claimFailed(error);
    }
    if (this.#stopped) return;
    if ((this.#mayHaveMore || this.#askedMeanwhile) && this.#host.freeSlots() > 0) {
      this.#runtime.soon(() => this.#goOn());
      return;
    }
    // Spread, so that a fleet started together does not ask together.
    const pollMs = this.#pollMs * (0.75 + this.#runtime.random() / 2);
    const { waitMs = pollMs } = this.#host.comeAgain();
    this.#timer = this.#runtime.startTimer(Math.min(pollMs, Math.max(shortestWaitMs, Math.ceil(waitMs))), () => this.wake(), { polls: true });
  }
}
