import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbedded } from "pawl/internal";

/** An empty PostgreSQL of a test file's own, gone after it. */
export async function openEmbeddedDatabase() {
  const directory = await mkdtemp(join(tmpdir(), "ingestion-"));
  const embedded = await openEmbedded({ directory });
  return {
    url: embedded.url,
    async close() {
      await embedded.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
