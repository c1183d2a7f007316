import type { Timer } from "../base/runtime.ts";
import type { ExecutionHost } from "./execution-host.ts";

/** Node's timers take no more. */
const longestTimerMs = 2 ** 31 - 1;

/** Calls back when the time of an execution is over. */
export class DeadlineWatch {
  /** Database time, milliseconds; undefined: it may take for ever. */
  readonly at: number | undefined;
  readonly #host: Pick<ExecutionHost, "now" | "runtime">;
  readonly #onOver: () => void;
  #timer: Timer | undefined;

  constructor(at: number | undefined, host: Pick<ExecutionHost, "now" | "runtime">, onOver: () => void) {
    this.at = at;
    this.#host = host;
    this.#onOver = onOver;
  }

  /** Gives whether it is over already. */
  begin(): boolean {
    if (this.at === undefined) return false;
    const leftMs = this.at - this.#host.now();
    if (leftMs <= 0) {
      this.#onOver();
      return true;
    }
    this.#timer = this.#host.runtime.startTimer(Math.min(Math.ceil(leftMs), longestTimerMs), () => this.begin());
    return false;
  }

  clear(): void {
    this.#timer?.clear();
  }
}
