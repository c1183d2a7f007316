import { expect, test } from "vitest";
import { compareVersions } from "./compare-versions.ts";

test("versions are in natural order, and no two different ones are equal", () => {
  const ordered = ["1", "1.9", "1.10", "2", "9", "10", "2026-09-30", "2026-11-21", "v2", "v10"];
  expect(ordered.toReversed().toSorted(compareVersions)).toEqual(ordered);
  expect(compareVersions("1", "1")).toBe(0);
  expect(compareVersions("01", "1")).not.toBe(0);
  expect(compareVersions("01", "1")).toBe(-compareVersions("1", "01"));
});
