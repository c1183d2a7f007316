import type { AppendOperation, AppendOutcome } from "../store/operations.ts";
import type { HistoryRow } from "./statements/reads.ts";

/** For tests, which make it so small that all of it happens; whoever opens a Pawl has the defaults. */
export interface HistoryCacheOptions {
  /** Shorter histories are not kept: they are read as fast (64). */
  readonly fromEvents?: number;
  /** Of the data of all events that are kept (16,777,216). Those that were needed longest ago go first. */
  readonly characters?: number;
}

interface Entry {
  readonly rows: HistoryRow[];
  characters: number;
}

/**
 * Long histories of executions that a worker of this process has claimed, as they are stored: when one that has parked wakes here
 * again, its history need not be read again. A history is only ever added to, so an entry is right as far as it goes; and it is
 * used only if it goes as far as the row that was claimed says, so what others have written meanwhile is never missed.
 *
 * It keeps stored rows, not events: values of an event that was decoded go to code, which may change them.
 */
export class HistoryCache {
  readonly #fromEvents: number;
  readonly #mostCharacters: number;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  #characters = 0;

  constructor({ fromEvents = 64, characters = 16 * 1024 * 1024 }: HistoryCacheOptions = {}) {
    this.#fromEvents = fromEvents;
    this.#mostCharacters = characters;
  }

  /** The history of a run, if it is here with all of so many events. */
  find(runId: string, lastSeq: number): readonly HistoryRow[] | undefined {
    const entry = this.#entries.get(runId);
    if (entry === undefined) return undefined;
    if (entry.rows.length !== lastSeq) {
      this.#forget(runId);
      return undefined;
    }
    this.#entries.delete(runId);
    this.#entries.set(runId, entry);
    return entry.rows;
  }

  /** @param rows the whole history of a run, as it was just read */
  keep(rows: readonly HistoryRow[]): void {
    const [first] = rows;
    if (first === undefined || rows.length < this.#fromEvents) return;
    this.#forget(first.run_id);
    const entry: Entry = { rows: [...rows], characters: 0 };
    this.#entries.set(first.run_id, entry);
    this.#grow(entry, rows);
  }

  /** What became of an append: its events follow those that are here, or what is here is of no more use. */
  settled({ runId, epoch, expectedSeq, events, after }: AppendOperation, outcome: AppendOutcome): void {
    const entry = this.#entries.get(runId);
    if (entry === undefined) return;
    const isEnd = after.kind === "end" || after.kind === "continue";
    if (outcome.outcome !== "accepted" || isEnd || entry.rows.length !== expectedSeq) return this.#forget(runId);
    const { at } = outcome;
    const rows = events.map(({ type, data }, index) => ({ run_id: runId, seq: expectedSeq + index + 1, epoch, at, type, data }));
    for (const row of rows) entry.rows.push(row);
    this.#grow(entry, rows);
  }

  #grow(entry: Entry, rows: readonly HistoryRow[]): void {
    let characters = 0;
    for (const { data } of rows) characters += data.length;
    entry.characters += characters;
    this.#characters += characters;
    for (const runId of this.#entries.keys()) {
      if (this.#characters <= this.#mostCharacters) return;
      this.#forget(runId);
    }
  }

  #forget(runId: string): void {
    const entry = this.#entries.get(runId);
    if (entry === undefined) return;
    this.#characters -= entry.characters;
    this.#entries.delete(runId);
  }
}
