import type { Store } from "../../store/store.ts";
import type { WholeChunk } from "../../store/streams.ts";
import type { DocumentSize } from "./document-size.ts";
import type { ChunkDocument, RunDocument } from "./execution-document.ts";
import { placeOf } from "./read-streams.ts";

const page = 1000;

/**
 * The streams of an execution as its runs have written them. It may have gone on since these were read: a stream ends before the
 * first chunk that they say nothing of. What is older than the first of them was written by runs that retention has deleted.
 */
export async function exportStreams(
  store: Store,
  namespace: string,
  executionId: string,
  runs: readonly RunDocument[],
  size: DocumentSize,
): Promise<Readonly<Record<string, readonly ChunkDocument[]>> | undefined> {
  const known = new Set(runs.map(({ runId }) => runId));
  const recorded = recordedIn(runs);
  const beganAt = runs[0]!.events[0]!.at;
  const streams: Record<string, ChunkDocument[]> = Object.create(null) as Record<string, ChunkDocument[]>;
  const cut = new Set<string>();
  let after: { readonly stream: string; readonly offset: number } | undefined;
  for (;;) {
    const chunks = await store.streams.readAll(namespace, executionId, after, page);
    for (const chunk of chunks) {
      const isKnown = known.has(chunk.runId) ? chunk.step !== undefined || recorded.has(placeOf(chunk.runId, chunk.stream, chunk.offset)) : chunk.at <= beganAt;
      if (!isKnown) cut.add(chunk.stream);
      if (cut.has(chunk.stream)) continue;
      size.addChunk(chunk.data?.length ?? 0);
      (streams[chunk.stream] ??= []).push(chunkDocument(chunk));
    }
    const last = chunks.at(-1);
    if (last === undefined || chunks.length < page) break;
    after = { stream: last.stream, offset: last.offset };
  }
  return Object.keys(streams).length === 0 ? undefined : { ...streams };
}

/** What workflow code wrote, as the histories say: run, offset and stream. */
function recordedIn(runs: readonly RunDocument[]): ReadonlySet<string> {
  return new Set(
    runs.flatMap(({ runId, events }) =>
      events.flatMap(({ type, data }) => (type === "StreamWritten" ? [placeOf(runId, data["stream"] as string, data["offset"] as number)] : [])),
    ),
  );
}

function chunkDocument({ runId, epoch, at, step, data }: WholeChunk): ChunkDocument {
  const written = { runId, epoch, at, ...(step === undefined ? {} : { step }) };
  if (data === null) return { ...written, closed: true };
  return data.startsWith("#") ? { ...written, "value#": data } : { ...written, value: JSON.parse(data) as unknown };
}
