import { SeededRandom } from "pawl/internal";

/** A stream of chance that belongs to one purpose: drawing more from one does not move another. */
export class Chance {
  readonly #seed: string;
  readonly #random: SeededRandom;

  constructor(seed: string) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
  }

  fork(purpose: string): Chance {
    return new Chance(`${this.#seed}/${purpose}`);
  }

  /** In [0, 1). */
  next(): number {
    return this.#random.next();
  }

  /** Whole, from `least` to `most`, both included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  hits(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.next() * values.length)]!;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.whole(0, 255));
  }
}
