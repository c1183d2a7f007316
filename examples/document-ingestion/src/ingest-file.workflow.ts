import { defineWorkflow } from "pawl";
import { z } from "zod";
import { chunkSections, embeddingInput, type Chunk } from "./chunk.ts";
import { permanentDocumentErrors } from "./document-errors.ts";
import type { Embedder } from "./embedder.ts";
import { EmbedderChanged } from "./embedder-changed.ts";
import { loadDocument } from "./load.ts";
import { packVectors, unpackVectors, type PackedVectors } from "./packed-vectors.ts";
import type { VectorStore } from "./vector-store.ts";

/** What the steps work with. Workflow code itself touches neither: only steps may reach files, network and database. */
export interface IngestServices {
  readonly store: VectorStore;
  readonly embedder: Embedder;
}

export interface IngestedFile {
  readonly path: string;
  readonly chunks: number;
}

/** The queue of single files. Its workers' concurrency is how many files are worked on at the same time. */
export const FILE_QUEUE = "document-files";

/** Chunks that one embed step sends. After a crash or an error, at most so many are paid for twice. */
const BATCH_SIZE = 64;

/** One file: load and chunk → embed, a step per batch → save. Each step's result is recorded, so none of it is done twice. */
export function defineIngestFile({ store, embedder }: IngestServices) {
  return defineWorkflow({
    name: "ingest-file",
    taskQueue: FILE_QUEUE,
    input: z.object({ folder: z.string(), path: z.string(), embedderId: z.string() }),
    async run(ctx, { folder, path, embedderId }): Promise<IngestedFile> {
      const { chunks, ...file } = await ctx.step("load-and-chunk", () => loadAndChunk(folder, path), {
        timeout: "2 minutes",
        // A busy disk is worth another try, a broken PDF is not.
        retry: { maximumAttempts: 5, nonRetryableErrors: permanentDocumentErrors },
      });

      const batches: PackedVectors[] = [];
      for (let start = 0; start < chunks.length; start += BATCH_SIZE) {
        const batch = chunks.slice(start, start + BATCH_SIZE);
        batches.push(
          await ctx.step(
            `embed-${batches.length + 1}`,
            async ({ signal }) => {
              if (embedder.id !== embedderId) throw new EmbedderChanged(embedderId, embedder.id);
              return packVectors(await embedder.embed(batch.map(embeddingInput), signal));
            },
            {
              timeout: "1 minute",
              // Rate limits and restarts of the endpoint pass: 1, 2, 4, ... 60 seconds, about three minutes in all.
              retry: { maximumAttempts: 8, maximumInterval: "1 minute", nonRetryableErrors: ["EMBEDDING_REJECTED", "EMBEDDER_CHANGED"] },
            },
          ),
        );
      }

      // The save is one transaction and the same one again changes nothing, so "at least once" is enough here.
      await ctx.step("save", () => store.saveDocument({ ...file, folder, path, embedderId, chunks, vectors: batches.flatMap(unpackVectors) }), {
        timeout: "2 minutes",
        retry: { maximumAttempts: 8 },
      });
      return { path, chunks: chunks.length };
    },
  });
}

async function loadAndChunk(folder: string, path: string) {
  const { sections, ...file } = await loadDocument(folder, path);
  const chunks: Chunk[] = chunkSections(sections);
  return { ...file, chunks };
}
