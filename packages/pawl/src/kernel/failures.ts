import { isError } from "../base/is-error.ts";

/** A failure of a durable call, as the code got it. */
export interface CallFailure {
  /** Of the event that recorded it. */
  readonly seq: number;
  /** How many calls the code had made by then. */
  readonly calls: number;
}

/**
 * Which failures of durable calls the code of one run got, so that it can be told from which of them the end of the run came.
 *
 * F1: failures between which the code called nothing are one: it may have waited for them together, and what it throws names but one of
 *     them, or none. The first stands for all.
 */
export class Failures {
  readonly #of = new WeakMap<object, CallFailure>();
  #latest: CallFailure | undefined;

  /** The code gets this error for a call. @param calls how many it has made */
  add(error: Error, seq: number, calls: number): void {
    if (this.#latest?.calls !== calls) this.#latest = { seq, calls };
    for (const part of partsOf(error)) this.#of.set(part, this.#latest);
  }

  /**
   * What led to this error: the first failure that it is, wraps or collects; of an error of the code's own the one after which the code
   * has called nothing. @param calls how many it has made
   */
  behind(error: unknown, calls: number): CallFailure | undefined {
    let first: CallFailure | undefined;
    for (const part of partsOf(error)) {
      const failure = this.#of.get(part);
      if (failure !== undefined && (first === undefined || failure.seq < first.seq)) first = failure;
    }
    return first ?? (this.#latest?.calls === calls ? this.#latest : undefined);
  }
}

/** An error with its causes, and with the errors that it collects. */
function partsOf(error: unknown): ReadonlySet<object> {
  const parts = new Set<object>();
  const open = [error];
  while (open.length > 0) {
    const part = open.pop();
    if (typeof part !== "object" || part === null || parts.has(part)) continue;
    parts.add(part);
    if (isError(part)) addHeld(part, open);
  }
  return parts;
}

/** Code may throw any object, also one whose getters throw: what cannot be read is left out. */
function addHeld(error: Partial<AggregateError>, held: unknown[]): void {
  try {
    held.push(error.cause);
  } catch {}
  try {
    // One by one: they may be more than a call can have arguments.
    if (Array.isArray(error.errors)) for (const collected of error.errors as readonly unknown[]) held.push(collected);
  } catch {}
}
