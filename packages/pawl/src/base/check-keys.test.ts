import { expect, test } from "vitest";
import { checkKeys } from "./check-keys.ts";
import { OptionInvalid } from "./errors.ts";

const known = { executionId: true, maximumAttempts: true, timeout: true } as const;
const messageOf = (options: unknown): string => {
  try {
    checkKeys(options, known, "start");
  } catch (error) {
    expect(error).toBeInstanceOf(OptionInvalid);
    return (error as OptionInvalid).message;
  }
  return "";
};

test("an object with known options passes, however they are set", () => {
  expect(messageOf({})).toBe("");
  expect(messageOf({ executionId: "a", timeout: undefined })).toBe("");
  expect(messageOf(Object.create({ timeout: 5 }))).toBe("");
  expect(
    messageOf(
      new (class {
        readonly timeout = 5;
        help(): void {}
      })(),
    ),
  ).toBe("");
});

test("an unknown option is named, with the one that was probably meant and all that there are", () => {
  const all = "Known: executionId, maximumAttempts, timeout.";
  expect(messageOf({ executionID: "a" })).toBe(`start.executionID: there is no such option; did you mean executionId? ${all}`);
  expect(messageOf({ maxAttempts: 1 })).toBe(`start.maxAttempts: there is no such option; did you mean maximumAttempts? ${all}`);
  expect(messageOf({ priority: 1 })).toBe(`start.priority: there is no such option. ${all}`);
  expect(messageOf({ tiemout: undefined })).toContain("did you mean timeout?");
});

test("what every object inherits is no option", () => {
  for (const key of ["constructor", "toString", "hasOwnProperty"]) expect(messageOf({ [key]: true })).toContain(`start.${key}: there is no such option`);
  expect(messageOf(JSON.parse('{ "__proto__": 1 }'))).toContain("start.__proto__: there is no such option");
});

test("an endless name is cut", () => {
  expect(messageOf({ ["x".repeat(100_000)]: 1 }).length).toBeLessThan(300);
});

test.each([
  [null, "null"],
  ["x", "a string"],
  [[1], "an array"],
  [5, "a number"],
  [undefined, "undefined"],
  [() => 1, "a function"],
])("what is no object is refused: %s", (options, kind) => {
  expect(messageOf(options)).toContain(`start: must be an object with options, not ${kind}.`);
});
