import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitText } from "./split-text.ts";

const text = fc
  .array(fc.oneof(fc.lorem(), fc.constantFrom("\n\n", "\n", " ", "", "x".repeat(70), "😀".repeat(40), "日本語。")), { maxLength: 40 })
  .map((parts) => parts.join(" "));
const length = fc.integer({ min: 2, max: 120 });
const withoutBlanks = (value: string): string => value.replace(/\s+/g, "");

describe("splitting text", () => {
  test("gives no piece above the length, none empty, and loses nothing but blanks", () => {
    fc.assert(
      fc.property(text, length, (source, limit) => {
        const pieces = splitText(source, limit);
        for (const piece of pieces) {
          expect(piece.length).toBeLessThanOrEqual(limit);
          expect(piece.trim()).not.toBe("");
        }
        expect(withoutBlanks(pieces.join(""))).toBe(withoutBlanks(source));
      }),
    );
  });

  test("never cuts a surrogate pair", () => {
    fc.assert(
      fc.property(text, length, (source, limit) => {
        for (const piece of splitText(source, limit)) expect(Buffer.from(piece).toString()).toBe(piece);
      }),
    );
  });

  test("leaves a text that fits in one piece, as it is", () => {
    expect(splitText("one\n\ntwo\n  three", 80)).toEqual(["one\n\ntwo\n  three"]);
    expect(splitText("", 80)).toEqual([]);
  });

  test("cuts between paragraphs before it cuts inside one", () => {
    expect(splitText("first one.\n\nsecond. still second.\n\nthird", 24)).toEqual(["first one.", "second. still second.", "third"]);
  });

  test("cuts a long paragraph at lines, then at sentences, then at words", () => {
    expect(splitText("a first line\na second line", 14)).toEqual(["a first line", "a second line"]);
    expect(splitText("One is here. Two is there. Three", 15)).toEqual(["One is here.", "Two is there.", "Three"]);
    expect(splitText("alpha beta gamma", 11)).toEqual(["alpha beta", "gamma"]);
  });

  test("cuts a word that is longer than a piece", () => {
    expect(splitText("abcdefgh", 3)).toEqual(["abc", "def", "gh"]);
  });

  test("packs short paragraphs together", () => {
    expect(splitText("a\n\nb\n\nc\n\nd", 5)).toEqual(["a\n\nb", "c\n\nd"]);
  });
});
