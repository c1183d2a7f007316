import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DocumentError, FileTooBig, FileVanished, FormatUnsupported, TextTooLong } from "./document-errors.ts";
import { fixture, fixtureFolder } from "./test-support/fixture.ts";
import { contentHash, loadDocument, MAX_FILE_BYTES, MAX_TEXT_BYTES } from "./load.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "load-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("loading a document", () => {
  test.each([
    ["guide.md", "markdown", "Install"],
    ["guide.html", "html", "Parts"],
    ["utf8.txt", "text", "Klinke"],
    ["ratchet.pdf", "pdf", "ratchet"],
  ])("reads %s as %s", async (path, format, word) => {
    const document = await loadDocument(fixtureFolder, path);
    expect(document).toMatchObject({ format, bytes: fixture(path).length, hash: contentHash(fixture(path)) });
    expect(JSON.stringify(document.sections)).toContain(word);
  });

  test("refuses a file over the limit without reading it", async () => {
    await writeFile(join(folder, "huge.md"), "");
    await truncate(join(folder, "huge.md"), MAX_FILE_BYTES + 1);
    await expect(loadDocument(folder, "huge.md")).rejects.toThrow(FileTooBig);
  });

  test("refuses more text than a step result may hold", async () => {
    await writeFile(join(folder, "long.txt"), "word ".repeat(MAX_TEXT_BYTES / 5 + 2));
    await expect(loadDocument(folder, "long.txt")).rejects.toThrow(TextTooLong);
  });

  test("says so when a file vanished or has a format it does not read", async () => {
    await expect(loadDocument(folder, "gone.md")).rejects.toThrow(FileVanished);
    await expect(loadDocument(folder, "photo.png")).rejects.toThrow(FormatUnsupported);
  });

  test("leaves errors alone that another attempt may not meet", async () => {
    await expect(loadDocument(join(folder, "huge.md"), "below-a-file.md")).rejects.not.toThrow(DocumentError);
  });
});
