import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { toMilliseconds } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";
import { calendarRanges } from "../kernel/schedule/calendar.ts";
import { lastInstant } from "../kernel/schedule/cron.ts";
import { calendarFields, type CalendarEntry, type CalendarFieldName, type Timing } from "../kernel/schedule/definition.ts";
import { Timetable } from "../kernel/schedule/timetable.ts";
import type { CalendarOptions, TimingOptions } from "./schedule-options.ts";

const weekdays = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const intervalKeys = { every: true, offset: true } satisfies KnownKeys<Extract<TimingOptions["interval"], object>>;
const mostPatterns = 100;
const mostDates = 1000;
const leastIntervalMs = 1000;
const fields = "5 fields (minute hour day month weekday), or 6 with seconds first";

/** The one of `cron`, `interval` and `calendar` that is given; undefined if none is. @throws OptionInvalid */
export function parseTiming(options: TimingOptions): Timing | undefined {
  const given = (["cron", "interval", "calendar"] as const).filter((name) => options[name] !== undefined);
  if (given.length > 1) throw new OptionInvalid(given[1]!, `cannot be given together with ${given[0]!}; a schedule has one of cron, interval and calendar.`);
  if (options.cron !== undefined) return { kind: "cron", ...patterns(options.cron, zone(options.timeZone)) };
  if (options.interval !== undefined) return zoneless(interval(options.interval), options);
  if (options.calendar === undefined) return undefined;
  if (typeof options.calendar === "object" && options.calendar !== null && "dates" in options.calendar) {
    checkKeys(options.calendar, { dates: true }, "calendar");
    return zoneless(dates(options.calendar.dates), options);
  }
  return { kind: "calendar", ...entries(options.calendar, zone(options.timeZone)) };
}

/** The same times in another zone. @throws OptionInvalid */
export function inZone(timing: Timing, timeZone: string): Timing {
  if (timing.kind === "interval" || timing.kind === "dates") return zoneless(timing, { timeZone });
  return { ...timing, timeZone: zone(timeZone) };
}

/** A point in time, milliseconds. @throws OptionInvalid */
export function pointInTime(value: Date | string, path: string): number {
  const at =
    value instanceof Date
      ? value.getTime()
      : typeof value === "string" && /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:?\d\d)$/.test(value)
        ? Date.parse(value)
        : Number.NaN;
  if (!(at >= 0 && at <= lastInstant))
    throw new OptionInvalid(path, `must be a Date, or a text with date, time and zone such as "2026-11-21T10:00:00Z", from 1970 to 9999.`);
  return at;
}

function zone(timeZone: string | undefined): string {
  if (timeZone === undefined) return "UTC";
  if (typeof timeZone !== "string" || timeZone === "") throw new OptionInvalid("timeZone", `must be the name of a zone such as "Europe/Berlin".`);
  try {
    return new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
  } catch {
    throw new OptionInvalid("timeZone", `"${timeZone.slice(0, 60)}" is not a zone that is known here; write its IANA name, such as "Europe/Berlin" or "UTC".`);
  }
}

function zoneless(timing: Timing, { timeZone }: TimingOptions): Timing {
  if (timeZone !== undefined) throw new OptionInvalid("timeZone", "has no meaning for an interval or for dates; leave it out.");
  return timing;
}

function patterns(cron: string | readonly string[], timeZone: string): { readonly patterns: readonly string[]; readonly timeZone: string } {
  const list: readonly unknown[] = Array.isArray(cron) ? cron : [cron];
  if (list.length === 0 || list.length > mostPatterns) throw new OptionInvalid("cron", `must be a pattern or an array of 1 to ${mostPatterns} patterns.`);
  const read = list.map((pattern, index) => {
    const path = Array.isArray(cron) ? `cron[${index}]` : "cron";
    if (typeof pattern !== "string") throw new OptionInvalid(path, `must be a pattern such as "0 9 * * MON-FRI", not ${typeof pattern}.`);
    const text = pattern.trim();
    // croner takes a date for a pattern, too.
    if (text.length > 200 || (!text.startsWith("@") && ![5, 6].includes(text.split(/\s+/).length))) throw new OptionInvalid(path, `must have ${fields}.`);
    checkComes({ kind: "cron", patterns: [text], timeZone }, path);
    return text;
  });
  return { patterns: read, timeZone };
}

