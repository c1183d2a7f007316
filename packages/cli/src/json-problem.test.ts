import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonProblem } from "./json-problem.ts";

test.each([
  ["", 0, "a value"],
  ["  ", 2, "a value"],
  ["{", 1, 'a key in double quotes or "}"'],
  ["{'a':1}", 1, 'a key in double quotes or "}"'],
  ['{"a":1,}', 7, "a key in double quotes"],
  ['{"a" 1}', 5, '":"'],
  ['{"a":}', 5, "a value"],
  ['{"a":1', 6, '"," or "}"'],
  ["[1,]", 3, "a value"],
  ["[1 2]", 3, '"," or "]"'],
  ["[1}", 2, '"," or "]"'],
  ["[,", 1, 'a value or "]"'],
  ["01", 0, "a value"],
  ["1 2", 2, "the end"],
  ["nul", 0, "a value"],
  ['"a\nb"', 0, "a value"],
  ['{"a":[1,{"b":tru}]}', 13, "a value"],
])("%j stops being JSON at %i, where %s could stand", (text, position, expected) => {
  expect(jsonProblem(text)).toEqual({ position, expected });
});

test("finds a problem in every text that is JSON with something cut off or put in", () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.constantFrom("", "}", "]", ",", ":", "'", "x"), (json, at, extra) => {
      const position = at % (json.length + 1);
      const text = extra === "" ? json.slice(0, position) : json.slice(0, position) + extra + json.slice(position);
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const problem = jsonProblem(text);
      // A text without problem is read to its end.
      if (valid) expect(problem).toEqual({ position: text.length, expected: "the end" });
      else expect(problem.position < text.length || problem.expected !== "the end").toBe(true);
    }),
  );
});
