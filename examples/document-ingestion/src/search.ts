import type { Embedder } from "./embedder.ts";
import type { Hit, VectorStore } from "./vector-store.ts";

/** Nothing can be found, for a reason that another question would not change. */
export class NothingToSearch extends Error {
  readonly code = "NOTHING_TO_SEARCH";
  constructor(message: string) {
    super(message);
    this.name = "NothingToSearch";
  }
}

export interface SearchServices {
  readonly store: VectorStore;
  readonly embedder: Embedder;
}

/** The chunks that answer a question best, best first. Empty where no chunk has anything to do with it. */
export async function searchDocuments({ store, embedder }: SearchServices, question: string, limit: number): Promise<Hit[]> {
  const contents = await store.contents();
  const searchable = contents.find(({ embedderId }) => embedderId === embedder.id);
  if (searchable === undefined)
    throw new NothingToSearch(
      whyNothing(
        contents.map(({ embedderId }) => embedderId),
        embedder.id,
      ),
    );
  if (searchable.chunks === 0) throw new NothingToSearch("The ingested documents hold no text. Ingest a folder with some: ingest <folder>");
  const [vector = []] = await embedder.embed([question]);
  return store.search({ question, vector, embedderId: embedder.id, chanceSimilarity: embedder.chanceSimilarity, limit });
}

function whyNothing(embedderIds: readonly string[], wanted: string): string {
  if (embedderIds.length === 0) return "Nothing has been ingested yet. Start with: ingest <folder>";
  return (
    `Everything here was embedded by ${embedderIds.join(", ")}, and vectors of ${wanted} cannot be compared with those. ` +
    `Ingest the folder again with the present settings, or set EMBEDDING_BASE_URL and EMBEDDING_MODEL as they were then.`
  );
}
