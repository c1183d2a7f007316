import type { ActiveExecution } from "./active-execution.ts";
import type { ExecutionHost } from "./execution-host.ts";

/** Whether one execution needs a slot of its worker. It has one from its claim on, gives it back while it waits, and for good when its code has ended. */
export class ExecutionSlot {
  readonly #execution: ActiveExecution;
  readonly #host: Pick<ExecutionHost, "hasSlot" | "resting" | "working" | "ending">;
  #resting = false;

  constructor(execution: ActiveExecution, host: Pick<ExecutionHost, "hasSlot" | "resting" | "working" | "ending">) {
    this.#execution = execution;
    this.#host = host;
  }

  /** Whether it may start steps; if not, the worker calls when there is a slot for it. */
  get isHeld(): boolean {
    return this.#host.hasSlot(this.#execution);
  }

  /** It has something to do: it needs a slot again. */
  work(): void {
    if (!this.#resting) return;
    this.#resting = false;
    this.#host.working(this.#execution);
  }

  /** It waits. Gives false while it waits for nothing but a slot. */
  rest(): boolean {
    if (this.#resting) return true;
    if (!this.isHeld) return false;
    this.#resting = true;
    this.#host.resting(this.#execution);
    return true;
  }

  /** From here on it runs nothing any more. */
  end(): void {
    this.#resting = false;
    this.#host.ending(this.#execution);
  }
}
