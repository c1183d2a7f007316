import { supportedExtensions } from "./document-format.ts";
import type { IngestFolderResult } from "./ingest-folder.workflow.ts";

/** A finished ingestion in a few lines. */
export function formatResult(result: IngestFolderResult): string {
  const { folder, ingested, chunks, unchanged, removed, failures, embedderId } = result;
  if (ingested + unchanged + removed + failures.length === 0) {
    return `There is nothing to ingest in ${folder}. Supported: ${supportedExtensions.join(", ")}.`;
  }
  const lines = [
    `${files(ingested)} ingested (${chunks} chunks), ${unchanged} unchanged, ${removed} removed, ${failures.length} failed.`,
    `Embedded by ${embedderId}.`,
    ...failures.map(({ path, reason }) => `  ${path}: ${reason}`),
  ];
  return lines.join("\n");
}

/** A run in which nothing worked; some broken files among good ones are a result, not a failure. */
export function allFailed({ ingested, unchanged, failures }: IngestFolderResult): boolean {
  return failures.length > 0 && ingested + unchanged === 0;
}

function files(count: number): string {
  return count === 1 ? "1 file" : `${count} files`;
}
