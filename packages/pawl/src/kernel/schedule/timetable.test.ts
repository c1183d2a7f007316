import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Timing } from "./definition.ts";
import { instantText } from "./execution-id.ts";
import { Timetable } from "./timetable.ts";

const bounds = { startAt: null, endAt: null, jitterMs: 0 } as const;

function instants(timing: Timing, after: string, count: number): string[] {
  const timetable = new Timetable({ ...bounds, timing }, "s");
  const found: string[] = [];
  for (let at = timetable.next(Date.parse(after)); at !== undefined && found.length < count; at = timetable.next(at)) found.push(instantText(at));
  return found;
}

/** Pattern, zone, after, the instants that follow. Clocks in Berlin: forward 2026-03-29 at 01:00 UTC, back 2026-10-25 at 01:00 UTC. */
const golden: readonly (readonly [says: string, pattern: string, zone: string, after: string, expected: readonly string[]])[] = [
  [
    "a time of day that is left out comes at the first moment after the gap",
    "30 2 * * *",
    "Europe/Berlin",
    "2026-03-28T12:00:00Z",
    ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
  ],
  [
    "several times of day in one gap come once",
    "0,30 2-3 * * *",
    "Europe/Berlin",
    "2026-03-28T12:00:00Z",
    ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"],
  ],
  ["the time right after the gap comes once", "0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]],
  [
    "a pattern with a step runs through the gap in real time",
    "*/30 * * * *",
    "Europe/Berlin",
    "2026-03-29T00:29:00Z",
    ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
  ],
  ["an hourly pattern keeps its hour through the gap", "30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"]],
  [
    "a time of day that occurs twice comes the first time",
    "30 2 * * *",
    "Europe/Berlin",
    "2026-10-24T12:00:00Z",
    ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
  ],
  ["from inside the repeated hour it does not come again", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", ["2026-10-26T01:30:00Z"]],
  [
    "a list of times of day comes once each",
    "30 1,2 * * *",
    "Europe/Berlin",
    "2026-10-24T12:00:00Z",
    ["2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T00:30:00Z"],
  ],
  [
    "an hourly pattern runs in both of the repeated hours",
    "30 * * * *",
    "Europe/Berlin",
    "2026-10-24T23:00:00Z",
    ["2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"],
  ],
  [
    "every 15 seconds is not silent in the repeated hour",
    "*/15 * * * * *",
    "Europe/Berlin",
    "2026-10-25T00:59:40Z",
    ["2026-10-25T00:59:45Z", "2026-10-25T01:00:00Z", "2026-10-25T01:00:15Z"],
  ],
  [
    "a gap at midnight moves the day's run to one o'clock",
    "0 0 * * *",
    "America/Santiago",
    "2026-09-05T12:00:00Z",
    ["2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"],
  ],
  ["a gap of half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]],
  ["a repeated half hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]],
  ["a day that a zone left out is left out", "0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"]],
  ["New York", "0 9 * * MON-FRI", "America/New_York", "2026-03-06T15:00:00Z", ["2026-03-09T13:00:00Z", "2026-03-10T13:00:00Z"]],
  ["a zone with odd minutes", "0 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", ["2026-01-01T18:15:00Z"]],
  ["leap days", "0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]],
  ["last days of months", "0 0 L * *", "UTC", "2026-01-31T00:00:00Z", ["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]],
  ["the second Monday", "0 0 * * MON#2", "UTC", "2026-01-01T00:00:00Z", ["2026-01-12T00:00:00Z", "2026-02-09T00:00:00Z"]],
  ["day of month or day of week, as cron has it", "0 0 13 * FRI", "UTC", "2026-01-08T00:00:00Z", ["2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"]],
  ["a date that never is", "0 0 31 2 *", "UTC", "2026-01-01T00:00:00Z", []],
];

describe("cron and time zones", () => {
  test.each(golden)("%s: %s in %s after %s", (_says, pattern, timeZone, after, expected) => {
    expect(instants({ kind: "cron", patterns: [pattern], timeZone }, after, expected.length || 1)).toEqual(expected);
  });

  test("several patterns are one series without repetitions", () => {
    const timing: Timing = { kind: "cron", patterns: ["0 9 * * *", "0 9,17 * * *"], timeZone: "UTC" };
    expect(instants(timing, "2026-01-01T00:00:00Z", 3)).toEqual(["2026-01-01T09:00:00Z", "2026-01-01T17:00:00Z", "2026-01-02T09:00:00Z"]);
  });
});

describe("calendars", () => {
  test("every field has to fit, also both of the days", () => {
    const timing: Timing = { kind: "calendar", entries: [{ dayOfMonth: [13], dayOfWeek: [5], hour: [8] }], timeZone: "UTC" };
    expect(instants(timing, "2026-01-01T00:00:00Z", 2)).toEqual(["2026-02-13T08:00:00Z", "2026-03-13T08:00:00Z"]);
  });

  test("an entry with a year ends with it", () => {
    const timing: Timing = { kind: "calendar", entries: [{ year: [2027], month: [1], dayOfMonth: [1, 2], minute: [30] }], timeZone: "Europe/Berlin" };
    expect(instants(timing, "2026-01-01T00:00:00Z", 5)).toEqual(["2026-12-31T23:30:00Z", "2027-01-01T23:30:00Z"]);
  });

  test("dates come once each", () => {
    const at = ["2026-01-01T00:00:00Z", "2026-02-01T10:00:00.250Z"];
    expect(instants({ kind: "dates", at: at.map((text) => Date.parse(text)) }, "2025-01-01T00:00:00Z", 5)).toEqual(at);
  });
});

test("intervals count from 1970, not from when somebody looked", () => {
  const timing: Timing = { kind: "interval", everyMs: 3_600_000, offsetMs: 900_000 };
  for (const after of ["2026-01-01T10:15:00Z", "2026-01-01T11:14:59.999Z"]) expect(instants(timing, after, 1)).toEqual(["2026-01-01T11:15:00Z"]);
});

const zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"];
const some = (least: number, most: number) => fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 3 });
const timings: fc.Arbitrary<Timing> = fc.oneof(
  fc.record({ kind: fc.constant("interval" as const), everyMs: fc.integer({ min: 1000, max: 9e8 }), offsetMs: fc.integer({ min: 0, max: 1e9 }) }),
  fc.record({
    kind: fc.constant("cron" as const),
    patterns: fc
      .tuple(
        fc.constantFrom("0", "*/7", "59"),
        fc.constantFrom("*", "*/15", "30", "0,59"),
        fc.constantFrom("*", "2", "1-3", "*/5", "0"),
        fc.constantFrom("*", "1", "L"),
        fc.constantFrom("*", "FRI"),
      )
      .map(([second, minute, hour, day, weekday]) => [`${second} ${minute} ${hour} ${day} * ${weekday}`]),
    timeZone: fc.constantFrom(...zones),
  }),
  fc.record({
    kind: fc.constant("calendar" as const),
    entries: fc.array(fc.record({ minute: some(0, 59), hour: some(0, 4), dayOfMonth: some(25, 31) }, { requiredKeys: [] }), { minLength: 1, maxLength: 2 }),
    timeZone: fc.constantFrom(...zones),
  }),
);
/** Around the changes of clocks of the year, mostly. */
const times = fc.oneof(
  fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) }),
  ...[Date.UTC(2026, 2, 29, 1), Date.UTC(2026, 9, 25, 1), Date.UTC(2026, 8, 6, 4), Date.UTC(2026, 9, 3, 15, 30)].map((change) =>
    fc.integer({ min: change - 7_200_000, max: change + 7_200_000 }),
  ),
);

