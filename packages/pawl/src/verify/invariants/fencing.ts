import type { Invariant } from "../invariant.ts";
import { about, type HistoryEntry, type RunView } from "../rows.ts";

/** Written by a statement that takes the execution from its owner, and raises the epoch to do so. */
const raising: ReadonlySet<string> = new Set(["WorkerLost", "ExecutionUnpaused", "ExecutionResumed", "ExecutionForked", "ExecutionTerminated"]);

/**
 * I4. Only the owner of an execution writes to it. Every claim, takeover, release, resume and termination raises the epoch,
 * and an event bears the epoch it was written under (statements/commit.ts). So no event is newer than its row, nothing but
 * the start, and starts merged into it, has the epoch 0, and what takes an execution away has an epoch that nobody else wrote under.
 */
export const fencing: Invariant = {
  id: "I4",
  title: "Only the owner writes",
  check: (tally) => ({
    run(view) {
      tally.looked(view.events.length);
      for (const detail of problemsOf(view)) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemsOf(view: RunView): string[] {
  const { events } = view;
  const problems: string[] = [];
  for (const [index, entry] of events.entries()) {
    const problem = index === 0 ? undefined : problemOf(entry, events[index - 1]!);
    if (problem !== undefined) problems.push(problem);
  }
  const last = events.at(-1);
  if (view.kind !== "current" || last === undefined) return problems;
  const { epoch } = view.run;
  if (last.epoch > epoch) problems.push(`event ${last.seq} was written under epoch ${last.epoch}, the row is at ${epoch}`);
  // The end gives the claim back and raises the epoch by one; a later one would mean that somebody else owned it by then.
  const isOwnEnd = last.type === "ExecutionCompleted" || last.type === "ExecutionFailed";
  if (isOwnEnd && last.epoch < epoch - 1) problems.push(`${last.type} was written under epoch ${last.epoch}, when the row was at ${epoch - 1}`);
  return problems;
}

function problemOf(entry: HistoryEntry, before: HistoryEntry): string | undefined {
  // Clients add these, before there is an owner.
  if (entry.type === "StartMerged") {
    if (entry.epoch === 0 && before.epoch === 0) return undefined;
    return `event ${entry.seq} (StartMerged) was added after it had begun`;
  }
  if (entry.epoch < 1) return `event ${entry.seq} (${entry.type}) was written under no claim`;
  // What ends a child with its parent is written by its own worker.
  const isOwn = entry.event?.type === "ExecutionTerminated" && entry.event.byParent === true;
  if (raising.has(entry.type) && !isOwn && entry.epoch === before.epoch) return `event ${entry.seq} (${entry.type}) did not raise the epoch ${entry.epoch}`;
  // Its owner may have written the pause, under its own epoch; with it, the claim was over.
  if ((!raising.has(before.type) && before.type !== "ExecutionPaused") || entry.epoch > before.epoch) return undefined;
  // Held by the very takeover that found the last death.
  if (before.type === "WorkerLost" && entry.type === "ExecutionQuarantined") return undefined;
  // An epoch that falls is I2's.
  return entry.epoch === before.epoch ? `event ${entry.seq} (${entry.type}) was written under the epoch that ${before.type} had ended` : undefined;
}
