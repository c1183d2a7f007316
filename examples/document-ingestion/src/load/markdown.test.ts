import { describe, expect, test } from "vitest";
import { fixture } from "../test-support/fixture.ts";
import { loadMarkdown } from "./markdown.ts";

const markdown = (source: string): Uint8Array => Buffer.from(source);

describe("loading Markdown", () => {
  test("reads text, code, lists, tables, quotes and raw HTML under their headings", () => {
    expect(loadMarkdown(fixture("guide.md"))).toEqual([
      { heading: "", text: "Before any heading, with a link and a wheel." },
      { heading: "Ratchet guide", text: "First paragraph\nover two lines, with inline code and a line\nbreak." },
      { heading: "Ratchet guide › Install", text: "npm install ratchet\nnpm start\n\n- Unpack\n- Turn\n  - left\n  - right\n\n- done" },
      {
        heading: "Ratchet guide › Install › Options",
        text: "Option | Meaning\nteeth | how many\n~~old~~ | gone\n\nQuoted\nadvice\n\nMore\n\nHidden & folded",
      },
      { heading: "Ratchet guide › Setext heading", text: "Last words.\n\nA footnote." },
    ]);
  });

  test("takes a heading in raw HTML as a heading", () => {
    expect(loadMarkdown(markdown('<h1 align="center">Pawl</h1>\n\nDurable.'))).toEqual([{ heading: "Pawl", text: "Durable." }]);
  });

  test("drops headings that have nothing below them, and everything of an empty file", () => {
    expect(loadMarkdown(markdown("# Only\n\n## headings"))).toEqual([]);
    expect(loadMarkdown(fixture("empty.md"))).toEqual([]);
  });

  test("closes deeper headings when a higher one follows", () => {
    const headings = loadMarkdown(markdown("# A\na\n### C\nc\n## B\nb\n# D\nd")).map(({ heading }) => heading);
    expect(headings).toEqual(["A", "A › C", "A › B", "D"]);
  });

  test("strips front matter only at the very top", () => {
    expect(loadMarkdown(markdown("Intro\n\n---\n\nkey: value\n\n---\n"))).toEqual([{ heading: "", text: "Intro\n\nkey: value" }]);
  });

  test("reads files with Windows line ends alike", () => {
    const unix = Buffer.from(fixture("guide.md")).toString();
    expect(loadMarkdown(markdown(unix.replaceAll("\n", "\r\n")))).toEqual(loadMarkdown(markdown(unix)));
  });
});
