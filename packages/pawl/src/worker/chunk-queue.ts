import type { NewChunk } from "../store/streams.ts";

interface Waiting {
  readonly chunk: NewChunk;
  /** So many events stood before it in the outbox. */
  before: number;
}

/**
 * Chunks that steps have written and that no commit has taken yet, in their order. A chunk goes no earlier than the events that
 * stood before it (its attempt's announcement), and events that came after it (its step's result) go no earlier than it.
 */
export class ChunkQueue {
  #waiting: Waiting[] = [];
  #characters = 0;

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Whether some are of the step at that position. */
  isOf(position: number): boolean {
    return this.#waiting.some(({ chunk }) => chunk.step?.position === position);
  }

  get characters(): number {
    return this.#characters;
  }

  add(chunk: NewChunk, eventsBefore: number): void {
    this.#waiting.push({ chunk, before: eventsBefore });
    this.#characters += sizeOf(chunk);
  }

  clear(): void {
    this.#waiting = [];
    this.#characters = 0;
  }

  /** Whether all of them fit into one append of that size. */
  fits(largest: number): boolean {
    return this.#characters <= largest;
  }

  /** How many events of `all` may go, when so many characters of chunks go with them. */
  eventsBefore(largest: number, all: number): number {
    if (this.fits(largest)) return all;
    return this.#waiting[this.#fitting(largest)]!.before;
  }

  /** @param events how many events go with them, from the first; Infinity if all do */
  take(largest: number, events: number): NewChunk[] | undefined {
    let count = this.fits(largest) ? this.#waiting.length : this.#fitting(largest);
    while (count > 0 && this.#waiting[count - 1]!.before > events) count--;
    if (count === 0) {
      for (const waiting of this.#waiting) waiting.before = Math.max(0, waiting.before - events);
      return undefined;
    }
    const taken = this.#waiting.splice(0, count).map(({ chunk }) => chunk);
    for (const chunk of taken) this.#characters -= sizeOf(chunk);
    for (const waiting of this.#waiting) waiting.before = Math.max(0, waiting.before - events);
    return taken;
  }

  /** How many, from the first, are no more than that together; at least one. */
  #fitting(largest: number): number {
    let size = 0;
    for (let index = 0; index < this.#waiting.length; index++) {
      size += sizeOf(this.#waiting[index]!.chunk);
      if (size > largest && index > 0) return index;
    }
    return this.#waiting.length;
  }
}

function sizeOf({ data }: NewChunk): number {
  return data?.length ?? 0;
}
