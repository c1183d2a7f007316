import { describe, expect, test } from "vitest";
import { EncodingUnreadable, NotText } from "../document-errors.ts";
import { decodeText } from "./decode-text.ts";
import { fixture } from "../test-support/fixture.ts";
import { loadText } from "./text.ts";

describe("decoding text", () => {
  test.each(["latin1.txt", "utf16le-bom.txt", "utf16be-bom.txt", "utf16le-no-bom.txt"])("reads %s as the same text as the UTF-8 file", (name) => {
    expect(decodeText(fixture(name))).toBe(decodeText(fixture("utf8.txt")));
    expect(decodeText(fixture(name))).toContain("Die Sperrklinke lässt das Zahnrad nur vorwärts drehen.");
  });

  test("drops the byte order mark", () => {
    expect(decodeText(Buffer.from("\ufeffplain"))).toBe("plain");
  });

  test("says so when UTF-16 is cut in the middle of a character", () => {
    expect(() => decodeText(fixture("utf16-cut.txt"))).toThrow(EncodingUnreadable);
  });

  test("says so when a file with a UTF-8 mark is not UTF-8", () => {
    expect(() => decodeText(Buffer.from([0xef, 0xbb, 0xbf, 0xe4, 0x20]))).toThrow(EncodingUnreadable);
  });

  test("refuses binary data", () => {
    expect(() => decodeText(fixture("binary.txt"))).toThrow(NotText);
    expect(() => decodeText(Buffer.from("text with a\u0000 in it"))).toThrow(NotText);
  });

  test("accepts colour codes and form feeds, which logs and old manuals have", () => {
    expect(decodeText(Buffer.from("\u001b[31mred\u001b[0m\fnext page"))).toContain("red");
  });

  test("gives an empty text for an empty file", () => {
    expect(decodeText(new Uint8Array())).toBe("");
    expect(loadText(new Uint8Array())).toEqual([]);
  });

  test("makes one section without a heading of a text file", () => {
    expect(loadText(fixture("utf8.txt"))).toEqual([
      { heading: "", text: "Über die Klinke\n\nDie Sperrklinke lässt das Zahnrad nur vorwärts drehen.\nEin Rückwärtslauf ist unmöglich." },
    ]);
  });
});
