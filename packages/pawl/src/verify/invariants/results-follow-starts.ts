import type { Event } from "../../kernel/event.ts";
import type { Invariant, Visitor } from "../invariant.ts";
import type { Tally } from "../report.ts";
import { about, resumedAt, type RunView } from "../rows.ts";

/**
 * I14. A parent goes on with the end of a child only after that child's start is recorded. Joins over several calls are made
 * by workflow code (`ctx.all`), which sees results in the order of the history and cannot see one before it is there.
 *
 * In a run that was resumed, the start may stand in the part of the earlier run that was not kept.
 */
export const joins: Invariant = {
  id: "I14",
  title: "A child's end follows its start",
  check: (tally) =>
    visitor(tally, { ChildCompleted: "ChildStarted", ChildFailed: "ChildStarted" }, ({ events }, seq) => {
      const resumed = resumedAt(events).seq;
      return resumed > 0 && seq > resumed;
    }),
};

/** I15. Results come after what they are the result of: a timer fires after it was started. Steps may be too short to be announced. */
export const order: Invariant = {
  id: "I15",
  title: "A timer's end follows its start",
  check: (tally) => visitor(tally, { TimerFired: "TimerStarted", WaitTimedOut: "WaitStarted" }, () => false),
};

function visitor(tally: Tally, startOf: Partial<Record<Event["type"], Event["type"]>>, isExcused: (view: RunView, seq: number) => boolean): Visitor {
  return {
    run(view) {
      const started = new Set<string>();
      for (const { seq, event } of view.events) {
        if (event === undefined || !("position" in event)) continue;
        started.add(`${event.type} ${event.position}`);
        const start = startOf[event.type];
        if (start === undefined) continue;
        tally.looked();
        if (started.has(`${start} ${event.position}`) || isExcused(view, seq)) continue;
        tally.violated({ ...about(view), detail: `event ${seq}: ${event.type} of call ${event.position} without ${start} before it` });
      }
    },
  };
}
