import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { ExecutionNotFound, OptionInvalid } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { Runtime } from "../base/runtime.ts";
import { decodeValue } from "../base/values.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { Store } from "../store/store.ts";
import type { StoredChunk, StreamPage } from "../store/streams.ts";
import { waitForNews } from "./news.ts";

export interface StreamOptions {
  /** The first offset to read (0: from the beginning). */
  readonly from?: number;
  /** Wait for more until the stream is closed or its execution has ended (true); false: only what is there. */
  readonly follow?: boolean;
  /** Stops waiting; the iteration then ends without an error. */
  readonly signal?: AbortSignal;
}

/** One chunk of a stream. */
export interface StreamChunk {
  /** Its place in the stream, from 0 without gaps: go on reading later from the one after it. */
  readonly offset: number;
  readonly value: unknown;
  readonly at: Date;
  /** The run that wrote it. */
  readonly runId: string;
  /**
   * The step that wrote it; undefined: workflow code did. When the same position comes with a higher attempt, the attempt before
   * has failed or died, and what it wrote is superseded.
   */
  readonly step: { readonly position: number; readonly attempt: number } | undefined;
}

const streamKeys = { from: true, follow: true, signal: true } satisfies KnownKeys<StreamOptions>;
const pageSize = 500;

/** What a reader needs of the Pawl it came from. */
export interface StreamSource {
  readonly store: Store;
  readonly namespace: string;
  readonly runtime: Runtime;
  /** @throws Closed */
  checkOpen(): void;
}

/** @throws OptionInvalid */
export function checkStreamOptions(options: StreamOptions): void {
  checkKeys(options, streamKeys, "stream");
  const { from = 0, signal } = options;
  if (!Number.isInteger(from) || from < 0 || from >= 2 ** 31)
    throw new OptionInvalid("from", `must be a whole number from 0, not ${typeof from === "number" ? from : kindOf(from)}`);
  // By what is asked of it: it may be of another library or realm.
  if (signal !== undefined && typeof (signal as { readonly addEventListener?: unknown } | null)?.addEventListener !== "function")
    throw new OptionInvalid("signal", `must be an AbortSignal, such as the signal of an AbortController, not ${kindOf(signal)}`);
}

/** Reads page by page, and waits for more. The end: a mark with nothing behind it, or an ended execution with nothing more. */
export async function* readStream(source: StreamSource, executionId: string, stream: string, options: StreamOptions): AsyncGenerator<StreamChunk, void, void> {
  const { store, namespace, runtime } = source;
  const { follow = true, signal } = options;
  let from = options.from ?? 0;
  let runId: string | undefined;
  /** Whether the last chunk that was read is a mark of the end. */
  let isClosed = false;
  /** Undefined: nothing new, and more may come. */
  const read = async (): Promise<StreamPage | undefined> => {
    source.checkOpen();
    const page = await store.streams.read({ namespace, executionId, stream, from, limit: pageSize });
    if (page === undefined) throw new ExecutionNotFound(executionId);
    ({ runId } = page);
    return page.chunks.length > 0 || isClosed || !follow || isTerminal(page.state) || signal?.aborted === true ? page : undefined;
  };
  for (;;) {
    const page = await waitForNews(store, runtime, read, undefined, { runId: () => runId, signal });
    if (page === undefined) return;
    for (const chunk of page.chunks) {
      if (signal?.aborted === true) return;
      if (chunk.data !== null) yield chunkOf(chunk, chunk.data);
    }
    const last = page.chunks.at(-1);
    if (last === undefined) return;
    from = last.offset + 1;
    isClosed = last.data === null;
    // Written to again after its mark by a resumed run, it has chunks behind it, which may be on the next page.
    if (page.chunks.length < pageSize && (isClosed || !follow)) return;
  }
}

function chunkOf({ offset, at, runId, step }: StoredChunk, data: string): StreamChunk {
  return { offset, value: decodeValue(data), at: new Date(at), runId, step };
}
