import { openWaits } from "../../kernel/open-waits.ts";
import type { RecordedEvent } from "../../kernel/event.ts";
import { isTerminal, type ExecutionState } from "../../kernel/execution-state.ts";
import type { Invariant, VerifyContext } from "../invariant.ts";
import { nextDue, type Due } from "../next-due.ts";
import { about, type ClaimRow, type CurrentView } from "../rows.ts";

/** Times are kept in microseconds and computed in milliseconds. */
const roundingMs = 1000;

/**
 * I19. Everything unfinished has a reason to wake: a claim, a task (due now or at a timer), a child that goes on, a
 * signal or a change that it waits for, or somebody who holds it. The same question as `Queries.stranded` asks. A claim counts as long as its worker lives or waits to be taken
 * over; a child counts only while no message has come, since a message must have made the task due.
 *
 * What is due at a time needs a task that is visible by then, whatever else it waits for. A worker whose lease has been over for long is
 * taken over by any other that lives.
 *
 * If the database's clock was set back, a task may seem to come late, unless the history shows it.
 */
export const wakes: Invariant = {
  id: "I19",
  title: "Everything unfinished wakes",
  check: (tally, context) => ({
    run(view) {
      if (view.kind !== "current" || isTerminal(view.run.state as ExecutionState)) return;
      tally.looked();
      const detail = problemOf(view, context);
      if (detail !== undefined) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemOf(view: CurrentView, context: VerifyContext): string | undefined {
  if (!hasReason(view)) return `it is ${view.run.state} and nothing will wake it${missing(view)}`;
  return view.run.claim === undefined ? lateness(view, context.now) : abandonment(view.run.claim, view.run.namespace, context);
}

/** Where something is due and its task is missing, or is not visible by then. */
function lateness({ run, events }: CurrentView, now: number): string | undefined {
  const history = events.flatMap((entry) => (entry.event === undefined ? [] : [entry as RecordedEvent]));
  // An event that is missing may be the one that ended a timer.
  if (history.length !== events.length || history.length === 0) return undefined;
  const due = run.state === "pending" ? startOf(run, history) : run.state === "running" ? nextDue(history) : undefined;
  if (due === undefined) return undefined;
  const soon = `${due.what} is due at ${time(due.at)}`;
  if (run.task === undefined) return `${soon}, and nothing will wake it then`;
  const wasSetBack = history.some(({ at }) => at > now);
  // What is visible is somebody's to take: an attempt that was given back is queued again when its time is over already.
  const isLate = run.task.visibleAt > Math.max(due.at + roundingMs, now) && !wasSetBack;
  return isLate ? `${soon}, and its task is not visible before ${time(run.task.visibleAt)}` : undefined;
}

/** What was paused before it began is queued anew. */
function startOf({ notBefore, createdAt }: CurrentView["run"], history: readonly RecordedEvent[]): Due {
  return { at: Math.max(notBefore ?? createdAt, history.at(-1)!.at), what: "its start" };
}

/** A claim of a worker that is gone, although there has been somebody to take it over for long. */
function abandonment({ workerId, worker }: ClaimRow, namespace: string, { live, now, idleAfterMs, workers }: VerifyContext): string | undefined {
  // A worker that does not exist is I5's.
  if (!live || worker === null || worker.leaseEndsAt > now - idleAfterMs) return undefined;
  if (!workers.some((other) => other.namespace === namespace && other.startedAt < now - idleAfterMs)) return undefined;
  return `the lease of worker ${workerId}, which has claimed it, was over at ${time(worker.leaseEndsAt)}, and nobody has taken it over`;
}

function time(at: number): string {
  return Math.abs(at) > 8.64e15 ? "no time" : new Date(at).toISOString();
}

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
