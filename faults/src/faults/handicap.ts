import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../random.ts";

type Runner = () => Promise<void> | void;

const leastStepMs = 5;
const mostMs = 2000;

/**
 * By how much the second one is held back, in milliseconds; below zero, the first. Whoever wins is given more to carry: one
 * statement is faster than a step that has to end first, and only what is close is a race.
 */
export class Handicap {
  readonly #random: Random;
  #ms = 0;
  #stepMs = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Lets both go, in either order, a few milliseconds apart. */
  async race([first, second]: readonly [Runner, Runner]): Promise<void> {
    const ms = this.#ms;
    const after = async (wait: number, run: Runner): Promise<void> => {
      await delay(Math.max(0, wait) + this.#random.whole(0, 12));
      await run();
    };
    await Promise.all([after(-ms, first), after(ms, second)]);
  }

  /** Twice as much for each win in a row. */
  learn(secondWon: boolean): void {
    const sign = secondWon ? 1 : -1;
    this.#stepMs = Math.sign(this.#stepMs) === sign ? this.#stepMs * 2 : sign * leastStepMs;
    this.#ms = Math.max(-mostMs, Math.min(mostMs, this.#ms + this.#stepMs));
  }
}
