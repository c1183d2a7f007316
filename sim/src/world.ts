import type { Chance } from "./random.ts";
import type { SimProcess } from "./sim-process.ts";
import { Violation } from "./violation.ts";

/** What can happen next. `request` happens at the database, whatever has become of the process that sent it. */
export type ItemKind = "timer" | "turn" | "request" | "reply" | "hint" | "script";

interface Item {
  readonly at: number;
  readonly kind: ItemKind;
  readonly owner: SimProcess | undefined;
  readonly label: string;
  readonly run: () => void | Promise<void>;
}

/** A line of the timeline: what happened when, to whom. */
export interface TimelineEntry {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

/** In one virtual millisecond; a simulation takes some hundred. */
const mostItemsAtOnce = 20_000;

const realImmediate = setImmediate;

/**
 * The one loop of a simulation. Everything that any process does in answer to something begins here, as an item with a due
 * time; of those that are due the next is drawn by the seed, and runs until nothing is left to do before the next is drawn.
 */
export class World {
  /** Virtual milliseconds since the simulation began. */
  now = 0;
  /** What the database's clock is ahead of that, in milliseconds; steps of it are faults. */
  clockOffset: number;
  /** How far the database's clock has been set back and forth in all. */
  steppedBackMs = 0;
  steppedForwardMs = 0;
  readonly timeline: TimelineEntry[] = [];
  fingerprint = 0x811c9dc5;
  readonly #chance: Chance;
  #items: Item[] = [];

  constructor(chance: Chance, epochMs: number) {
    this.#chance = chance;
    this.clockOffset = epochMs;
  }

  /** The database's time. */
  get databaseNow(): number {
    return this.clockOffset + this.now;
  }

  schedule(inMs: number, kind: ItemKind, owner: SimProcess | undefined, label: string, run: () => void | Promise<void>): () => void {
    const item: Item = { at: this.now + Math.max(0, inMs), kind, owner, label, run };
    this.#items.push(item);
    return () => {
      const index = this.#items.indexOf(item);
      if (index >= 0) this.#items.splice(index, 1);
    };
  }

  stepClock(byMs: number): void {
    this.clockOffset += byMs;
    if (byMs < 0) this.steppedBackMs -= byMs;
    else this.steppedForwardMs += byMs;
  }

  /** What a dead process had planned never happens; what it has sent is on its way. */
  forget(owner: SimProcess): void {
    this.#items = this.#items.filter((item) => item.owner !== owner || item.kind === "request");
  }

  note(who: string, what: string): void {
    this.timeline.push({ at: this.now, who, what });
    for (const character of `${this.now} ${who} ${what}`) this.fingerprint = Math.imul(this.fingerprint ^ character.charCodeAt(0), 0x01000193) >>> 0;
  }

  /** Runs until `done`, or until virtual time `untilMs`; gives whether it was done. */
  async run(done: () => boolean, untilMs: number): Promise<boolean> {
    let before = this.now;
    let itemsSince = 0;
    while (!done()) {
      const item = this.#next(untilMs);
      if (item === undefined) return done();
      itemsSince = this.now > before ? 0 : itemsSince + 1;
      before = this.now;
      if (itemsSince > mostItemsAtOnce)
        throw new Violation(
          "I18",
          `at ${this.now} ms something goes on and on without any time passing: ${item.owner?.name ?? "world"} ${item.kind} ${item.label}`,
        );
      this.note(item.owner?.name ?? "world", `${item.kind} ${item.label}`);
      await item.run();
      // Everything that follows from it in this turn, promises included, happens before the next is drawn.
      await new Promise((resolve) => realImmediate(resolve));
    }
    return true;
  }

  #next(untilMs: number): Item | undefined {
    let earliest = Number.POSITIVE_INFINITY;
    for (const item of this.#items) earliest = Math.min(earliest, dueAt(item));
    if (earliest === Number.POSITIVE_INFINITY || earliest > untilMs) {
      this.now = Math.max(this.now, Math.min(untilMs, earliest));
      return undefined;
    }
    this.now = Math.max(this.now, earliest);
    const turns = new Set<SimProcess | undefined>();
    const due = this.#items.filter((item) => {
      if (dueAt(item) > this.now) return false;
      if (item.kind !== "turn") return true;
      // The turns of one process come in order.
      if (turns.has(item.owner)) return false;
      turns.add(item.owner);
      return true;
    });
    const item = this.#chance.pick(due);
    this.#items.splice(this.#items.indexOf(item), 1);
    return item;
  }
}

/** A paused process does nothing before it goes on; what it has sent goes its way. */
function dueAt(item: Item): number {
  return item.kind === "request" || item.owner === undefined ? item.at : Math.max(item.at, item.owner.pausedUntil);
}
