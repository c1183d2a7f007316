import type { Runtime, Timer } from "../base/runtime.ts";
import type { Hint, Store } from "../store/store.ts";

const shortestPollMs = 20;
const longestPollMs = 500;
/** Most waits end with the first hint or two. A run that has news all the time is read at this rate. */
const promptReads = 5;
const hintedPollMs = 50;

export interface NewsOptions {
  /** The run that was read last: hints about others are none. Undefined: not known yet. */
  readonly runId: () => string | undefined;
  /** Read once more and give up. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads until there is something to read: at growing intervals, and besides after hints about the run, the first few at once.
 *
 * @param read gives undefined as long as there is nothing
 * @param timeoutMs undefined waits for ever
 * @returns undefined when the time has run out
 */
export async function waitForNews<Found>(
  store: Pick<Store, "onHint">,
  runtime: Pick<Runtime, "monotonicMs" | "startTimer">,
  read: () => Promise<Found | undefined>,
  timeoutMs: number | undefined,
  { runId, signal }: NewsOptions,
): Promise<Found | undefined> {
  const giveUpAt = timeoutMs === undefined ? Number.POSITIVE_INFINITY : runtime.monotonicMs() + timeoutMs;
  let wake = (): void => {};
  let heard = false;
  const hear = (): void => {
    heard = true;
    wake();
  };
  const removeListener = store.onHint((hint) => {
    if (isAbout(hint, runId())) hear();
  });
  signal?.addEventListener("abort", hear);
  /** Until the time has come; sooner if something is heard, or has been, unless that is of no interest now. */
  const rest = async (ms: number, listens: boolean): Promise<void> =>
    new Promise<void>((resolve) => {
      const timer: Timer = runtime.startTimer(ms, resolve);
      wake = () => {
        if (!listens && signal?.aborted !== true) return;
        timer.clear();
        resolve();
      };
      if (heard) wake();
    });
  let prompt = promptReads;
  try {
    for (let pollMs = shortestPollMs; ; pollMs = Math.min(pollMs * 1.5, longestPollMs)) {
      heard = false;
      const readAt = runtime.monotonicMs();
      const found = await read();
      if (found !== undefined) return found;
      const leftMs = giveUpAt - runtime.monotonicMs();
      if (leftMs <= 0 || signal?.aborted === true) return undefined;
      await rest(Math.min(pollMs, leftMs), true);
      if (!heard) continue;
      const earlyMs = Math.min(readAt + hintedPollMs, giveUpAt) - runtime.monotonicMs();
      if (earlyMs <= 0) continue;
      if (prompt > 0) prompt--;
      else await rest(earlyMs, false);
    }
  } finally {
    removeListener();
    signal?.removeEventListener("abort", hear);
  }
}

function isAbout(hint: Hint, runId: string | undefined): boolean {
  return (hint.kind === "news" || hint.kind === "ended") && (runId === undefined || hint.runIds.includes(runId));
}
