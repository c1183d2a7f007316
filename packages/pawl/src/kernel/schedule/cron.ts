import { Cron, type CronOptions } from "croner";

/** Later instants have no four-digit year and could stand in no id. */
export const lastInstant = Date.UTC(9999, 11, 31, 23, 59, 59);

/**
 * The instants of one cron pattern in one time zone.
 *
 * Where the clocks change, Vixie cron's rule holds. A pattern whose hours, minutes and seconds have neither `*` nor a step
 * names times of day: a time that is left out comes at the first moment after the gap, a time that occurs twice comes once,
 * the first time. Any other pattern counts real time: nothing is left out of it or repeated.
 */
export class CronTimes {
  readonly #cron: Cron;

  /** @throws what croner throws at a pattern or time zone that it cannot read */
  constructor(pattern: string, timeZone: string, options: Pick<CronOptions, "mode" | "domAndDow">) {
    this.#cron = new Cron(pattern, { timezone: timeZone, fixedTimeRule: "no-wildcard", paused: true, ...options });
    // An unknown zone shows only when it is used.
    this.#cron.nextRun(new Date(0));
  }

  /** The first instant after `at`, milliseconds; undefined if there is none. */
  next(at: number): number | undefined {
    if (at >= lastInstant) return undefined;
    // croner looks at whole seconds.
    const next = this.#cron.nextRun(new Date(Math.floor(at / 1000) * 1000))?.getTime();
    return next === undefined || next > lastInstant ? undefined : next;
  }
}
