import { SeededRandom } from "../random.ts";
import { calendarPattern } from "./calendar.ts";
import { CronTimes, lastInstant } from "./cron.ts";
import type { ScheduleDefinition, Timing } from "./definition.ts";

/** Gives the first instant after a time, undefined if there is none. */
type Next = (after: number) => number | undefined;

/**
 * The instants of a schedule, strictly increasing and within its start and end. Pure: no clock; all times in milliseconds
 * since 1970, and the same for everybody who asks.
 */
export class Timetable {
  readonly #next: Next;
  readonly #definition: Pick<ScheduleDefinition, "startAt" | "endAt" | "jitterMs">;
  readonly #seed: string;

  /**
   * @param seed what the jitter of an instant depends on, besides the instant: the schedule's id
   * @throws what croner throws at a pattern or time zone that it cannot read
   */
  constructor(definition: Pick<ScheduleDefinition, "timing" | "startAt" | "endAt" | "jitterMs">, seed: string) {
    this.#definition = definition;
    this.#next = compiled(definition.timing);
    this.#seed = seed;
  }

  /** The first instant after `after`; undefined if there is none. */
  next(after: number): number | undefined {
    const { startAt, endAt } = this.#definition;
    const next = this.#next(startAt === null ? after : Math.max(after, startAt - 1));
    return next === undefined || (endAt !== null && next > endAt) ? undefined : next;
  }

  /** When the execution of an instant is to start: up to the jitter later, but before the next instant's. */
  fireAt(instant: number): number {
    const { jitterMs } = this.#definition;
    if (jitterMs === 0) return instant;
    const following = this.#next(instant);
    const room = following === undefined ? jitterMs : Math.min(jitterMs, following - instant);
    return instant + Math.floor(new SeededRandom(`${this.#seed}/${instant}`).next() * room);
  }
}

/** Parsing a pattern costs as much as finding an instant, and many schedules share one. */
const patterns = new Map<string, Next>();
const mostPatterns = 10_000;

function compiled(timing: Timing): Next {
  switch (timing.kind) {
    case "interval":
      return (after) => {
        const next = (Math.floor((after - timing.offsetMs) / timing.everyMs) + 1) * timing.everyMs + timing.offsetMs;
        return next > lastInstant ? undefined : next;
      };
    case "dates":
      return (after) => timing.at.find((at) => at > after);
    case "cron":
      return earliest(timing.patterns.map((pattern) => cronNext(pattern, timing.timeZone, false)));
    case "calendar":
      return earliest(timing.entries.map((entry) => cronNext(calendarPattern(entry), timing.timeZone, true)));
  }
}

function cronNext(pattern: string, timeZone: string, calendar: boolean): Next {
  const key = `${calendar ? "calendar" : "cron"} ${timeZone} ${pattern}`;
  let next = patterns.get(key);
  if (next === undefined) {
    const times = new CronTimes(pattern, timeZone, calendar ? { mode: "7-part", domAndDow: true } : { mode: "5-or-6-parts" });
    next = (after) => times.next(after);
    if (patterns.size >= mostPatterns) patterns.clear();
    patterns.set(key, next);
  }
  return next;
}

function earliest(all: readonly Next[]): Next {
  if (all.length === 1) return all[0]!;
  return (after) => {
    let first: number | undefined;
    for (const next of all) {
      const at = next(after);
      if (at !== undefined && (first === undefined || at < first)) first = at;
    }
    return first;
  };
}
