import { OptionInvalid } from "./errors.ts";
import { limits } from "./limits.ts";

/** A length of time: milliseconds, or text such as `"250ms"`, `"10 minutes"`, `"1h 30m"`, `"1.5 hours"`. */
export type Duration = number | string;

const TEXT_LENGTH = 100;
const EXAMPLES = 'give milliseconds or a text such as "250ms", "10 minutes", "1h 30m" or "2 days"';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

const units: ReadonlyMap<string, number> = new Map([
  ...["ms", "msec", "msecs", "millisecond", "milliseconds"].map((name) => [name, 1] as const),
  ...["s", "sec", "secs", "second", "seconds"].map((name) => [name, SECOND] as const),
  ...["m", "min", "mins", "minute", "minutes"].map((name) => [name, MINUTE] as const),
  ...["h", "hr", "hrs", "hour", "hours"].map((name) => [name, HOUR] as const),
  ...["d", "day", "days"].map((name) => [name, DAY] as const),
  ...["w", "week", "weeks"].map((name) => [name, WEEK] as const),
]);

/**
 * A duration as a whole number of milliseconds, rounded. `path` names the option in errors.
 *
 * @throws OptionInvalid for anything that is not a duration from 0 to five years.
 */
export function toMilliseconds(duration: Duration, path: string): number {
  // Plain JavaScript callers can pass anything.
  if (typeof duration !== "number" && typeof duration !== "string") throw new OptionInvalid(path, `is not a duration; ${EXAMPLES}.`);
  const ms = typeof duration === "string" ? parse(duration, path) : duration;
  if (!(ms >= 0 && ms <= limits.durationMs)) {
    throw new OptionInvalid(path, `${quote(duration)} is not a duration from 0 to ${formatDuration(limits.durationMs)}; ${EXAMPLES}.`);
  }
  // Adding zero makes -0 an ordinary 0.
  return Math.round(ms) + 0;
}

/** A duration for people, in its two largest units: `250 ms`, `1.5s`, `1m 30s`, `2d 3h`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return `${ms} ms`;
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < SECOND) return `${Math.floor(ms)} ms`;
  if (ms < MINUTE) return `${Math.floor(ms / 100) / 10}s`;
  if (ms < HOUR) return inTwo(ms, MINUTE, "m", SECOND, "s");
  if (ms < DAY) return inTwo(ms, HOUR, "h", MINUTE, "m");
  return inTwo(ms, DAY, "d", HOUR, "h");
}

function inTwo(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)}${largeName}${rest > 0 ? ` ${rest}${smallName}` : ""}`;
}

/** Reads `<number><unit>` one after another, by hand: no input makes it look at a character twice. */
function parse(text: string, path: string): number {
  if (text.length > TEXT_LENGTH) throw new OptionInvalid(path, `is longer than ${TEXT_LENGTH} characters; ${EXAMPLES}.`);
  const fail = (reason: string): never => {
    throw new OptionInvalid(path, `${quote(text)} ${reason}; ${EXAMPLES}.`);
  };
  const used = new Set<number>();
  let total = 0;
  let position = skip(text, 0, isSpace);
  if (position === text.length) return fail("is empty");
  while (position < text.length) {
    const start = position;
    position = skip(text, position, isDigit);
    if (position === start) return fail(`has no number at position ${start + 1}`);
    if (text[position] === ".") {
      const fraction = position + 1;
      position = skip(text, fraction, isDigit);
      if (position === fraction) return fail(`has no digit at position ${fraction + 1}`);
    }
    const amount = Number(text.slice(start, position));
    const unitStart = skip(text, position, isSpace);
    position = skip(text, unitStart, isLetter);
    const unit = text.slice(unitStart, position);
    const unitMs = units.get(unit);
    if (unitMs === undefined) return fail(unit === "" ? `has no unit at position ${unitStart + 1}` : `has the unknown unit "${unit}"`);
    if (used.has(unitMs)) return fail(`has the unit "${unit}" twice`);
    used.add(unitMs);
    total += amount * unitMs;
    position = skip(text, position, isSpace);
  }
  return total;
}

function skip(text: string, from: number, belongs: (character: string) => boolean): number {
  let position = from;
  while (position < text.length && belongs(text.charAt(position))) position++;
  return position;
}

function isSpace(character: string): boolean {
  return character === " ";
}

function isDigit(character: string): boolean {
  return character >= "0" && character <= "9";
}

function isLetter(character: string): boolean {
  return (character >= "a" && character <= "z") || (character >= "A" && character <= "Z");
}

function quote(duration: Duration): string {
  return typeof duration === "string" ? JSON.stringify(duration) : String(duration);
}
