import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { calendarText, readCalendar } from "./calendar-option.ts";
import { UsageError } from "./failures.ts";

describe("a calendar entry", () => {
  test.each<[string, object]>([
    ["hour=9,17 dayOfWeek=MON-FRI", { hour: [9, 17], dayOfWeek: [1, 2, 3, 4, 5] }],
    ["hour = 9, 17  minute=30", { hour: [9, 17], minute: [30] }],
    ["dayOfWeek=saturday,Sun", { dayOfWeek: [6, 0] }],
    ["dayOfWeek=SAT-SUN hour=22-1", { dayOfWeek: [6, 0], hour: [22, 23, 0, 1] }],
    ["month=JAN,june-AUG,12 dayOfMonth=1", { month: [1, 6, 7, 8, 12], dayOfMonth: [1] }],
    ["hour=* dayOfMonth=* year=2027-2028", { hour: Array.from({ length: 24 }, (_, hour) => hour), year: [2027, 2028] }],
    ['{"hour":9,"dayOfWeek":["monday"]}', { hour: 9, dayOfWeek: ["monday"] }],
    ['{"dates":["2026-12-24T18:00:00Z"]}', { dates: ["2026-12-24T18:00:00Z"] }],
  ])("is read: %s", (text, entry) => {
    expect(readCalendar([text])).toEqual(entry);
  });

  test.each([
    ["hours=9", '--calendar: there is no field "hours"; there are second, minute, hour, dayOfMonth, month, year, dayOfWeek.'],
    ["hour=25", '--calendar: "25" is no hour. It takes numbers from 0 to 23, lists such as 1,3, ranges such as 1-3, or * for all.'],
    ["dayOfWeek=MOON", '"MOON" is no dayOfWeek. It takes numbers from 0 to 6 or names such as MON,'],
    ["month=0", '"0" is no month. It takes numbers from 1 to 12 or names such as FEB,'],
    ["hour=9,,10", '"" is no hour.'],
    ["hour=9-", '"9-" is no hour.'],
    ["hour=1-2-3", '"1-2-3" is no hour.'],
    ["minute=*/15", '"*/15" is no minute.'],
    ["hour=9,dayOfWeek=MON", "Put spaces between fields."],
    ["hour=9 hour=10", "hour is given twice. Write its values as a list"],
    ["year=2028-2027", "the years 2028-2027 go backwards"],
    ["9", '"9" is not of the form field=values, such as --calendar "hour=9,17 dayOfWeek=MON-FRI".'],
    ["", '"" is not of the form'],
    ['{"hour": nine}', "--calendar is not JSON: at position 9 (line 1, column 10)"],
  ])("is refused, with what is allowed: %s", (text, problem) => {
    expect(() => readCalendar([text])).toThrow(UsageError);
    expect(() => readCalendar([text])).toThrow(problem);
  });

  test("can be one of several, in either form", () => {
    expect(readCalendar(["hour=9", '[{"hour":10},{"hour":11}]'])).toEqual([{ hour: [9] }, { hour: 10 }, { hour: 11 }]);
  });

  test("is shown as it can be given", () => {
    expect(calendarText({ hour: [9, 17], dayOfWeek: [1, 2, 3, 4, 5] })).toBe("hour=9,17 dayOfWeek=MON-FRI");
    expect(calendarText({ minute: [0, 1, 30], month: [1, 2, 12] })).toBe("minute=0,1,30 month=JAN,FEB,DEC");
    expect(calendarText({})).toBe("hour=0");
    const values = (least: number, most: number): fc.Arbitrary<number[]> =>
      fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: most - least }).map((list) => list.toSorted((a, b) => a - b));
    const entries = fc.record({ second: values(0, 59), hour: values(0, 23), month: values(1, 12), dayOfWeek: values(0, 6) }, { requiredKeys: ["hour"] });
    fc.assert(
      fc.property(entries, (entry) => {
        expect(readCalendar([calendarText(entry)])).toEqual(entry);
      }),
    );
  });
});
