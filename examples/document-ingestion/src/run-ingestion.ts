import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ExecutionHandle, Pawl } from "pawl";
import { defineIngestFile, FILE_QUEUE, type IngestServices } from "./ingest-file.workflow.ts";
import { defineIngestFolder, FOLDER_QUEUE, type IngestFolder, type IngestFolderResult } from "./ingest-folder.workflow.ts";
import { ingestionProgress } from "./ingestion-progress.ts";
import type { ProgressState } from "./progress.ts";

export interface Ingestion {
  readonly pawl: Pawl;
  readonly services: IngestServices;
  /** As `folderPath` gives it. */
  readonly folder: string;
  /** Files worked on at the same time in this process. */
  readonly concurrency: number;
  readonly onStart: (start: { readonly executionId: string; readonly resumed: boolean }) => void;
  readonly onProgress: (state: ProgressState) => void;
}

/** Runs the workers here, starts an ingestion of the folder (or goes on with an unfinished one) and waits for its result. */
export async function runIngestion(ingestion: Ingestion): Promise<IngestFolderResult> {
  const { pawl, services, folder, concurrency } = ingestion;
  const ingestFile = defineIngestFile(services);
  const ingestFolder = defineIngestFolder(services, ingestFile);
  // Before the workers are there, because their first act may be to finish what a crashed process left.
  const unfinished = await findUnfinished(pawl, ingestFolder, folder);
  await pawl.worker({ workflows: [ingestFolder], taskQueues: [FOLDER_QUEUE] });
  await pawl.worker({ workflows: [ingestFile], taskQueues: [FILE_QUEUE], concurrency });
  const handle = unfinished ?? (await pawl.start(ingestFolder, { folder }, { executionId: `${idPrefix(folder)}${Date.now()}` }));
  ingestion.onStart({ executionId: handle.executionId, resumed: unfinished !== undefined });
  return resultWithProgress(handle, ingestion);
}

/** A run that a crash or Ctrl+C cut short is continued rather than repeated. */
async function findUnfinished(pawl: Pawl, ingestFolder: IngestFolder, folder: string) {
  const { executions } = await pawl.list({ workflow: ingestFolder.name, state: ["pending", "running"], limit: 1000 });
  const found = executions.find(({ executionId }) => executionId.startsWith(idPrefix(folder)));
  return found === undefined ? undefined : pawl.handle(found.executionId, ingestFolder);
}

/** The same for every run of a folder. A path itself has characters that an id may not have. */
function idPrefix(folder: string): string {
  return `ingest-folder:${createHash("sha256").update(folder).digest("hex").slice(0, 12)}:`;
}

async function resultWithProgress<Result>(handle: ExecutionHandle<Result>, { onProgress }: Ingestion): Promise<Result> {
  const ended = new AbortController();
  const watching = watchProgress(handle, onProgress, ended.signal);
  try {
    return await handle.result();
  } finally {
    ended.abort();
    await watching;
  }
}

const SHORTEST_PAUSE_MS = 200;

async function watchProgress(handle: ExecutionHandle, onProgress: Ingestion["onProgress"], ended: AbortSignal): Promise<void> {
  let last = false;
  while (!last) {
    // Looks once more after the end, so that the bar ends full.
    last = ended.aborted;
    const asked = performance.now();
    // A bar that cannot be drawn for a moment must not end the ingestion; whatever is wrong, `result()` reports it.
    const state = await handle.history().then(ingestionProgress, () => undefined);
    if (state !== undefined) onProgress(state);
    // A long history takes time to read; spend a tenth of the time on it at most.
    const pause = Math.max(SHORTEST_PAUSE_MS, 10 * (performance.now() - asked));
    if (!last) await delay(pause, undefined, { signal: ended }).catch(() => undefined);
  }
}
