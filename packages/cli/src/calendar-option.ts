import type { CalendarEntry, CalendarOptions, TimingOptions } from "pawl";
import { calendarFields, calendarRanges } from "pawl/internal";
import { UsageError } from "./failures.ts";
import { parseJson } from "./json-input.ts";

type Field = (typeof calendarFields)[number];

const example = `such as --calendar "hour=9,17 dayOfWeek=MON-FRI"`;
const weekdays = ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];
const months = ["JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"];
/** What stands for numbers, from the least on. */
const names: { readonly [Name in Field]?: readonly string[] } = { dayOfWeek: weekdays, month: months };
/** What a field that is missing means: every one of a date, 0 of a time of day. */
const isEveryDay: readonly Field[] = ["dayOfMonth", "month", "year", "dayOfWeek"];

/** Options of the form `hour=9,17 dayOfWeek=MON-FRI`, or JSON as the library takes it. The library checks JSON. @throws UsageError */
export function readCalendar(options: readonly string[]): NonNullable<TimingOptions["calendar"]> {
  const read = options.map((text) =>
    /^\s*[{[]/.test(text) ? (parseJson(text, "--calendar") as CalendarOptions | readonly CalendarOptions[]) : readEntry(text),
  );
  return read.length === 1 ? read[0]! : read.flat();
}

function readEntry(text: string): CalendarOptions {
  const parts = text
    .trim()
    .replace(/\s*([=,-])\s*/g, "$1")
    .split(/\s+/);
  const entry: { [Name in Field]?: readonly number[] } = {};
  const given = new Set<Field>();
  for (const part of parts) {
    const at = part.indexOf("=");
    if (at < 1) throw wrong(`"${part}" is not of the form field=values, ${example}.`);
    const name = part.slice(0, at);
    const field = calendarFields.find((known) => known === name);
    if (field === undefined) throw wrong(`there is no field "${name}"; there are ${calendarFields.join(", ")}.`);
    if (given.has(field)) throw wrong(`${field} is given twice. Write its values as a list, ${example}.`);
    given.add(field);
    const values = part.slice(at + 1);
    if (values !== "*") entry[field] = values.split(",").flatMap((one) => readValues(field, one));
    else if (!isEveryDay.includes(field)) entry[field] = range(...calendarRanges[field]);
  }
  return entry;
}

/** One value, or all of a range, which may go over the end: `FRI-MON`, `22-2`. */
function readValues(field: Field, text: string): readonly number[] {
  const [least, most] = calendarRanges[field];
  const [first, last, ...more] = text.split("-").map((one) => readValue(field, one));
  if (first === undefined || more.length > 0 || Number.isNaN(first + (last ?? first))) {
    const named = names[field] === undefined ? "" : ` or names such as ${short(names[field][1]!)}`;
    const separate = text.includes("=") ? " Put spaces between fields." : "";
    throw wrong(`"${text}" is no ${field}. It takes numbers from ${least} to ${most}${named}, lists such as 1,3, ranges such as 1-3, or * for all.${separate}`);
  }
  if (last === undefined) return [first];
  if (first <= last) return range(first, last);
  if (field === "year") throw wrong(`the years ${text} go backwards.`);
  return [...range(first, most), ...range(least, last)];
}

function readValue(field: Field, text: string): number {
  const [least, most] = calendarRanges[field];
  const named = names[field]?.findIndex((name) => [name, short(name)].includes(text.toUpperCase())) ?? -1;
  if (named >= 0) return named + least;
  const value = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : Number.NaN;
}

/** An entry in the form in which the option takes it. */
export function calendarText(entry: CalendarEntry): string {
  const parts = calendarFields.flatMap((field) => (entry[field] === undefined ? [] : [`${field}=${valuesText(field, entry[field])}`]));
  // At midnight of every day.
  return parts.length === 0 ? "hour=0" : parts.join(" ");
}

function valuesText(field: Field, values: readonly number[]): string {
  const [least, most] = calendarRanges[field];
  if (values.length === most - least + 1) return "*";
  const text = (value: number): string => (names[field] === undefined ? String(value) : short(names[field][value - least]!));
  const parts: string[] = [];
  for (let at = 0; at < values.length; at++) {
    const from = at;
    while (values[at + 1] === values[at]! + 1) at++;
    const between = at - from > 1 ? "-" : ",";
    parts.push(from === at ? text(values[at]!) : `${text(values[from]!)}${between}${text(values[at]!)}`);
  }
  return parts.join(",");
}

/** In three letters. */
function short(name: string): string {
  return name.slice(0, 3);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function wrong(problem: string): UsageError {
  return new UsageError("OPTION_INVALID", `--calendar: ${problem}`);
}
