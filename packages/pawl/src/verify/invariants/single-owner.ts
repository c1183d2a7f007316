import type { Invariant } from "../invariant.ts";
import { about, type CurrentView } from "../rows.ts";

/**
 * I5. An execution has one owner or none: it is claimed by a worker that exists, or queued, or neither, never both; what
 * has not begun or is held has no owner, and what is held is not queued, except that a paused one wakes to be cancelled and at
 * its deadline. A worker that died may still be named: the next
 * takeover frees what it had.
 */
export const singleOwner: Invariant = {
  id: "I5",
  title: "One owner at a time",
  check: (tally) => ({
    run(view) {
      if (view.kind !== "current") return;
      const { run } = view;
      if (run.claim === undefined && run.task === undefined) return;
      tally.looked();
      for (const detail of problemsOf(view)) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemsOf({ run: { state, claim, task, messages }, events }: CurrentView): string[] {
  const problems: string[] = [];
  const isHeld = state === "quarantined" || state === "paused";
  if (claim !== undefined) {
    if (claim.worker === null) problems.push(`it is claimed by the worker ${claim.workerId}, which does not exist`);
    if (task !== undefined) problems.push(`it is claimed by the worker ${claim.workerId} and queued as well`);
    if (isHeld || state === "pending") problems.push(`it is ${state} and claimed by the worker ${claim.workerId}`);
  }
  const started = events[0]?.event;
  const hasDeadline = started?.type === "ExecutionStarted" && (started.timeoutMs !== undefined || started.deadline !== undefined);
  const mayWake = state === "paused" && (hasDeadline || messages.includes("cancel") || messages.includes("terminate"));
  if (task !== undefined && isHeld && !mayWake) problems.push(`it is ${state} and queued`);
  return problems;
}
