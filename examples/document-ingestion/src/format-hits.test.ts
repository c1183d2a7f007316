import { describe, expect, test } from "vitest";
import { formatHits, snippet } from "./format-hits.ts";
import type { Hit } from "./vector-store.ts";

const hit = (over: Partial<Hit> = {}): Hit => ({
  folder: "/docs",
  path: "guide.md",
  heading: "Guide",
  text: "A pawl holds.",
  score: 1,
  similarity: 0.5,
  ...over,
});

describe("search results", () => {
  test("show where, how sure, and the text", () => {
    expect(formatHits([hit(), hit({ heading: "", score: 0.25 })], "pawl")).toBe(
      "1. guide.md › Guide  (score 1.00, similarity 0.50)\n   A pawl holds.\n\n2. guide.md  (score 0.25, similarity 0.50)\n   A pawl holds.",
    );
  });

  test("say so when there are none", () => {
    expect(formatHits([], "pawl")).toBe("No document has anything to do with this question.");
  });
});

const filler = (word: string): string => `Nothing about ${word} here. `.repeat(20);

describe("a snippet", () => {
  test("is the whole of a short text, on one line", () => {
    expect(snippet("one\n\n  two", "x")).toBe("one two");
  });

  test("begins at the sentence where the question's words are", () => {
    const text = `${filler("cats")}Workers that crash lose their lease. ${filler("dogs")}`;
    expect(snippet(text, "when a worker crashes")).toMatch(/^… .*Workers that crash lose their lease\..* …$/);
  });

  test("begins at the start where the question's words are nowhere", () => {
    expect(snippet(filler("cats"), "zebra")).toMatch(/^Nothing about cats/);
  });

  test("is never much longer than its limit", () => {
    expect(snippet("x".repeat(5000), "y").length).toBeLessThan(300);
    expect(snippet(filler("cats"), "cats").length).toBeLessThan(300);
  });
});
