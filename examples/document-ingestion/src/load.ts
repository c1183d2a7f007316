import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { FileTooBig, FileVanished, FormatUnsupported, TextTooLong } from "./document-errors.ts";
import { formatOf, type DocumentFormat } from "./document-format.ts";
import { loadHtml } from "./load/html.ts";
import { loadMarkdown } from "./load/markdown.ts";
import { loadPdf } from "./load/pdf.ts";
import { loadText } from "./load/text.ts";
import type { Section } from "./section.ts";

export const MAX_FILE_BYTES = 20 * 1024 * 1024;
// The chunks of one file are one step result; with overlap, headings and escapes 4 MB of text stays well below the
// 16 MB that a stored value may have. It is about 1,500 printed pages.
export const MAX_TEXT_BYTES = 4 * 1024 * 1024;

type Loader = (bytes: Uint8Array) => Section[] | Promise<Section[]>;
const loaders: Readonly<Record<DocumentFormat, Loader>> = { markdown: loadMarkdown, html: loadHtml, text: loadText, pdf: loadPdf };

export interface LoadedDocument {
  readonly format: DocumentFormat;
  /** Of the bytes that were read here, which may be newer than those the folder scan saw. */
  readonly hash: string;
  readonly bytes: number;
  readonly sections: readonly Section[];
}

/** Reads one file and gives its text by sections. Throws a `DocumentError` where the file itself is the problem. */
export async function loadDocument(folder: string, path: string): Promise<LoadedDocument> {
  const format = formatOf(path);
  if (format === undefined) throw new FormatUnsupported();
  const bytes = await readBytes(join(folder, path));
  const sections = await loaders[format](bytes);
  const textBytes = sections.reduce((sum, section) => sum + Buffer.byteLength(section.text), 0);
  if (textBytes > MAX_TEXT_BYTES) throw new TextTooLong(textBytes, MAX_TEXT_BYTES);
  return { format, hash: contentHash(bytes), bytes: bytes.length, sections };
}

export function contentHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw new FileTooBig(size, MAX_FILE_BYTES);
    return await readFile(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") throw new FileVanished({ cause: error });
    throw error;
  }
}
