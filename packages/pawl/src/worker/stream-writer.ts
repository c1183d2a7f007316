import { StreamClosed, StreamFull } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import type { NewChunk } from "../store/streams.ts";

/**
 * Gives the chunks of one execution their offsets. Only the owner of the claim writes to its streams, so it counts on from what
 * it has read when it first wrote to one; a fresh execution has none and nothing to read.
 */
export class StreamWriter {
  readonly #ends = new Map<string, { length: number; closed: boolean }>();
  readonly #reading = new Map<string, Promise<void>>();
  readonly #isFresh: boolean;
  readonly #readLength: (stream: string) => Promise<number>;
  /** Streams that this run had closed when it was claimed. What runs before it have closed, it may write to. */
  readonly #closed: ReadonlySet<string>;
  readonly #executionId: string;

  /**
   * @param isFresh whether nothing can have been written yet
   * @param closed as its history has it
   */
  constructor(executionId: string, isFresh: boolean, closed: ReadonlySet<string>, readLength: (stream: string) => Promise<number>) {
    this.#executionId = executionId;
    this.#isFresh = isFresh;
    this.#closed = closed;
    this.#readLength = readLength;
  }

  get isReading(): boolean {
    return this.#reading.size > 0;
  }

  /** Calls `use` when the end of the stream is known: now, or in the order of these calls. Rejects only with what reading or `use` throws. */
  whenKnown(stream: string, use: () => void): Promise<void> | undefined {
    if (this.#isFresh && !this.#ends.has(stream)) this.#ends.set(stream, { length: 0, closed: false });
    if (this.#ends.has(stream) && !this.#reading.has(stream)) {
      use();
      return undefined;
    }
    const before = this.#reading.get(stream) ?? this.#read(stream);
    const after = before.then(use);
    // The next one waits for this one, and does its own whatever became of this.
    const settled = after.then(ignore, ignore).finally(() => {
      if (this.#reading.get(stream) === settled) this.#reading.delete(stream);
    });
    this.#reading.set(stream, settled);
    return after;
  }

  /** Resolves when nothing is being read or waits for what is read. */
  async idle(): Promise<void> {
    while (this.isReading) await Promise.all(this.#reading.values());
  }

  async #read(stream: string): Promise<void> {
    if (this.#ends.has(stream)) return;
    const length = await this.#readLength(stream);
    this.#ends.set(stream, { length, closed: this.#closed.has(stream) });
  }

  /**
   * The next chunk of a stream whose end is known. Whether workflow code may write, its replay knows: a resumed run writes again
   * to what a run before has closed.
   *
   * @throws StreamClosed, StreamFull for a step's
   */
  next(stream: string, step: NewChunk["step"], data: string | null): NewChunk {
    const end = this.#ends.get(stream)!;
    if (step !== undefined && end.closed) throw new StreamClosed(this.#executionId, stream);
    if (step !== undefined && end.length >= limits.streamChunks) throw new StreamFull(this.#executionId, stream, limits.streamChunks);
    end.closed = data === null;
    return { stream, offset: end.length++, step, data };
  }
}

function ignore(): void {}
