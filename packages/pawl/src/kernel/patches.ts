import type { Event, RecordedEvent } from "./event.ts";

/** Come from outside, whichever way the code goes. */
const outside: ReadonlySet<Event["type"]> = new Set([
  "StartMerged",
  "WorkerLost",
  "ExecutionPaused",
  "ExecutionUnpaused",
  "ExecutionResumed",
  "ExecutionForked",
  "SignalReceived",
  "UpdateReceived",
  "CancelRequested",
] satisfies Event["type"][]);

/**
 * Which way code goes at its patches.
 *
 * P1: as long as something that the code has led to is still to be replayed, the new way only if the history has the mark,
 *     wherever it stands.
 * P2: beyond that, always the new way; whatever this leads to is recorded after the mark.
 * P3: the first answer for an id holds for the rest of the run, so that code that comes by again goes the same way.
 */
export class Patches {
  readonly #answers = new Map<string, boolean>();
  /** Events up to the last one that the code had led to when the run was claimed, as far as they are not applied yet. */
  #toReplay = 0;

  /** @param history all that is known when replay begins */
  read(history: readonly RecordedEvent[]): void {
    this.#toReplay = history.findLastIndex(({ event }) => !outside.has(event.type));
    for (const { event } of history) if (event.type === "PatchMarked") this.#answers.set(event.patchId, true);
  }

  applied(): void {
    if (this.#toReplay > 0) this.#toReplay--;
  }

  /** "now": it goes the new way and that is not recorded yet. */
  isPatched(patchId: string): "yes" | "now" | "not" {
    const known = this.#answers.get(patchId);
    if (known !== undefined) return known ? "yes" : "not";
    const isPatched = this.#toReplay === 0;
    this.#answers.set(patchId, isPatched);
    return isPatched ? "now" : "not";
  }
}
