import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Duration, formatDuration, toMilliseconds } from "./duration.ts";
import { OptionInvalid } from "./errors.ts";
import { limits } from "./limits.ts";

describe("toMilliseconds", () => {
  test("reads numbers as milliseconds and texts by their units", () => {
    const cases: [Duration, number][] = [
      [0, 0],
      [-0, 0],
      [1.6, 2],
      [limits.durationMs, limits.durationMs],
      ["250ms", 250],
      ["0s", 0],
      ["10 minutes", 600_000],
      ["1h 30m", 5_400_000],
      ["1h30m", 5_400_000],
      ["2 days", 172_800_000],
      ["1.5 hours", 5_400_000],
      ["1 week", 604_800_000],
      ["  5 sec ", 5_000],
      ["1.1h", 3_960_000],
      ["1825 days", limits.durationMs],
    ];
    for (const [duration, ms] of cases) expect(toMilliseconds(duration, "delay"), String(duration)).toBe(ms);
  });

  test("refuses what is not a duration and says why", () => {
    const cases: [unknown, string][] = [
      [-1, "-1 is not a duration from 0 to 1825d"],
      [NaN, "NaN is not"],
      [Infinity, "Infinity is not"],
      [limits.durationMs + 1, "is not a duration from"],
      ["6 years", 'unknown unit "years"'],
      ["1 Hour", 'unknown unit "Hour"'],
      ["1826 days", "is not a duration from"],
      [`${"9".repeat(99)}d`, "is not a duration"],
      ["", "is empty"],
      ["   ", "is empty"],
      ["5", "no unit at position 2"],
      ["5 ", "no unit"],
      ["ms", "no number at position 1"],
      ["-5s", "no number at position 1"],
      ["1.s", "no digit at position 3"],
      [".5s", "no number"],
      ["1e3s", 'unknown unit "e"'],
      ["1h 2h", 'unit "h" twice'],
      ["1h,2m", "no number at position 3"],
      ["1".repeat(101), "longer than 100 characters"],
      ["1\u00a0s", "no unit at position 2"],
      [null, "is not a duration"],
      [10n, "is not a duration"],
      [{}, "is not a duration"],
    ];
    for (const [duration, reason] of cases) {
      const read = () => toMilliseconds(duration as Duration, "step.delay");
      expect(read, String(duration)).toThrow(OptionInvalid);
      expect(read).toThrow(reason);
      expect(read).toThrow(/^step\.delay: /);
    }
  });

  test("answers any text with a number in range or OptionInvalid", () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom("1", "2.5", " ", "h", "m", "seconds", "."));
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          const ms = toMilliseconds(pieces.join(""), "delay");
          expect(Number.isInteger(ms) && ms >= 0 && ms <= limits.durationMs).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(OptionInvalid);
        }
      }),
    );
  });
});

test("formatDuration shows the two largest units", () => {
  const cases: [number, string][] = [
    [0, "0 ms"],
    [250, "250 ms"],
    [999.9, "999 ms"],
    [1000, "1s"],
    [1550, "1.5s"],
    [59_999, "59.9s"],
    [60_000, "1m"],
    [90_000, "1m 30s"],
    [3_600_000, "1h"],
    [5_459_000, "1h 30m"],
    [86_400_000, "1d"],
    [97_200_000, "1d 3h"],
    [-90_000, "-1m 30s"],
    [NaN, "NaN ms"],
  ];
  for (const [ms, text] of cases) expect(formatDuration(ms)).toBe(text);
});
