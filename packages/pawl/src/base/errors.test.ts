import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as errors from "./errors.ts";

const source = readFileSync(new URL("./errors.ts", import.meta.url), "utf8");
const documentation = readFileSync(new URL("../../../../docs/errors.md", import.meta.url), "utf8");

/** `export class Name extends PawlError { readonly code = "CODE"`: the code stands in the class, the class has this shape. */
const classes = [...source.matchAll(/export class (\w+) extends PawlError \{\s+readonly code = "([A-Z_]+)"/g)].map((match) => ({
  name: match[1]!,
  code: match[2]!,
}));
const rows = [...documentation.matchAll(/^\| `([A-Z_]+)` \| `(\w+)` \| (.+) \| (.+) \|$/gm)].map((match) => ({
  code: match[1]!,
  name: match[2]!,
  meaning: match[3]!,
  next: match[4]!,
}));

test("every exported error class has a code, and no two the same", () => {
  const exported = Object.entries(errors).flatMap(([name, value]) => (value !== errors.PawlError && value.prototype instanceof errors.PawlError ? [name] : []));
  expect(new Set(classes.map(({ name }) => name))).toEqual(new Set(exported));
  expect(new Set(classes.map(({ code }) => code)).size).toBe(classes.length);
});

describe("docs/errors.md", () => {
  test.each(classes)("has a row for $code", ({ name, code }) => {
    const row = rows.find((candidate) => candidate.code === code);
    expect(row?.name).toBe(name);
    expect(row?.meaning.trim()).not.toBe("");
    expect(row?.next.trim()).not.toBe("");
  });

  test("has no row for a code that does not exist", () => {
    const known = new Set(classes.map(({ code }) => code));
    expect(rows.filter(({ code }) => !known.has(code))).toEqual([]);
  });
});
