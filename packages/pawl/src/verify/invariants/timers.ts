import { isWrittenByCode } from "../../kernel/written-by-code.ts";
import type { Invariant } from "../invariant.ts";
import type { Tally } from "../report.ts";
import { about, resumedAt, type RunView } from "../rows.ts";

/** Times are kept in microseconds and computed in milliseconds with fractions. */
const roundingMs = 0.01;

/**
 * I12. Nothing is early: a timer fires no earlier than its duration after it was recorded, a next attempt shows no earlier
 * than the back-off that the failed one recorded, a delayed start is not claimed before its time. Nor does anything begin when its
 * time is over: the next run of what took too long, and a child of such a parent, only end; and a parent whose child's time was over
 * with its own does not go on with that. That a timer fires once is I3's, that it was started I15's.
 *
 * All times are the database's. If its clock was set back while a timer ran, the timer may seem early.
 */
export const timers: Invariant = {
  id: "I12",
  title: "Nothing is early, and nothing begins or goes on when its time is over",
  check: (tally) => ({
    run(view) {
      for (const detail of earlyEvents(view, () => tally.looked())) tally.violated({ ...about(view), detail });
      checkDeadline(view, tally);
      if (view.kind === "past") return;
      const { notBefore, startedAt, runNumber } = view.run;
      // Whoever resumes an execution that was cancelled before its time wants it now.
      if (notBefore === null || runNumber > 1) return;
      tally.looked();
      if (startedAt !== null && startedAt < notBefore)
        tally.violated({ ...about(view), detail: `it was claimed ${formatEarly(notBefore - startedAt)} before its time` });
    },
  }),
};

function earlyEvents({ events }: RunView, looked: () => void): string[] {
  const problems: string[] = [];
  /** When something may happen for a call at the earliest. */
  const due = new Map<number, number>();
  for (const { seq, at, type, event } of events) {
    if (event === undefined || !("position" in event)) continue;
    const { position } = event;
    const earliest = due.get(position);
    // A second start is I3's.
    if (earliest !== undefined && event.type !== "TimerStarted" && event.type !== "WaitStarted") {
      looked();
      if (at < earliest - roundingMs) problems.push(`event ${seq} (${type} of call ${position}) came ${formatEarly(earliest - at)} early`);
      due.delete(position);
    }
    if (event.type === "TimerStarted") due.set(position, at + event.durationMs);
    else if (event.type === "WaitStarted" && event.timeoutMs !== undefined) due.set(position, at + event.timeoutMs);
    else if (event.type === "StepAttemptFailed") due.set(position, at + event.retryInMs);
  }
  return problems;
}

function checkDeadline(view: RunView, tally: Tally): void {
  const [started] = view.events;
  // Of one that cannot be read I2 speaks. What was resumed may have been given its time anew.
  if (started?.event?.type !== "ExecutionStarted" || resumedAt(view.events).seq > 0) return;
  const { timeoutMs, delayMs = 0, timeoutFrom = started.at + delayMs, deadline } = started.event;
  const over = Math.min(deadline ?? Infinity, timeoutFrom + (timeoutMs ?? Infinity));
  if (over === Infinity) return;
  tally.looked();
  const heard = view.events.find(({ event }) => event?.type === "ChildFailed" && event.deadline !== undefined && event.deadline >= over);
  if (heard !== undefined)
    tally.violated({ ...about(view), detail: `event ${heard.seq} (ChildFailed) says that the time of the child was over, and so was its own` });
  if (over > started.at) return;
  const done = view.events.find(({ type }) => isWrittenByCode(type));
  if (done === undefined) return;
  const detail = `event ${done.seq} (${done.type}) was written, and its time was over ${formatEarly(started.at - over)} before it began`;
  tally.violated({ ...about(view), detail });
}

function formatEarly(ms: number): string {
  return `${Math.round(ms * 1000) / 1000} ms`;
}
