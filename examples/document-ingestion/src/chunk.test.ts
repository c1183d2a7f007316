import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chunkSections, embeddingInput } from "./chunk.ts";
import type { Section } from "./section.ts";

const sections = fc.array(fc.record({ heading: fc.constantFrom("", "Guide", "Guide › Install"), text: fc.lorem({ maxCount: 60 }) }), { maxLength: 6 });
const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
const prose = (sentences: number): string => Array.from({ length: sentences }, (_unused, index) => `Sentence number ${index} says something.`).join(" ");

describe("chunking", () => {
  test("keeps every chunk within target and overlap, under the heading it came from", () => {
    fc.assert(
      fc.property(sections, (document) => {
        for (const chunk of chunkSections(document, { targetLength: 100, overlap: 30 })) {
          expect(chunk.text.length).toBeLessThanOrEqual(130);
          expect(document.some(({ heading }) => heading === chunk.heading)).toBe(true);
        }
      }),
    );
  });

  test("keeps every word of the document, in order", () => {
    fc.assert(
      fc.property(sections, (document) => {
        const chunked = chunkSections(document, { targetLength: 100, overlap: 0 }).flatMap(({ text }) => words(text));
        expect(chunked).toEqual(document.flatMap(({ text }) => words(text)));
      }),
    );
  });

  test("gives each chunk of a document another id, and the same ids every time", () => {
    fc.assert(
      fc.property(sections, (document) => {
        const ids = chunkSections(document).map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(chunkSections(document).map(({ id }) => id)).toEqual(ids);
      }),
    );
  });

  test("keeps the ids of what did not change when another section does", () => {
    const install: Section = { heading: "Install", text: prose(40) };
    const before = chunkSections([{ heading: "Intro", text: "Old." }, install]);
    const after = chunkSections([{ heading: "Intro", text: "New and longer." }, { heading: "More", text: "Added." }, install]);
    const ofInstall = (chunks: typeof before) => chunks.filter(({ heading }) => heading === "Install").map(({ id }) => id);
    expect(ofInstall(after)).toEqual(ofInstall(before));
    expect(ofInstall(before).length).toBeGreaterThan(1);
  });

  test("begins a chunk with the end of the one before it, at a word, within one section", () => {
    const [first, second] = chunkSections([{ heading: "", text: prose(40) }]);
    const repeated = second?.text.split("\n")[0] ?? "";
    expect(repeated.length).toBeGreaterThan(60);
    expect(repeated.length).toBeLessThan(120);
    expect(first?.text.endsWith(` ${repeated}`)).toBe(true);
    const [, other] = chunkSections([
      { heading: "A", text: prose(3) },
      { heading: "B", text: "Short." },
    ]);
    expect(other?.text).toBe("Short.");
  });

  test("does not repeat a part of a word that is longer than the overlap", () => {
    const [, second] = chunkSections([{ heading: "", text: "x".repeat(100) }], { targetLength: 60, overlap: 20 });
    expect(second?.text).toBe("x".repeat(40));
  });

  test("embeds the heading with the text", () => {
    const [chunk, bare] = chunkSections([
      { heading: "Retries", text: "Eight attempts." },
      { heading: "", text: "No heading." },
    ]);
    expect(chunk && embeddingInput(chunk)).toBe("Retries\nEight attempts.");
    expect(bare && embeddingInput(bare)).toBe("No heading.");
  });

  test("makes no chunk of an empty document", () => {
    expect(chunkSections([])).toEqual([]);
  });
});
