import type { CalendarEntry, CalendarFieldName } from "./definition.ts";

/** What a field of a calendar entry may hold. */
export const calendarRanges: { readonly [Field in CalendarFieldName]: readonly [least: number, most: number] } = {
  second: [0, 59],
  minute: [0, 59],
  hour: [0, 23],
  dayOfMonth: [1, 31],
  month: [1, 12],
  year: [1970, 9999],
  dayOfWeek: [0, 6],
};

/**
 * A calendar entry as a cron pattern of seven fields, to be read with days of month AND week. The time of day defaults to
 * midnight, the date to every day.
 */
export function calendarPattern(entry: CalendarEntry): string {
  const time = (field: "second" | "minute" | "hour"): string => (entry[field] ?? [0]).join(",");
  const date = (field: "dayOfMonth" | "month" | "dayOfWeek" | "year"): string => entry[field]?.join(",") ?? "*";
  return [time("second"), time("minute"), time("hour"), date("dayOfMonth"), date("month"), date("dayOfWeek"), date("year")].join(" ");
}
