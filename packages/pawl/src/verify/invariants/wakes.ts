import { openWaits } from "../../kernel/open-waits.ts";
import { isTerminal, type ExecutionState } from "../../kernel/execution-state.ts";
import type { Invariant } from "../invariant.ts";
import { about, type CurrentView } from "../rows.ts";

/**
 * I19. Everything unfinished has a reason to wake: a claim, a task (due now or at a timer), a child that goes on, a
 * signal or a change that it waits for, or somebody who holds it. The same question as `Queries.stranded` asks. A claim counts as long as its worker lives or waits to be taken
 * over; a child counts only while no message has come, since a message must have made the task due.
 */
export const wakes: Invariant = {
  id: "I19",
  title: "Everything unfinished wakes",
  check: (tally) => ({
    run(view) {
      if (view.kind !== "current" || isTerminal(view.run.state as ExecutionState)) return;
      tally.looked();
      if (!hasReason(view)) tally.violated({ ...about(view), detail: `it is ${view.run.state} and nothing will wake it${missing(view)}` });
    },
  }),
};

function hasReason({ run, children, events }: CurrentView): boolean {
  // A cancel request ends a pause.
  if (run.state === "paused") return run.task !== undefined || !(run.messages.includes("cancel") || run.messages.includes("terminate"));
  if (run.state === "quarantined" || run.claim !== undefined || run.task !== undefined) return true;
  if (run.messages.length > 0) return false;
  return children.some(({ state }) => !isTerminal(state as ExecutionState)) || openWaits(events.flatMap(({ event }) => event ?? [])).size > 0;
}

function missing({ run, children }: CurrentView): string {
  if (run.messages.length > 0) return `: ${run.messages.length} messages wait without a task`;
  return children.length > 0 ? ": all its children have ended" : "";
}
