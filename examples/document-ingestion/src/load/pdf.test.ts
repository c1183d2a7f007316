import { describe, expect, test } from "vitest";
import { PdfBroken, PdfEncrypted, PdfWithoutText } from "../document-errors.ts";
import { fixture } from "../test-support/fixture.ts";
import { loadPdf } from "./pdf.ts";

describe("loading PDF", () => {
  test("reads each page as a section and joins words that a line end had cut", async () => {
    expect(await loadPdf(fixture("ratchet.pdf"))).toEqual([
      {
        heading: "Page 1",
        text: "A ratchet and its pawl\nThe pawl is the catch that lets a ratchet turn\nonly forward. A worn tooth lets the workshop wheel slip back.",
      },
      { heading: "Page 2", text: "Café opening hours (winter)\nMonday to Friday, 9 to 17." },
    ]);
  });

  test("leaves the bytes it was given as they were", async () => {
    const bytes = fixture("ratchet.pdf");
    await loadPdf(bytes);
    expect(bytes).toEqual(fixture("ratchet.pdf"));
  });

  test("tells a broken, a locked and a scanned PDF apart", async () => {
    await expect(loadPdf(fixture("broken.pdf"))).rejects.toThrow(PdfBroken);
    await expect(loadPdf(new Uint8Array())).rejects.toThrow(PdfBroken);
    await expect(loadPdf(fixture("encrypted.pdf"))).rejects.toThrow(PdfEncrypted);
    await expect(loadPdf(fixture("scan.pdf"))).rejects.toThrow(PdfWithoutText);
  });
});