function interval(given: NonNullable<TimingOptions["interval"]>): Timing {
  if (typeof given === "object") checkKeys(given, intervalKeys, "interval");
  const { every, offset } = typeof given === "object" ? given : { every: given };
  const everyMs = toMilliseconds(every, "interval");
  if (everyMs < leastIntervalMs) throw new OptionInvalid("interval", "must be at least one second.");
  return { kind: "interval", everyMs, offsetMs: offset === undefined ? 0 : toMilliseconds(offset, "interval.offset") % everyMs };
}

function dates(given: readonly (Date | string)[]): Timing {
  if (!Array.isArray(given) || given.length === 0 || given.length > mostDates)
    throw new OptionInvalid("calendar.dates", `must be an array of 1 to ${mostDates} dates.`);
  const at = given.map((date, index) => pointInTime(date as Date | string, `calendar.dates[${index}]`));
  return { kind: "dates", at: [...new Set(at)].toSorted((a, b) => a - b) };
}

function entries(
  given: CalendarOptions | readonly CalendarOptions[],
  timeZone: string,
): { readonly entries: readonly CalendarEntry[]; readonly timeZone: string } {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0 || list.length > mostPatterns)
    throw new OptionInvalid("calendar", `must be an entry, an array of 1 to ${mostPatterns} entries, or { dates }.`);
  const read = list.map((one, index) => {
    const path = Array.isArray(given) ? `calendar[${index}]` : "calendar";
    const parsed = entry(one, path);
    checkComes({ kind: "calendar", entries: [parsed], timeZone }, path);
    return parsed;
  });
  return { entries: read, timeZone };
}

function entry(given: unknown, path: string): CalendarEntry {
  if (typeof given !== "object" || given === null) throw new OptionInvalid(path, "must be an object such as { hour: 9, dayOfWeek: [1, 2, 3, 4, 5] }.");
  const read: { [Field in CalendarFieldName]?: readonly number[] } = {};
  for (const [name, value] of Object.entries(given)) {
    const field = calendarFields.find((known) => known === name);
    if (field === undefined) throw new OptionInvalid(`${path}.${name}`, `is no field of a calendar entry; there are ${calendarFields.join(", ")}.`);
    if (value !== undefined) read[field] = values(value, field, `${path}.${name}`);
  }
  return read;
}

function values(value: unknown, field: CalendarFieldName, path: string): readonly number[] {
  const [least, most] = calendarRanges[field];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const numbers = list.flatMap((one) => {
    if (typeof one === "object" && one !== null && "from" in one && "to" in one) {
      checkKeys(one, { from: true, to: true }, path);
      const [from, to] = [inRange(one.from, least, most, `${path}.from`), inRange(one.to, least, most, `${path}.to`)];
      if (from > to) throw new OptionInvalid(path, `goes from ${from} to ${to}, which is backwards; give two entries instead.`);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    }
    const weekday = field === "dayOfWeek" && typeof one === "string" ? weekdays.indexOf(one.toLowerCase()) : -1;
    if (weekday >= 0) return [weekday];
    return [inRange(one, least, most, path, field === "dayOfWeek" ? ', the name of a weekday such as "monday"' : "")];
  });
  if (numbers.length === 0) throw new OptionInvalid(path, "must hold at least one value; leave it out to have every one.");
  return [...new Set(numbers)].toSorted((a, b) => a - b);
}

function inRange(value: unknown, least: number, most: number, path: string, orElse = ""): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw new OptionInvalid(path, `must be a whole number from ${least} to ${most}${orElse}, an array of such, or { from, to }, not ${JSON.stringify(value)}.`);
  return value;
}

/** @throws OptionInvalid unless it can be read, and fits some day */
function checkComes(timing: Timing, path: string): void {
  let first: number | undefined;
  try {
    first = new Timetable({ timing, startAt: null, endAt: null, jitterMs: 0 }, "").next(0);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Cron\w+: /, "").replace(/\.$/, "") : String(error);
    throw new OptionInvalid(path, `cannot be read: ${reason}. Write ${fields}.`);
  }
  if (first === undefined) throw new OptionInvalid(path, "never comes, as 31 February does not.");
}
