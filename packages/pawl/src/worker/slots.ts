/** What a slot is kept for. */
type Reservation = "start" | "claim";

/**
 * The places in which a worker runs executions. One is held by everything that runs code or steps, and by what is about to
 * be claimed by a start; not by what waits, nor by what has ended and is only being written down.
 */
export class Slots {
  readonly total: number;
  readonly #onFreed: () => void;
  readonly #onGranted: (runId: string) => void;
  readonly #reserved = new Map<string, Reservation>();
  readonly #busy = new Set<string>();
  /** Go on after having waited, but all slots are taken; they come before new claims. */
  readonly #queued = new Set<string>();
  readonly #ending = new Set<string>();

  /**
   * @param onFreed a slot is free and nobody here waits for one
   * @param onGranted an execution that waited for a slot has one now
   */
  constructor(total: number, onFreed: () => void, onGranted: (runId: string) => void) {
    this.total = total;
    this.#onFreed = onFreed;
    this.#onGranted = onGranted;
  }

  get used(): number {
    return this.#busy.size + this.#reserved.size;
  }

  get free(): number {
    return this.total - this.used;
  }

  /** Nothing runs, waits for a slot, or is being written down. */
  get isQuiet(): boolean {
    return this.used === 0 && this.#queued.size === 0 && this.#ending.size === 0;
  }

  get reserved(): Iterable<string> {
    return this.#reserved.keys();
  }

  has(runId: string): boolean {
    return this.#busy.has(runId);
  }

  /**
   * Keeps a slot for an execution that is not active yet, even if there are too few: it is claimed already. A later claim takes
   * the place of a start whose reply is late.
   */
  reserve(runId: string, by: Reservation): void {
    this.#reserved.set(runId, by);
  }

  /** The execution is active now and asks for a slot itself, or never will be. Gives whether one was kept for this. */
  unreserve(runId: string, by: Reservation): boolean {
    return this.#reserved.get(runId) === by && this.#reserved.delete(runId);
  }

  /** A slot for an active execution, at once or when it is its turn. */
  take(runId: string): void {
    if (this.free > 0) this.#busy.add(runId);
    else this.#queued.add(runId);
  }

  /** It waits. */
  rest(runId: string): void {
    this.#queued.delete(runId);
    if (this.#busy.delete(runId)) this.freed();
  }

  /** Its code has ended: the slot is free for the next while the end is being written. */
  ending(runId: string): void {
    this.#ending.add(runId);
    this.rest(runId);
  }

  /** It is no longer active here. */
  remove(runId: string): void {
    this.#queued.delete(runId);
    this.#busy.delete(runId);
    this.#ending.delete(runId);
    this.freed();
  }

  /** Gives free slots to those that wait for one, then says that there are some. */
  freed(): void {
    for (const runId of this.#queued) {
      if (this.free <= 0) break;
      this.#queued.delete(runId);
      this.#busy.add(runId);
      this.#onGranted(runId);
    }
    this.#onFreed();
  }
}
