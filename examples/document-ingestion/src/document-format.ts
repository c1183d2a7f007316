import { extname } from "node:path";

export type DocumentFormat = "markdown" | "html" | "text" | "pdf";

const formatOfExtension: ReadonlyMap<string, DocumentFormat> = new Map([
  [".md", "markdown"],
  [".markdown", "markdown"],
  [".html", "html"],
  [".htm", "html"],
  [".txt", "text"],
  [".text", "text"],
  [".pdf", "pdf"],
]);

/** Every extension that is ingested, for messages. */
export const supportedExtensions: readonly string[] = [...formatOfExtension.keys()];

/** The format of a file by its extension, or undefined where it is not one this example reads. */
export function formatOf(path: string): DocumentFormat | undefined {
  return formatOfExtension.get(extname(path).toLowerCase());
}
