import { copyOptions } from "../base/copy-options.ts";
import { toMilliseconds } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkId } from "../base/ids.ts";
import { copyValue } from "../base/values.ts";
import { overlapPolicies, type ScheduleDefinition } from "../kernel/schedule/definition.ts";
import { scheduleIdLength } from "../kernel/schedule/execution-id.ts";
import { inZone, parseTiming, pointInTime } from "./parse-timing.ts";
import type { SchedulePolicies, ScheduleUpdate, TimingOptions } from "./schedule-options.ts";

const leastCatchUpMs = 10_000;
const defaultPolicies: Omit<ScheduleDefinition, "timing"> = {
  overlap: "skip",
  catchUpMs: 86_400_000,
  jitterMs: 0,
  startAt: null,
  endAt: null,
  maximumRuns: null,
};

/** @throws OptionInvalid */
export function checkScheduleId(id: unknown): string {
  const checked = checkId(id, "scheduleId");
  if (checked.length > scheduleIdLength)
    throw new OptionInvalid(
      "scheduleId",
      `has at most ${scheduleIdLength} characters, so that the ids of its executions have at most 200; this one has ${checked.length}.`,
    );
  return checked;
}

/**
 * What is given, as it is now: it is read when the database has answered, and the caller may change his objects meanwhile.
 *
 * @throws ValueNotSerializable, ValueTooLarge, ValueTooDeep
 */
export function copySchedule<Options extends ScheduleUpdate>({ workflow, input, ...others }: Options): Options {
  return { ...copyOptions(others), workflow, input: copyValue(input, "input") } as Options;
}

/** @throws OptionInvalid */
export function parseDefinition(options: TimingOptions & SchedulePolicies): ScheduleDefinition {
  const timing = parseTiming(options);
  if (timing === undefined) throw new OptionInvalid("schedule", "says not when it fires; give one of cron, interval and calendar.");
  return { timing, ...policies(options, defaultPolicies) };
}

/** The definition with what is given changed. @throws OptionInvalid */
export function changeDefinition(definition: ScheduleDefinition, options: TimingOptions & SchedulePolicies): ScheduleDefinition {
  const { timeZone } = options;
  const { timing: before } = definition;
  // Another pattern alone is read in the zone of the one before.
  const zoned = timeZone === undefined && "timeZone" in before && (options.cron ?? options.calendar) !== undefined && !isDates(options.calendar);
  const given = parseTiming(zoned ? { ...options, timeZone: before.timeZone } : options);
  const timing = given ?? (timeZone === undefined ? before : inZone(before, timeZone));
  return { timing, ...policies(options, definition) };
}

function isDates(calendar: TimingOptions["calendar"]): boolean {
  return typeof calendar === "object" && calendar !== null && "dates" in calendar;
}

function policies(options: SchedulePolicies, otherwise: Omit<ScheduleDefinition, "timing">): Omit<ScheduleDefinition, "timing"> {
  const overlap = options.overlap ?? otherwise.overlap;
  if (!overlapPolicies.includes(overlap)) throw new OptionInvalid("overlap", `"${overlap}" is none of ${overlapPolicies.join(", ")}.`);
  const catchUpMs = options.catchUpWindow === undefined ? otherwise.catchUpMs : toMilliseconds(options.catchUpWindow, "catchUpWindow");
  if (catchUpMs < leastCatchUpMs) throw new OptionInvalid("catchUpWindow", "must be at least 10 seconds: a start may be late by as much for many reasons.");
  const jitterMs = options.jitter === undefined ? otherwise.jitterMs : toMilliseconds(options.jitter, "jitter");
  const startAt = bound(options.startAt, otherwise.startAt, "startAt");
  const endAt = bound(options.endAt, otherwise.endAt, "endAt");
  if (startAt !== null && endAt !== null && endAt < startAt) throw new OptionInvalid("endAt", "is before startAt.");
  const maximumRuns = options.maximumRuns === undefined ? otherwise.maximumRuns : options.maximumRuns;
  if (maximumRuns !== null && !(Number.isInteger(maximumRuns) && maximumRuns >= 1 && maximumRuns <= 1e9))
    throw new OptionInvalid("maximumRuns", `must be a whole number from 1 to 1000000000, or null for no limit, not ${String(maximumRuns)}.`);
  return { overlap, catchUpMs, jitterMs, startAt, endAt, maximumRuns };
}

function bound(given: Date | string | null | undefined, otherwise: number | null, path: string): number | null {
  return given === undefined ? otherwise : given === null ? null : pointInTime(given, path);
}