test("instants increase strictly, lie between start and end, and are the same from wherever one looks", () => {
  const lengths = fc.integer({ min: 0, max: 40 * 86_400_000 });
  fc.assert(
    fc.property(timings, times, lengths, times, (timing, startAt, length, after) => {
      const timetable = new Timetable({ timing, startAt, endAt: startAt + length, jitterMs: 0 }, "s");
      let at = after;
      for (let count = 0; count < 20; count++) {
        const next = timetable.next(at);
        if (next === undefined) break;
        expect(next).toBeGreaterThan(at);
        expect(next).toBeGreaterThanOrEqual(startAt);
        expect(next).toBeLessThanOrEqual(startAt + length);
        expect(timetable.next(Math.floor((at + next) / 2))).toBe(next);
        expect(timetable.next(next - 1)).toBe(next);
        at = next;
      }
    }),
    { numRuns: 300 },
  );
});

test("jitter is the same for everybody, within its bound, and before the next instant", () => {
  fc.assert(
    fc.property(timings, times, fc.integer({ min: 1, max: 7_200_000 }), (timing, after, jitterMs) => {
      const [one, other] = ["s", "s"].map((seed) => new Timetable({ ...bounds, timing, jitterMs }, seed));
      const at = one!.next(after);
      if (at === undefined) return;
      const fireAt = one!.fireAt(at);
      expect(other!.fireAt(at)).toBe(fireAt);
      expect(fireAt).toBeGreaterThanOrEqual(at);
      expect(fireAt - at).toBeLessThan(jitterMs);
      expect(fireAt).toBeLessThan(one!.next(at) ?? Infinity);
    }),
    { numRuns: 300 },
  );
});

test("jitter spreads schedules that fire at the same instant", () => {
  const timing: Timing = { kind: "cron", patterns: ["0 0 * * *"], timeZone: "UTC" };
  const at = Date.UTC(2026, 0, 2);
  const offsets = Array.from({ length: 200 }, (_, n) => new Timetable({ ...bounds, timing, jitterMs: 60_000 }, `s${n}`).fireAt(at) - at);
  expect(new Set(offsets).size).toBeGreaterThan(190);
  expect(Math.min(...offsets)).toBeLessThan(6000);
  expect(Math.max(...offsets)).toBeGreaterThan(54_000);
});
