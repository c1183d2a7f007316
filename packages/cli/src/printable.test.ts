import { expect, test } from "vitest";
import { jsonText, printable, printableLines, shorten } from "./printable.ts";

test.each([
  ["\u001b[31mred\u001b[0m", "red"],
  ["\u001b]0;title\u0007text", "text"],
  ["\u009b31mc1", "c1"],
  ["a\u0000b\u0008c\u007fd\u0085e", "abcd e"],
  ["line\r\nerror: forged", "line error: forged"],
  ["\u202egnp.exe", "gnp.exe"],
  ["Grüße, 世界 👋", "Grüße, 世界 👋"],
])("%j is printed as %j", (text, safe) => {
  expect(printable(text)).toBe(safe);
});

test("texts of several lines keep their lines and nothing else", () => {
  expect(printableLines("a\u001b[2J\nb\u0007")).toBe("a\nb");
});

test("JSON holds every value that can be stored, and no character that a terminal obeys", () => {
  const value = {
    big: 12n,
    date: new Date(0),
    map: new Map([["k", 1]]),
    set: new Set([1]),
    bytes: new Uint8Array([1, 2]),
    none: undefined,
    nan: Number.NaN,
    c1: "\u009b31m",
  };
  const text = jsonText(value);
  expect(text).toContain("\\u009b31m");
  expect(JSON.parse(text)).toEqual({ big: "12", date: "1970-01-01T00:00:00.000Z", map: [["k", 1]], set: [1], bytes: "AQI=", nan: "NaN", c1: "\u009b31m" });
  expect(jsonText(undefined)).toBe("null");
  expect(JSON.parse(jsonText(new TypeError("no", { cause: new Error("why") })))).toEqual({
    name: "TypeError",
    message: "no",
    cause: { name: "Error", message: "why" },
  });
});

test("values that hold themselves do not hang it", () => {
  const value: { self?: unknown } = {};
  value.self = value;
  expect(jsonText(value)).toBe('{"self":"[circular]"}');
});

test("shortening never cuts a character in two", () => {
  expect(shorten("abcdef", 4)).toBe("abc…");
  expect(shorten("ab👋cd", 4)).toBe("ab…");
});
