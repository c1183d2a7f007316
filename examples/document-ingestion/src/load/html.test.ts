import { describe, expect, test } from "vitest";
import { EncodingUnreadable, NotText } from "../document-errors.ts";
import { fixture } from "../test-support/fixture.ts";
import { loadHtml } from "./html.ts";

const html = (source: string): Uint8Array => Buffer.from(source);

describe("loading HTML", () => {
  test("reads the main part under its headings, with entities decoded", () => {
    expect(loadHtml(fixture("guide.html"))).toEqual([
      { heading: "Ratchets & pawls", text: "A pawl costs 5 € – café not included.\nSecond line." },
      { heading: "Ratchets & pawls › Parts <list>", text: "- wheel\n- catch, with\n- spring" },
      { heading: "Ratchets & pawls › Parts <list> › Sizes", text: "Name | Teeth\nsmall | 12\nlarge | 48" },
      { heading: "Ratchets & pawls › Code", text: "if (a < b) {\n  turn();\n}\n\nA wheel with its catch" },
    ]);
  });

  test("leaves out scripts, styles, navigation, hidden parts and what is outside of main", () => {
    const text = JSON.stringify(loadHtml(fixture("guide.html")));
    for (const unread of ["console", "display", "About", "Nobody", "JavaScript", "Outside"]) expect(text).not.toContain(unread);
  });

  test("uses the declared encoding, and the title where there is no top heading", () => {
    expect(loadHtml(fixture("latin1.html"))).toEqual([{ heading: "Größe", text: "Zähne & Räder" }]);
  });

  test("reads a declared UTF-16 as the ASCII superset that the declaration itself was written in", () => {
    expect(loadHtml(html('<meta charset="utf-16"><p>Räder</p>'))).toEqual([{ heading: "", text: "Räder" }]);
  });

  test("keeps neighbouring blocks apart and inline elements together", () => {
    expect(loadHtml(html("<div>one<div>two</div>th<b>re</b>e</div>"))).toEqual([{ heading: "", text: "one\n\ntwo\n\nthree" }]);
  });

  test("survives markup that is not closed", () => {
    expect(loadHtml(html("<h1>all of it is <p>a heading <b>here"))).toEqual([]);
    expect(loadHtml(html("<p>a<p>b<li>c"))).toEqual([{ heading: "", text: "a\n\nb\n\n- c" }]);
  });

  test("says so when the declared encoding does not exist or the bytes are not of it", () => {
    expect(() => loadHtml(html('<meta charset="klingon"><p>x'))).toThrow(EncodingUnreadable);
    expect(() => loadHtml(Buffer.concat([html('<meta charset="utf-8"><p>'), Buffer.from([0xff, 0xc0])]))).toThrow(EncodingUnreadable);
  });

  test("refuses binary data named like HTML", () => {
    expect(() => loadHtml(fixture("binary.txt"))).toThrow(NotText);
  });
});
