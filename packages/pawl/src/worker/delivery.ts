import type { Runtime } from "../base/runtime.ts";
import type { Event, RecordedEvent } from "../kernel/event.ts";
import type { CodeOutcome, Replay } from "../kernel/replay.ts";

/** The execution whose code gets the events. */
export interface DeliveryOwner {
  /** Whether anything may reach the code now. */
  mayDeliver(): boolean;
  /** The code has been given an event that settles nothing, which is none of those that were there at first. */
  delivered(event: Event): void;
  /** The code has been given all that was there at first: what it has asked for may begin. False: not yet, more is being recorded. */
  goLive(outcome: CodeOutcome | undefined): boolean;
  /** The code has been given all that is recorded, and has not ended. */
  rest(): void;
  /** The code has ended, or cannot go on. */
  finish(outcome: CodeOutcome): void;
}

/**
 * Gives recorded events to the code of one execution, one at a time, the microtask queue drained after each that settles a call.
 *
 * Owns: the events that are recorded and not yet delivered, when the next is, whether the code has been called and has ended.
 * Does not own: positions and what an event does to a call (Replay), what follows from it (DeliveryOwner).
 */
export class Delivery {
  readonly #replay: Replay;
  readonly #runtime: Runtime;
  readonly #owner: DeliveryOwner;
  /** Those from `#next` on are not yet delivered. An array of 50,000 would be moved by every `shift`. */
  readonly #recorded: RecordedEvent[];
  #next = 0;
  #scheduled = false;
  #live = false;
  #outcome: CodeOutcome | undefined;
  /** Not before its input is parsed. */
  #started = false;

  /** @param history what is there at first; its first event started the run, and is not delivered */
  constructor(replay: Replay, history: readonly RecordedEvent[], runtime: Runtime, owner: DeliveryOwner) {
    this.#replay = replay;
    this.#recorded = history.slice(1);
    this.#runtime = runtime;
    this.#owner = owner;
  }

  /** Whether the code has been given the history that was there at first: only then may what it asks for be started. */
  get isLive(): boolean {
    return this.#live;
  }

  /** Whether the code has been called. */
  get isStarted(): boolean {
    return this.#started;
  }

  goLive(): void {
    this.#live = true;
  }

  /** Whether nothing is left to be delivered. */
  get isDone(): boolean {
    return this.#recorded.length === 0;
  }

  /** What is left. */
  get rest(): readonly RecordedEvent[] {
    return this.#recorded.slice(this.#next);
  }

  add(recorded: RecordedEvent): void {
    this.#recorded.push(recorded);
  }

  /** Calls the code. */
  start(input: unknown): void {
    this.#started = true;
    this.#replay.start(input);
    this.schedule();
  }

  ended(outcome: CodeOutcome): void {
    this.#outcome = outcome;
    // What is recorded and not delivered is the next run's.
    if (this.#live && (this.isDone || outcome.outcome === "continued")) this.#owner.finish(outcome);
    else if (outcome.outcome === "continued") this.schedule();
  }

  /** Goes on in a turn of its own. */
  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#runtime.soon(() => {
      this.#scheduled = false;
      this.#goOn();
    });
  }

  /** Goes on in this turn, which has run no code so far. */
  goOnNow(): void {
    if (!this.#scheduled) this.#goOn();
  }

  /** Delivers up to the first event that settles a call; the rest follow after the microtask queue has drained. */
  #goOn(): void {
    if (!this.#owner.mayDeliver() || !this.#started) return;
    // What stands behind that in the history its code had not heard of when it asked for the next run.
    if (this.#outcome?.outcome === "continued") return this.#owner.finish(this.#outcome);
    try {
      for (;;) {
        if (this.#replay.settleWaits()) return this.schedule();
        const next = this.#take();
        if (next === undefined) break;
        const settled = this.#replay.apply(next);
        if (settled) return this.schedule();
        if (this.#live) this.#owner.delivered(next.event);
      }
    } catch (error) {
      return this.#owner.finish({ outcome: "threw", error });
    }
    if (!this.#live && !this.#owner.goLive(this.#outcome)) return;
    if (this.#outcome !== undefined) return this.#owner.finish(this.#outcome);
    this.#owner.rest();
  }

  #take(): RecordedEvent | undefined {
    const next = this.#recorded[this.#next];
    if (next === undefined) return undefined;
    if (++this.#next === this.#recorded.length) {
      this.#recorded.length = 0;
      this.#next = 0;
    }
    return next;
  }
}
