import { fold, type FoldableEvent } from "../../kernel/fold.ts";
import { isSignalInboxId } from "../../kernel/inbox-id.ts";
import { endsRun } from "../../kernel/run-end.ts";
import { isTerminal, type ExecutionState } from "../../kernel/execution-state.ts";
import type { Invariant } from "../invariant.ts";
import type { Tally } from "../report.ts";
import { about, type RunView } from "../rows.ts";
import { checkObservedOutcomes } from "./observed-outcomes.ts";

/**
 * I1. A run that has ended never changes again: its history ends with its end, its row says what the history says, and no
 * worker, task or message but signals is left for it: those wait for a run that goes on from there. With an operation log: nobody ever saw two different outcomes.
 *
 * The end is written in the same statement as the row (statements/commit.ts, close-execution.ts), which also empties the
 * inbox of all else and drops the task.
 */
export const terminalRuns: Invariant = {
  id: "I1",
  title: "What has ended never changes",
  check(tally, { operations, namespace }) {
    const observed = operations === undefined ? undefined : checkObservedOutcomes(tally, operations, namespace);
    return {
      run(view) {
        tally.looked();
        checkHistory(view, tally);
        if (view.kind === "current") checkLeftovers(view, tally);
        observed?.run(view);
      },
      finish: (end) => observed?.finish(end),
    };
  },
};

function checkHistory(view: RunView, tally: Tally): void {
  const { run, events } = view;
  // A history that is missing or cannot be read is I2's.
  if (events.length === 0 || events.some(({ event }) => event === undefined)) return;
  const violated = (detail: string): void => tally.violated({ ...about(view), detail });
  const after = events.findIndex(({ type }, index) => endsRun(type) && index < events.length - 1);
  if (after >= 0) violated(`its history goes on after ${events[after]!.type} with ${events[after + 1]!.type}`);
  const folded = fold(events as readonly FoldableEvent[]);
  const expected = isTerminal(run.state as ExecutionState) || run.state === "quarantined" || run.state === "paused" ? run.state : "running";
  // Woken to be cancelled, or at its deadline, and nothing is written yet.
  const isWoken = folded.state === "paused" && run.state === "running" && (view.kind === "past" || view.run.claim !== undefined || view.run.task !== undefined);
  if (folded.state !== expected && !isWoken) violated(`its row says ${run.state}, its history ${folded.state}`);
  else if ((folded.finishedAt ?? null) !== run.finishedAt)
    violated(`its row ended at ${time(run.finishedAt)}, its history at ${time(folded.finishedAt ?? null)}`);
}

function checkLeftovers(view: RunView & { readonly kind: "current" }, tally: Tally): void {
  const { run } = view;
  if (!isTerminal(run.state as ExecutionState)) return;
  const left: string[] = [];
  if (run.claim !== undefined) left.push(`the worker ${run.claim.workerId}`);
  if (run.task !== undefined) left.push("a task");
  const messages = run.messages.filter((id) => !isSignalInboxId(id));
  if (messages.length > 0) left.push(`${messages.length} messages`);
  if (left.length > 0) tally.violated({ ...about(view), detail: `it is ${run.state} and still has ${left.join(", ")}` });
}

function time(at: number | null): string {
  return at === null ? "no time" : new Date(at).toISOString();
}
