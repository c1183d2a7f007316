import type { After } from "../store/operations.ts";
import type { CallStarter } from "./call-starter.ts";
import type { DeadlineWatch } from "./deadline-watch.ts";
import type { Delivery } from "./delivery.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { ExecutionSlot } from "./execution-slot.ts";
import type { HistoryWriter } from "./history-writer.ts";
import { describeWait, nextWake, waitsForMessage, type OpenCalls } from "./open-calls.ts";
import type { WakeTimer } from "./wake-timer.ts";

/** Waits shorter than this stay in memory: parking costs a commit, a claim and a replay. */
const lingerForTimerMs = 250;
/** While it waits for children or messages, an execution stays in memory for so long after the last news. */
const lingerForNewsMs = 1000;
/** Code that has had nothing to wait for this long waits for something that no event will bring. */
const stuckAfterMs = 1000;

/**
 * What one execution does that has nothing to do: it gives its slot back, and parks unless it will go on in a moment.
 *
 * Owns: when there was news last, and since when the code waits for nothing.
 */
export class Parking {
  readonly #open: OpenCalls;
  readonly #delivery: Delivery;
  readonly #writer: HistoryWriter;
  readonly #starter: CallStarter;
  readonly #slot: ExecutionSlot;
  readonly #timer: WakeTimer;
  readonly #deadline: DeadlineWatch;
  readonly #host: Pick<ExecutionHost, "mayStartSteps" | "now" | "runtime">;
  #lastNews: number;
  #stuckSince: number | undefined;
  #foundStuck = false;

  constructor(
    open: OpenCalls,
    delivery: Delivery,
    writer: HistoryWriter,
    starter: CallStarter,
    slot: ExecutionSlot,
    timer: WakeTimer,
    deadline: DeadlineWatch,
    host: Pick<ExecutionHost, "mayStartSteps" | "now" | "runtime">,
  ) {
    this.#open = open;
    this.#delivery = delivery;
    this.#writer = writer;
    this.#starter = starter;
    this.#slot = slot;
    this.#timer = timer;
    this.#deadline = deadline;
    this.#host = host;
    this.#lastNews = host.runtime.monotonicMs();
  }

  /** A message has come, or something is recorded. */
  heardNews(): void {
    this.#lastNews = this.#host.runtime.monotonicMs();
  }

  /**
   * To be called now and then. Gives true, once, when code that has not ended has had no open call for a while, and nothing is under way
   * that could make one: it can neither park nor go on by what is recorded.
   */
  findsStuck(): boolean {
    if (this.#foundStuck) return false;
    const now = this.#host.runtime.monotonicMs();
    if (!this.#isAtRest || !this.#delivery.isStarted || this.#open.size > 0) this.#stuckSince = undefined;
    else if (this.#stuckSince === undefined || this.#stuckSince < this.#lastNews) this.#stuckSince = now;
    else this.#foundStuck = now - this.#stuckSince >= stuckAfterMs;
    return this.#foundStuck;
  }

  /** Keeps waiting in memory for a moment, or asks to be parked, if there is nothing to do. */
  rest(): void {
    if (this.#open.size === 0 || !this.#isAtRest) return;
    if (this.#starter.isBusy) {
      // Its next step may not start: it needs no slot meanwhile, nor does a worker that stops wait for it. It never parks, for nothing would wake it.
      if (!this.#host.mayStartSteps()) this.#slot.rest();
      return;
    }
    this.#starter.announceWaits();
    if (!this.#writer.outbox.isEmpty) return;
    // It does not wait for anything but a slot.
    if (!this.#slot.rest()) return;
    // Without a lease, or while the worker stops, nothing may be started; the worker calls when that has changed.
    if (!this.#host.mayStartSteps()) return;
    const wakeAt = nextWake(this.#open);
    const wakeInMs = wakeAt === undefined ? Number.POSITIVE_INFINITY : wakeAt - this.#host.now();
    if (wakeInMs <= lingerForTimerMs) return this.#timer.arm();
    const lingerMs = waitsForMessage(this.#open) ? lingerForNewsMs - (this.#host.runtime.monotonicMs() - this.#lastNews) : 0;
    if (lingerMs > 0) return this.#timer.armIn(Math.max(1, Math.min(lingerMs, wakeInMs)));
    this.#writer.park();
  }

  /** The park that was asked for; undefined if none was, or there is something to do meanwhile. @param seenInbox the messages it knows */
  park(seenInbox: number): After | undefined {
    if (!this.#writer.isParkAsked || !this.#isWaiting) return undefined;
    return { kind: "park", wakeAt: this.#wakeAt ?? null, seenInbox, waitingFor: describeWait(this.#open) };
  }

  get #isWaiting(): boolean {
    return this.#open.size > 0 && this.#isAtRest && !this.#starter.isBusy;
  }

  /** Nothing of it is under way that its code will hear of, though a step may be waiting to start. */
  get #isAtRest(): boolean {
    return this.#delivery.isLive && this.#delivery.isDone && this.#writer.isOpen && this.#writer.isIdle && !this.#starter.isAtWork;
  }

  /** The next timer, retry or wait, or its deadline if that comes first. */
  get #wakeAt(): number | undefined {
    const next = nextWake(this.#open);
    const { at } = this.#deadline;
    return next === undefined || at === undefined ? (next ?? at) : Math.min(next, at);
  }
}
