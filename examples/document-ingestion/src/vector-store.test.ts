import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openEmbeddedDatabase } from "./test-support/embedded-database.ts";
import { VectorStore, type EmbeddedDocument } from "./vector-store.ts";

let database: Awaited<ReturnType<typeof openEmbeddedDatabase>>;
let store: VectorStore;
let folder: string;
let tests = 0;

beforeAll(async () => {
  database = await openEmbeddedDatabase();
  store = await VectorStore.open(database.url);
});
afterAll(async () => {
  await store.close();
  await database.close();
});
beforeEach(() => {
  folder = `/folder-${++tests}`;
});

const texts = (words: readonly string[]) => words.map((text, index) => ({ id: `c${index}`, heading: "Heading", text }));

function document(over: Partial<EmbeddedDocument> = {}): EmbeddedDocument {
  const chunks = over.chunks ?? texts(["apples", "pears"]);
  return {
    folder,
    path: "a.md",
    format: "markdown",
    hash: "h1",
    bytes: 10,
    embedderId: folder,
    chunks,
    vectors: chunks.map((_chunk, index) => (index === 0 ? [1, 0] : [0, 1])),
    ...over,
  };
}

const search = (question: string, vector: readonly number[], over: { limit?: number; chanceSimilarity?: number } = {}) =>
  store.search({ question, vector, embedderId: folder, limit: 10, chanceSimilarity: 0, ...over });
const contents = async () => (await store.contents()).find(({ embedderId }) => embedderId === folder);

describe("the vector store", () => {
  test("can be opened many times at once, and again", async () => {
    const stores = await Promise.all([1, 2, 3, 4].map(() => VectorStore.open(database.url)));
    await Promise.all(stores.map((opened) => opened.close()));
    expect(await store.knownDocuments(folder)).toEqual([]);
  });

  test("finds what is nearest by vector", async () => {
    await store.saveDocument(document());
    const hits = await search("unrelated", [0.6, 0.8]);
    expect(hits.map(({ text }) => text)).toEqual(["pears", "apples"]);
    expect(hits[0]).toMatchObject({ folder, path: "a.md", heading: "Heading" });
    expect(hits[0]?.similarity).toBeCloseTo(0.8);
  });

  test("finds what shares words with the question, whatever its form, also where the vector is far", async () => {
    await store.saveDocument(document());
    const hits = await search("Is there an apple?", [0, 1], { chanceSimilarity: 0.5 });
    expect(hits.map(({ text }) => text).toSorted()).toEqual(["apples", "pears"]);
  });

  test("puts what is first by both at the top, with a score of 1", async () => {
    await store.saveDocument(document());
    const [first] = await search("pears", [0, 1]);
    expect(first).toMatchObject({ text: "pears", score: 1 });
  });

  test("weighs a rare word of the question more than a common one", async () => {
    await store.saveDocument(document({ chunks: texts(["worker queue queue", "worker", "worker", "worker", "lease"]) }));
    const [first] = await search("worker lease", [0, 0]);
    expect(first?.text).toBe("lease");
  });

  test("finds nothing where neither words nor vector have anything in common", async () => {
    await store.saveDocument(document());
    expect(await search("zebra", [0.1, 0.1], { chanceSimilarity: 0.2 })).toEqual([]);
    expect(await search("?!", [0, 0])).toEqual([]);
  });

  test("takes questions with the operators of full text search as plain words", async () => {
    await store.saveDocument(document());
    expect((await search("apples & | !pears:* <-> 'x\\", [0, 0])).length).toBe(2);
  });

  test("keeps the limit", async () => {
    await store.saveDocument(document({ chunks: texts(["word one", "word two", "word three"]) }));
    expect(await search("word", [1, 0], { limit: 2 })).toHaveLength(2);
  });

  test("searches only what the same embedder made, so vectors of other lengths do no harm", async () => {
    await store.saveDocument(document());
    await store.saveDocument(
      document({
        path: "b.md",
        embedderId: `${folder}-other`,
        vectors: [
          [1, 0, 0],
          [0, 1, 0],
        ],
      }),
    );
    expect((await search("apples", [1, 0])).map(({ path }) => path)).toEqual(["a.md"]);
  });

  test("replaces a document as a whole, and changes nothing when the same save comes again", async () => {
    await store.saveDocument(document());
    const changed = document({ hash: "h2", chunks: texts(["plums"]) });
    await store.saveDocument(changed);
    await store.saveDocument(changed);
    expect(await contents()).toEqual({ embedderId: folder, documents: 1, chunks: 1 });
    expect(await store.knownDocuments(folder)).toEqual([{ path: "a.md", hash: "h2", embedderId: folder }]);
  });

  test("takes saves of one document at the same time one after the other", async () => {
    await Promise.all(Array.from({ length: 8 }, (_unused, index) => store.saveDocument(document({ hash: `h${index}` }))));
    expect(await contents()).toEqual({ embedderId: folder, documents: 1, chunks: 2 });
  });

  test("keeps the old chunks when a save fails halfway", async () => {
    await store.saveDocument(document());
    const broken = document({ hash: "h2", chunks: texts(["new", "\u0000"]) });
    await expect(store.saveDocument(broken)).rejects.toThrow("invalid byte sequence");
    expect(await store.knownDocuments(folder)).toEqual([{ path: "a.md", hash: "h1", embedderId: folder }]);
    expect(await contents()).toMatchObject({ chunks: 2 });
  });

  test("refuses chunks without their vectors", async () => {
    await expect(store.saveDocument(document({ vectors: [[1, 0]] }))).rejects.toThrow("2 chunks came with 1 vectors.");
  });

  test("keeps a document without text, so that it is not ingested again", async () => {
    await store.saveDocument(document({ chunks: [], vectors: [] }));
    expect(await contents()).toEqual({ embedderId: folder, documents: 1, chunks: 0 });
  });

  test("removes documents with their chunks, in one folder only", async () => {
    await store.saveDocument(document());
    await store.saveDocument(document({ path: "b.md" }));
    await store.saveDocument(document({ folder: `${folder}-other` }));
    expect(await store.removeDocuments(folder, ["a.md", "unknown.md"])).toBe(1);
    expect((await store.knownDocuments(folder)).map(({ path }) => path)).toEqual(["b.md"]);
    expect((await store.knownDocuments(`${folder}-other`)).map(({ path }) => path)).toEqual(["a.md"]);
  });
});
