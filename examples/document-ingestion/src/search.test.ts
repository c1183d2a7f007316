import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunkSections, embeddingInput } from "./chunk.ts";
import { loadDocument } from "./load.ts";
import { localLexicalEmbedder } from "./local-lexical-embedder.ts";
import { NothingToSearch, searchDocuments } from "./search.ts";
import { openEmbeddedDatabase } from "./test-support/embedded-database.ts";
import { fixtureFolder } from "./test-support/fixture.ts";
import { VectorStore } from "./vector-store.ts";

let database: Awaited<ReturnType<typeof openEmbeddedDatabase>>;
let store: VectorStore;

beforeAll(async () => {
  database = await openEmbeddedDatabase();
  store = await VectorStore.open(database.url);
});
afterAll(async () => {
  await store.close();
  await database.close();
});

async function ingest(path: string): Promise<void> {
  const { sections, ...file } = await loadDocument(fixtureFolder, path);
  const chunks = chunkSections(sections);
  const vectors = await localLexicalEmbedder.embed(chunks.map(embeddingInput));
  await store.saveDocument({ ...file, folder: fixtureFolder, path, embedderId: localLexicalEmbedder.id, chunks, vectors });
}

const ask = (question: string) => searchDocuments({ store, embedder: localLexicalEmbedder }, question, 3);

describe("searching", () => {
  test("says what to do first when nothing has been ingested", async () => {
    await expect(ask("anything")).rejects.toThrow(NothingToSearch);
    await expect(ask("anything")).rejects.toThrow("Start with: ingest <folder>");
  });

  test("says so when the documents hold no text", async () => {
    await ingest("empty.md");
    await expect(ask("anything")).rejects.toThrow("hold no text");
  });

  test("answers questions with the lexical embedder, over all formats", async () => {
    for (const path of ["guide.md", "guide.html", "ratchet.pdf", "utf8.txt"]) await ingest(path);
    expect((await ask("When are the opening hours in winter?"))[0]).toMatchObject({ path: "ratchet.pdf", heading: "Page 2" });
    expect((await ask("How do I install it with npm?"))[0]).toMatchObject({ path: "guide.md", heading: "Ratchet guide › Install" });
    expect((await ask("teeth of the large size"))[0]).toMatchObject({ path: "guide.html" });
    expect((await ask("Zahnrad vorwärts"))[0]).toMatchObject({ path: "utf8.txt" });
    expect(await ask("xylophone zebra")).toEqual([]);
  });

  test("says so when everything was embedded by another embedder", async () => {
    const other = { ...localLexicalEmbedder, id: "some-model" };
    await expect(searchDocuments({ store, embedder: other }, "install", 3)).rejects.toThrow(/embedded by local-lexical-512.*vectors of some-model/);
  });
});
