import { UsageError } from "./failures.ts";
import { formatDuration, toMilliseconds } from "pawl/internal";

/** How long ago, by this machine's clock: the database's may be a little ahead. */
export function ago(time: Date | number): string {
  return `${formatDuration(Math.max(0, Date.now() - Number(time)))} ago`;
}

/** Between two times, the second one now where it has not come yet. */
export function between(from: Date | number, to: Date | number | null | undefined): string {
  return formatDuration(Math.max(0, Number(to ?? Date.now()) - Number(from)));
}

/** A point in time given as a date, or as how long ago it was. */
export function pointInTime(text: string, option: string): Date {
  if (/^\d{4}-\d\d/.test(text)) {
    const date = new Date(text);
    if (Number.isNaN(date.getTime())) throw new UsageError("OPTION_INVALID", `${option}: "${text}" is not a date; write 2026-11-21 or 2026-11-21T10:00:00Z.`);
    return date;
  }
  return new Date(Date.now() - toMilliseconds(text, option));
}

/** A point in time given as a date, as a time with its zone, or as how long it is until then. */
export function pointInFuture(text: string, option: string): Date {
  if (!/^\d{4}-\d\d/.test(text)) return new Date(Date.now() + toMilliseconds(text, option));
  // A schedule's times are in a zone, and this machine's may be another one.
  const date = /^[\d-]+(T.*(Z|[+-]\d\d:?\d\d))?$/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(date.getTime()))
    throw new UsageError("OPTION_INVALID", `${option}: "${text}" is not a date, or has no zone; write 2026-12-24, 2026-12-24T18:00:00Z or 7d.`);
  return date;
}
