import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { APICallError } from "ai";
import { Pawl } from "pawl";
import { silentLogger } from "pawl/internal";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EmbeddingRejected } from "./endpoint-embedder.ts";
import type { Embedder } from "./embedder.ts";
import { localLexicalEmbedder } from "./local-lexical-embedder.ts";
import type { ProgressState } from "./progress.ts";
import { runIngestion } from "./run-ingestion.ts";
import { openEmbeddedDatabase } from "./test-support/embedded-database.ts";
import { fixtureFolder } from "./test-support/fixture.ts";
import { VectorStore } from "./vector-store.ts";

let database: Awaited<ReturnType<typeof openEmbeddedDatabase>>;
let store: VectorStore;
let folder: string;
let opened: Pawl[];
let started: { executionId: string; resumed: boolean }[];
let progress: ProgressState[];

beforeAll(async () => {
  database = await openEmbeddedDatabase();
  store = await VectorStore.open(database.url);
});
afterAll(async () => {
  await store.close();
  await database.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "folder-"));
  opened = [];
  started = [];
  progress = [];
});
afterEach(async () => {
  await Promise.all(opened.map((pawl) => pawl.close({ drain: 0 })));
  await rm(folder, { recursive: true });
});

async function openPawl(): Promise<Pawl> {
  const pawl = await Pawl.open({ url: database.url, logger: silentLogger });
  opened.push(pawl);
  return pawl;
}

/** As a new process would do it. */
async function ingest(embedder: Embedder = localLexicalEmbedder, pawl?: Pawl, concurrency = 4) {
  const own = pawl ?? (await openPawl());
  const result = await runIngestion({
    pawl: own,
    services: { store, embedder },
    folder,
    concurrency,
    onStart: (start) => started.push(start),
    onProgress: (state) => progress.push(state),
  });
  await own.close();
  return result;
}

const put = (name: string, text = `# ${name}\n\nText of ${name}.`): Promise<void> => writeFile(join(folder, name), text);
const putMany = (count: number): Promise<unknown> => Promise.all(Array.from({ length: count }, (_unused, index) => put(`file-${index}.md`)));

/** Embeds as the local one does, and tells or decides what happens before. */
const embedderWith = (before: (texts: readonly string[]) => Promise<void> | void): Embedder => ({
  ...localLexicalEmbedder,
  async embed(texts) {
    await before(texts);
    return localLexicalEmbedder.embed(texts);
  },
});

/** An ingestion whose embedder hangs at some point, and whose process then goes away. */
async function ingestUntilStuck(embed: (texts: readonly string[]) => "done" | "stuck"): Promise<void> {
  const pawl = await openPawl();
  await new Promise<void>((stuck) => {
    const embedder = embedderWith(async (texts) => {
      if (embed(texts) === "done") return;
      stuck();
      await new Promise(() => undefined);
    });
    ingest(embedder, pawl).catch(() => undefined);
  });
  await pawl.close({ drain: 0 });
}

describe("ingesting a folder", () => {
  test("saves every good file, lists every bad one, and ends with the bar full", async () => {
    for (const name of ["guide.md", "guide.html", "ratchet.pdf", "utf8.txt", "empty.md", "broken.pdf", "binary.txt"]) {
      await copyFile(join(fixtureFolder, name), join(folder, name));
    }
    const result = await ingest();
    expect(result).toMatchObject({ folder, embedderId: "local-lexical-512", ingested: 5, unchanged: 0, removed: 0 });
    expect(result.failures).toEqual([
      { path: "binary.txt", reason: expect.stringContaining("binary data") },
      { path: "broken.pdf", reason: expect.stringContaining("Invalid PDF") },
    ]);
    expect(progress.at(-1)).toEqual({ done: 7, total: 7, failed: 2 });
    expect((await store.knownDocuments(folder)).map(({ path }) => path)).toEqual(["empty.md", "guide.html", "guide.md", "ratchet.pdf", "utf8.txt"]);
  });

  test("counts the chunks of all files", async () => {
    await putMany(12);
    expect(await ingest()).toMatchObject({ ingested: 12, chunks: 12, failures: [] });
  });

  test("ingests only what changed when it runs again, and forgets what is gone", async () => {
    await putMany(3);
    await ingest();
    await put("file-0.md", "changed");
    await put("new.md");
    await rm(join(folder, "file-2.md"));
    const embedded: string[] = [];
    expect(await ingest(embedderWith((texts) => void embedded.push(...texts)))).toMatchObject({ ingested: 2, unchanged: 1, removed: 1 });
    expect(embedded.toSorted()).toEqual(["changed", "new.md\nText of new.md."]);
    expect((await store.knownDocuments(folder)).map(({ path }) => path)).toEqual(["file-0.md", "file-1.md", "new.md"]);
  });

  test("embeds everything again when the embedder changed", async () => {
    await putMany(2);
    await ingest();
    const other = { ...localLexicalEmbedder, id: "other-model" };
    expect(await ingest(other)).toMatchObject({ embedderId: "other-model", ingested: 2, unchanged: 0 });
  });

  test("works on no more files at the same time than the worker has slots", async () => {
    await putMany(8);
    let now = 0;
    let most = 0;
    const embedder = embedderWith(async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 30));
      now--;
    });
    await ingest(embedder, undefined, 2);
    expect(most).toBe(2);
  });

  test("tries again when the endpoint fails for a moment", async () => {
    await put("a.md");
    let calls = 0;
    const embedder = embedderWith(() => {
      if (++calls === 1) throw new Error("503 overloaded");
    });
    expect(await ingest(embedder)).toMatchObject({ ingested: 1, failures: [] });
    expect(calls).toBe(2);
  });

  test("does not try again when the endpoint refuses", async () => {
    await put("a.md");
    const refusal = new APICallError({ message: "wrong key", url: "http://test", requestBodyValues: {}, statusCode: 401 });
    let calls = 0;
    const embedder = embedderWith(() => {
      calls++;
      throw new EmbeddingRejected({ baseUrl: "http://test", model: "m" }, refusal);
    });
    expect((await ingest(embedder)).failures).toEqual([{ path: "a.md", reason: expect.stringContaining("(401): wrong key") }]);
    expect(calls).toBe(1);
  });

  test("goes on where it stopped when its process went away, without embedding anything twice", async () => {
    await put("long.md", Array.from({ length: 200 }, (_unused, index) => `# Part ${index}\n\nText of part ${index}.`).join("\n\n"));
    const embedded: string[] = [];
    await ingestUntilStuck((texts) => {
      if (embedded.length >= 128) return "stuck";
      embedded.push(...texts);
      return "done";
    });
    expect(await ingest(embedderWith((texts) => void embedded.push(...texts)))).toMatchObject({ ingested: 1, chunks: 200 });
    expect(started.map(({ resumed }) => resumed)).toEqual([false, true]);
    expect(started[1]?.executionId).toBe(started[0]?.executionId);
    expect(new Set(embedded).size).toBe(200);
    expect(embedded).toHaveLength(200);
  });

  test("fails files rather than mixing embedders when a run goes on with other settings", async () => {
    await put("a.md");
    await ingestUntilStuck(() => "stuck");
    const result = await ingest({ ...localLexicalEmbedder, id: "other-model" });
    expect(result.failures).toEqual([{ path: "a.md", reason: expect.stringContaining('planned with the embedder "local-lexical-512"') }]);
  });
});
