import { fileURLToPath } from "node:url";
import { Pawl } from "pawl";
import { openEmbedded } from "pawl/internal";
import { VectorStore } from "./vector-store.ts";

/** Beside this package, so that every command finds the same data wherever it is called from. */
const defaultDirectory = fileURLToPath(new URL("../.pawl", import.meta.url));

/** One database for both: Pawl's executions in the schema `pawl`, the documents in `document_ingestion`. */
export interface Database {
  readonly store: VectorStore;
  /** Separate from opening, because searching needs no workflows. */
  readonly openPawl: () => Promise<Pawl>;
  readonly close: () => Promise<void>;
}

export class DatabaseUnusable extends Error {
  readonly code = "DATABASE_UNUSABLE";
  constructor(cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`The database that DATABASE_URL names cannot be used: ${reason}. Correct it, or unset it to use the embedded one.`, { cause });
    this.name = "DatabaseUnusable";
  }
}

/** The database that DATABASE_URL names, or else the embedded PostgreSQL, started or joined. */
export async function openDatabase(directory = defaultDirectory): Promise<Database> {
  const configuredUrl = process.env["DATABASE_URL"] ?? "";
  const embedded = configuredUrl === "" ? await openEmbedded({ directory, onProgress }) : undefined;
  try {
    const store = await VectorStore.open(embedded?.url ?? configuredUrl);
    return {
      store,
      openPawl: () => Pawl.open({ url: embedded === undefined ? configuredUrl : null, directory, onProgress }),
      async close() {
        await store.close();
        await embedded?.close();
      },
    };
  } catch (error) {
    await embedded?.close();
    throw embedded === undefined ? new DatabaseUnusable(error) : error;
  }
}

function onProgress(line: string): void {
  console.error(line);
}
