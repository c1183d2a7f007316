import type { Runtime, Timer } from "../base/runtime.ts";
import type { Hint, Store } from "../store/store.ts";

const shortestPollMs = 20;
const longestPollMs = 500;

export interface NewsOptions {
  /** Whether a hint may be about what is read (any news or end). */
  readonly concerns?: (hint: Hint) => boolean;
  /** Read once more and give up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads until there is something to read: after every hint that may be about it, and besides at growing intervals.
 *
 * @param read gives undefined as long as there is nothing
 * @param timeoutMs undefined waits for ever
 * @returns undefined when the time has run out
 */
export async function waitForNews<Found>(
  store: Pick<Store, "onHint">,
  runtime: Runtime,
  read: () => Promise<Found | undefined>,
  timeoutMs: number | undefined,
  { concerns = isNews, signal }: NewsOptions = {},
): Promise<Found | undefined> {
  const giveUpAt = timeoutMs === undefined ? Number.POSITIVE_INFINITY : runtime.monotonicMs() + timeoutMs;
  let wake = (): void => {};
  let heard = false;
  const hear = (): void => {
    heard = true;
    wake();
  };
  const removeListener = store.onHint((hint) => {
    if (concerns(hint)) hear();
  });
  signal?.addEventListener("abort", hear);
  try {
    for (let pollMs = shortestPollMs; ; pollMs = Math.min(pollMs * 1.5, longestPollMs)) {
      heard = false;
      const found = await read();
      if (found !== undefined) return found;
      const leftMs = giveUpAt - runtime.monotonicMs();
      if (leftMs <= 0 || signal?.aborted === true) return undefined;
      if (heard) continue;
      await new Promise<void>((resolve) => {
        const timer: Timer = runtime.startTimer(Math.min(pollMs, leftMs), resolve);
        wake = () => {
          timer.clear();
          resolve();
        };
      });
    }
  } finally {
    removeListener();
    signal?.removeEventListener("abort", hear);
  }
}

function isNews(hint: Hint): boolean {
  return hint.kind === "news" || hint.kind === "ended";
}
