import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normaliseText } from "./section.ts";

describe("normalising text", () => {
  test("has one way to write line ends, blanks and accents", () => {
    expect(normaliseText("a \t b\r\nc  \r\r\n\r\n\r\ne\u0301")).toBe("a b\nc\n\né");
  });

  test("keeps the indentation of code", () => {
    expect(normaliseText("if x:\n    y()  \n\tz()")).toBe("if x:\n    y()\n\tz()");
  });

  test("takes out what PostgreSQL refuses and what nobody sees", () => {
    expect(normaliseText("a\u0000b\u00adc\u200bd\ufeff")).toBe("abcd");
    expect(normaliseText("x\ud800y")).toBe("x\ufffdy");
  });

  test("changes nothing the second time", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        expect(normaliseText(normaliseText(text))).toBe(normaliseText(text));
      }),
    );
  });

  test("takes linear time for long runs of blanks", () => {
    const started = performance.now();
    normaliseText(`${" ".repeat(500_000)}x${"\n \n".repeat(100_000)}y`);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
