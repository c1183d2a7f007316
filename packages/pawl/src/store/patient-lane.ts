import { Closed } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { StartHeldUp } from "./start-held-up.ts";

const firstWaitMs = 10;
const longestWaitMs = 1000;

/**
 * Where starts wait for open transactions, which may take as long as their users like. Each is tried again now and then, one after the other:
 * so however many wait, they keep one connection busy at most, and nothing else waits for them.
 */
export class PatientLane {
  readonly #runtime: Runtime;
  readonly #pauses = new Set<() => void>();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Makes the attempt again as long as it throws `StartHeldUp`. @throws Closed, and what else it throws */
  async run<Result>(attempt: () => Promise<Result>): Promise<Result> {
    for (let failures = 0; !this.#closed; failures++) {
      const turn = this.#last.then(attempt);
      this.#last = turn.catch(() => {});
      try {
        return await turn;
      } catch (error) {
        if (!(error instanceof StartHeldUp)) throw error;
      }
      const longest = Math.min(firstWaitMs * 2 ** Math.min(failures, 20), longestWaitMs);
      if (!this.#closed) await this.#pause(longest / 2 + (this.#runtime.random() * longest) / 2);
    }
    throw new Closed("This Pawl");
  }

  close(): void {
    this.#closed = true;
    for (const end of this.#pauses) end();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.clear();
        this.#pauses.delete(end);
        resolve();
      };
      const timer = this.#runtime.startTimer(ms, end);
      this.#pauses.add(end);
    });
  }
}
