import type { Command } from "commander";
import type { OverlapPolicy, SchedulePolicies, TimingOptions } from "pawl";
import { readCalendar } from "../../calendar-option.ts";
import { UsageError } from "../../failures.ts";
import { collect } from "../../global-options.ts";
import { pointInFuture } from "../../times.ts";

/** What `create` and `update` take alike. */
export interface ScheduleFlags {
  readonly cron?: readonly string[];
  readonly interval?: string;
  readonly calendar?: readonly string[];
  readonly at?: readonly string[];
  readonly timeZone?: string;
  readonly input?: string;
  readonly overlap?: string;
  readonly catchUp?: string;
  readonly jitter?: string;
  readonly queue?: string;
  readonly version?: string;
}

/** @param defaults what `create` makes of an option that is left out: `update` keeps it */
export function addScheduleOptions(command: Command, defaults: boolean): Command {
  const otherwise = (text: string): string => (defaults ? ` (${text})` : "");
  return command
    .option("--cron <pattern>", "5 fields, or 6 with seconds first; repeatable", collect)
    .option("--interval <duration>", 'every so long, counted from 1970, such as "15m"')
    .option("--calendar <entry>", 'where all fields fit, such as "hour=9,17 dayOfWeek=MON-FRI", or JSON; repeatable', collect)
    .option("--at <when>", "at this time, such as 2026-12-24T18:00:00Z, or so long from now; repeatable", collect)
    .option("--time-zone <zone>", `what --cron and --calendar are read in, such as Europe/Berlin${otherwise('"UTC"')}`)
    .option("--input <json>", "input of every execution: JSON, @file, or - for stdin")
    .option("--overlap <policy>", `skip, buffer_one, buffer_all, cancel_other, terminate_other or allow_all${otherwise('"skip"')}`)
    .option("--catch-up <duration>", `how late an instant may still be started${otherwise('"1d"')}`)
    .option("--jitter <duration>", `start up to so long after the instant${otherwise("0")}`)
    .option("--queue <name>", `task queue${otherwise("the workflow's own")}`)
    .option("--version <version>", "version of the workflow, where there are several");
}

/** What was given; nothing else is in it. */
export function scheduleOptions(flags: ScheduleFlags): TimingOptions &
  Pick<SchedulePolicies, "overlap" | "catchUpWindow" | "jitter"> & {
    readonly taskQueue?: string;
    readonly version?: string;
  } {
  return {
    ...timing(flags),
    // The library checks that it is a policy.
    ...(flags.overlap === undefined ? {} : { overlap: flags.overlap as OverlapPolicy }),
    ...(flags.catchUp === undefined ? {} : { catchUpWindow: flags.catchUp }),
    ...(flags.jitter === undefined ? {} : { jitter: flags.jitter }),
    ...(flags.queue === undefined ? {} : { taskQueue: flags.queue }),
    ...(flags.version === undefined ? {} : { version: flags.version }),
  };
}

function timing({ cron, interval, calendar, at, timeZone }: ScheduleFlags): TimingOptions {
  if (calendar !== undefined && at !== undefined) throw new UsageError("OPTION_INVALID", "--at cannot be given together with --calendar; make two schedules.");
  return {
    ...(cron === undefined ? {} : { cron }),
    ...(interval === undefined ? {} : { interval }),
    ...(calendar === undefined ? {} : { calendar: readCalendar(calendar) }),
    ...(at === undefined ? {} : { calendar: { dates: at.map((time) => pointInFuture(time, "--at")) } }),
    ...(timeZone === undefined ? {} : { timeZone }),
  };
}
