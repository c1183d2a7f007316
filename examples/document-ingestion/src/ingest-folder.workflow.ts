import { defineWorkflow, ExecutionCancelled, ExecutionFailed, ExecutionTerminated } from "pawl";
import { z } from "zod";
import { discoverFiles } from "./discover.ts";
import type { defineIngestFile, IngestedFile, IngestServices } from "./ingest-file.workflow.ts";
import { planIngestion } from "./plan-ingestion.ts";

/** The queue of whole folders. Apart from the files' queue, so that waiting folders never take a file's slot. */
export const FOLDER_QUEUE = "document-folders";

/** Files handed to the queue ahead of the workers: enough to keep them busy, few enough for a folder of any size. */
const FILES_IN_FLIGHT = 64;

export interface FailedFile {
  readonly path: string;
  readonly reason: string;
}

export interface IngestFolderResult {
  readonly folder: string;
  readonly embedderId: string;
  /** Files that were new or changed and are saved now, and the chunks they gave. */
  readonly ingested: number;
  readonly chunks: number;
  readonly unchanged: number;
  /** Documents whose files are no longer in the folder. */
  readonly removed: number;
  readonly failures: readonly FailedFile[];
}

/** A folder: discover → compare with the database → one child execution per changed file → forget vanished files. */
export function defineIngestFolder({ store, embedder }: IngestServices, ingestFile: ReturnType<typeof defineIngestFile>) {
  return defineWorkflow({
    name: "ingest-folder",
    taskQueue: FOLDER_QUEUE,
    input: z.object({ folder: z.string() }),
    async run(ctx, { folder }): Promise<IngestFolderResult> {
      const { files, unreadable } = await ctx.step("discover", () => discoverFiles(folder), {
        retry: { maximumAttempts: 3, nonRetryableErrors: ["FOLDER_NOT_FOUND"] },
      });
      const { embedderId, ...plan } = await ctx.step("compare", async () => {
        const known = await store.knownDocuments(folder);
        const unreadablePaths = unreadable.map(({ path }) => path);
        return { embedderId: embedder.id, ...planIngestion({ files, unreadable: unreadablePaths, known, embedderId: embedder.id }) };
      });

      const outcomes = await ctx.map(
        plan.toIngest,
        async (path): Promise<IngestedFile | FailedFile> => {
          try {
            return await ctx.child(ingestFile, { folder, path, embedderId });
          } catch (error) {
            // One bad file must not stop the others; but a cancelled folder stops, and so does anything unforeseen.
            if (ctx.cancelRequested || !endedBadly(error)) throw error;
            return { path, reason: reasonOf(error) };
          }
        },
        { concurrency: FILES_IN_FLIGHT },
      );

      const removed = plan.vanished.length === 0 ? 0 : await ctx.step("forget-vanished", () => store.removeDocuments(folder, plan.vanished));
      const ingested = outcomes.filter((outcome) => "chunks" in outcome);
      return {
        folder,
        embedderId,
        ingested: ingested.length,
        chunks: ingested.reduce((sum, file) => sum + file.chunks, 0),
        unchanged: plan.unchanged,
        removed,
        failures: [...unreadable, ...outcomes.filter((outcome) => "reason" in outcome)],
      };
    },
  });
}

export type IngestFolder = ReturnType<typeof defineIngestFolder>;

function endedBadly(error: unknown): error is Error {
  return error instanceof ExecutionFailed || error instanceof ExecutionTerminated || error instanceof ExecutionCancelled;
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
