import type { Timer } from "../base/runtime.ts";
import type { ExecutionHost } from "./execution-host.ts";
import { nextWake, type OpenCalls } from "./open-calls.ts";

/** Calls back when the next of an execution's timers, retries and timeouts is due, as long as the execution is in memory. */
export class WakeTimer {
  readonly #open: OpenCalls;
  readonly #host: Pick<ExecutionHost, "now" | "runtime">;
  readonly #wake: () => void;
  #timer: Timer | undefined;
  #held = false;

  constructor(open: OpenCalls, host: Pick<ExecutionHost, "now" | "runtime">, wake: () => void) {
    this.#open = open;
    this.#host = host;
    this.#wake = wake;
  }

  /** For the next that is due. */
  arm(): void {
    if (!this.#held) this.#armAfter(Number.NEGATIVE_INFINITY);
  }

  /** In so many milliseconds, whatever is due then. */
  armIn(ms: number): void {
    this.clear();
    this.#timer = this.#host.runtime.startTimer(ms, () => this.#wake());
  }

  clear(): void {
    this.#timer?.clear();
  }

  /**
   * Lets `start` begin what is due now, then waits for what is due later. What is due and could not be begun waits for a slot
   * or the lease, and the worker calls then: no timer is of use to it.
   */
  whileStarting(start: () => void): void {
    const now = this.#host.now();
    this.#held = true;
    start();
    this.#held = false;
    this.#armAfter(now);
  }

  #armAfter(after: number): void {
    this.clear();
    const wakeAt = nextWake(this.#open, after);
    if (wakeAt !== undefined) this.#timer = this.#host.runtime.startTimer(Math.max(0, Math.ceil(wakeAt - this.#host.now())), () => this.#wake());
  }
}
