import { extractText, getDocumentProxy } from "unpdf";
import { PdfBroken, PdfEncrypted, PdfWithoutText } from "../document-errors.ts";
import { SectionBuilder, type Section } from "../section.ts";

/** One section per page, because a PDF has pages and no headings that can be relied on. */
export async function loadPdf(bytes: Uint8Array): Promise<Section[]> {
  const pages = await pageTexts(bytes);
  const builder = new SectionBuilder();
  for (const [index, text] of pages.entries()) {
    builder.heading(1, `Page ${index + 1}`);
    builder.paragraph(joinHyphenated(text));
  }
  const sections = builder.finish();
  if (sections.length === 0) throw new PdfWithoutText(pages.length);
  return sections;
}

async function pageTexts(bytes: Uint8Array): Promise<string[]> {
  try {
    // A copy, because PDF.js takes the buffer for itself and leaves it empty.
    const pdf = await getDocumentProxy(Uint8Array.from(bytes), { verbosity: 0 });
    try {
      return (await extractText(pdf, { mergePages: false })).text;
    } finally {
      await pdf.destroy();
    }
  } catch (cause) {
    if (cause instanceof Error && cause.name === "PasswordException") throw new PdfEncrypted({ cause });
    throw new PdfBroken(cause);
  }
}

/** "work-\nflow" was one word before the page was set. */
function joinHyphenated(text: string): string {
  return text.replace(/(\p{Ll})-\n(?=\p{Ll})/gu, "$1");
}
