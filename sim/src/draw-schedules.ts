import type { OverlapPolicy, TimingOptions } from "pawl";
import { drawProgram } from "./draw-program.ts";
import type { Chance } from "./random.ts";
import type { Program } from "./program.ts";

/** A schedule that a client makes, and what is done with it. */
export interface DrawnSchedule {
  readonly scheduleId: string;
  readonly program: Program;
  readonly everyMs: number;
  /** How that is said. */
  readonly timing: "interval" | "cron" | "calendar";
  readonly jitterMs: number;
  readonly overlap: OverlapPolicy;
  readonly catchUpMs: number;
  readonly maximumRuns: number;
  readonly createAt: number;
  readonly pause: { readonly at: number; readonly resumeAt: number } | undefined;
  readonly triggerAt: number | undefined;
  /** Then it gets other times. */
  readonly update: { readonly at: number; readonly everyMs: number } | undefined;
  readonly deleteAt: number | undefined;
  /** The instants of so many milliseconds before that time. */
  readonly backfill: { readonly at: number; readonly beforeMs: number; readonly overlap: "buffer_all" | "allow_all" } | undefined;
}

const policies = ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"] as const;

/** In most simulations there are none, and then no worker looks for any. */
export function drawSchedules(chance: Chance, spanMs: number): readonly DrawnSchedule[] {
  if (!chance.hits(0.4)) return [];
  const timings = chance.fork("timings");
  const changes = chance.fork("changes");
  return Array.from({ length: chance.whole(1, 3) }, (_, index) => {
    const pauseAt = chance.whole(500, spanMs);
    return {
      // No request has such a number.
      scheduleId: `x9${index}`,
      // No parts that wait for ever or kill their worker: the schedule is what is tried.
      program: drawProgram(chance, 2),
      everyMs: chance.pick([1000, 1000, 2000, 3000]),
      timing: timings.pick(["interval", "interval", "cron", "calendar"] as const),
      jitterMs: chance.pick([0, 0, 700]),
      overlap: chance.pick(policies),
      catchUpMs: chance.pick([10_000, 3_600_000]),
      maximumRuns: chance.whole(1, 6),
      createAt: chance.whole(0, spanMs / 2),
      pause: chance.hits(0.3) ? { at: pauseAt, resumeAt: pauseAt + chance.whole(0, 3000) } : undefined,
      triggerAt: chance.hits(0.3) ? chance.whole(500, spanMs) : undefined,
      update: changes.hits(0.15) ? { at: changes.whole(500, spanMs), everyMs: changes.pick([1000, 2000, 3000]) } : undefined,
      deleteAt: changes.hits(0.15) ? changes.whole(500, spanMs) : undefined,
      backfill: changes.hits(0.15)
        ? { at: changes.whole(500, spanMs), beforeMs: changes.whole(1000, 20_000), overlap: changes.pick(["buffer_all", "allow_all"] as const) }
        : undefined,
    };
  });
}

/** All three mean the same instants. */
export function timingOf({ timing, everyMs }: Pick<DrawnSchedule, "timing" | "everyMs">): TimingOptions {
  if (timing === "interval") return { interval: everyMs };
  const everySeconds = everyMs / 1000;
  if (timing === "cron") return { cron: `*/${everySeconds} * * * * *` };
  const second = Array.from({ length: 60 / everySeconds }, (_, index) => index * everySeconds);
  return { calendar: { hour: { from: 0, to: 23 }, minute: { from: 0, to: 59 }, second } };
}
