import type { Invariant } from "../invariant.ts";
import { about, type RunView } from "../rows.ts";

/**
 * I20. Who is cancelled was asked to: a run ends as cancelled only after a cancel request in its history, or directly when it
 * had not begun or was held, and what its code then does about it is recorded like anything else.
 *
 * Not judged: whether work begun after the request was shielded (`ctx.shield`), which the history does not say, and what was
 * on its way into the history when the request came. That an acknowledged request left its trace is I9's.
 */
export const cancellation: Invariant = {
  id: "I20",
  title: "Cancelled only on request",
  check: (tally) => ({
    run(view) {
      const problem = problemOf(view, () => tally.looked());
      if (problem !== undefined) tally.violated({ ...about(view), detail: problem });
    },
  }),
};

/** Nobody has gone on with it since: it is cancelled without its code. */
const notBegun: ReadonlySet<string> = new Set(["ExecutionStarted", "StartMerged", "ExecutionResumed", "ExecutionForked", "ExecutionQuarantined"]);

function problemOf({ events }: RunView, looked: () => void): string | undefined {
  const requested = events.findIndex(({ type }) => type === "CancelRequested");
  const cancelled = events.findIndex(({ type }) => type === "ExecutionCancelled");
  if (requested >= 0 || cancelled >= 0) looked();
  if (cancelled < 0 || (requested >= 0 && requested < cancelled)) return undefined;
  const before = events.slice(0, cancelled).findLast(({ type }) => type !== "ExecutionPaused" && type !== "ExecutionUnpaused")?.type;
  if (before !== undefined && notBegun.has(before)) return undefined;
  return `event ${events[cancelled]!.seq}: it was cancelled after ${before ?? "nothing"}, without a request`;
}
