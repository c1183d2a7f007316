import { SectionBuilder, type Section } from "../section.ts";
import { decodeText } from "./decode-text.ts";

/** Plain text has no headings: one section, with the paragraphs as they are. */
export function loadText(bytes: Uint8Array): Section[] {
  const builder = new SectionBuilder();
  builder.paragraph(decodeText(bytes));
  return builder.finish();
}
