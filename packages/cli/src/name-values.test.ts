import { expect, test } from "vitest";
import { UsageError } from "./failures.ts";
import { readAttributes, readLabels } from "./name-values.ts";

test("labels are texts, whatever they look like", () => {
  expect(readLabels(["customer=acme", "n=7", "empty=", "formula=a=b"])).toEqual({ customer: "acme", n: "7", empty: "", formula: "a=b" });
});

test("attributes are what they look like, and texts otherwise", () => {
  expect(readAttributes(["n=7", "urgent=true", 'text="7"', "region=eu", "when=2026-11-21T10:00:00Z", "list=[1]", "nothing=null"])).toEqual({
    n: 7,
    urgent: true,
    text: "7",
    region: "eu",
    when: new Date("2026-11-21T10:00:00Z"),
    list: "[1]",
    nothing: "null",
  });
});

test.each([[["acme"]], [["=acme"]], [["a=1", "a=2"]]])("%j is refused", (options) => {
  expect(() => readLabels(options)).toThrow(UsageError);
});
