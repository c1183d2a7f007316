import { describe, expect, test } from "vitest";
import { allFailed, formatResult } from "./format-result.ts";
import type { IngestFolderResult } from "./ingest-folder.workflow.ts";

const result = (over: Partial<IngestFolderResult> = {}): IngestFolderResult => ({
  folder: "/docs",
  embedderId: "local-lexical-512",
  ingested: 0,
  chunks: 0,
  unchanged: 0,
  removed: 0,
  failures: [],
  ...over,
});
const failure = { path: "bad.pdf", reason: "The PDF cannot be read." };

describe("the result of an ingestion", () => {
  test("says what was done and what failed, and why", () => {
    expect(formatResult(result({ ingested: 1, chunks: 7, unchanged: 2, removed: 3, failures: [failure] }))).toBe(
      "1 file ingested (7 chunks), 2 unchanged, 3 removed, 1 failed.\nEmbedded by local-lexical-512.\n  bad.pdf: The PDF cannot be read.",
    );
  });

  test("says so when the folder holds no documents", () => {
    expect(formatResult(result())).toContain("There is nothing to ingest in /docs. Supported: .md,");
  });

  test("is a failure only when nothing worked", () => {
    expect(allFailed(result({ failures: [failure] }))).toBe(true);
    expect(allFailed(result({ failures: [failure], unchanged: 1 }))).toBe(false);
    expect(allFailed(result({ failures: [failure], ingested: 1 }))).toBe(false);
    expect(allFailed(result())).toBe(false);
  });
});
