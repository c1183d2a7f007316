import type { Command } from "commander";
import type { OverlapPolicy, ScheduledWorkOptions, SchedulePolicies, TimingOptions } from "pawl";
import { readCalendar } from "../../calendar-option.ts";
import { UsageError } from "../../failures.ts";
import { collect } from "../../global-options.ts";
import { readAttributes, readLabels } from "../../name-values.ts";
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
  readonly timeout?: string;
  readonly key?: string;
  readonly priority?: string;
  readonly label?: readonly string[];
  readonly attribute?: readonly string[];
}

/** @param defaults what `create` makes of an option that is left out: `update` keeps it */
export function addScheduleOptions(command: Command, defaults: boolean): Command {
  const otherwise = (text: string): string => (defaults ? ` (${text})` : "");
  const orNone = defaults ? "" : ", or none";
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
    .option("--key <key>", `the key of every execution within its queue, for limits per key${orNone}`)
    .option("--priority <number>", `from -1000 (first) to 1000 (last), in a queue that was set${otherwise("0")}${orNone}`)
    .option("--timeout <duration>", `every execution ends timed_out so long after its start${orNone}`)
    .option("--label <name=text>", `what every execution belongs to, repeatable${defaults ? "" : "; instead of all there were, or none"}`, collect)
    .option("--attribute <name=value>", `what every execution can be found by, repeatable${defaults ? "" : "; instead of all there were, or none"}`, collect)
    .option("--version <version>", "version of the workflow, where there are several");
}

/**
 * What was given; nothing else is in it.
 *
 * @param changes whether "none" takes away what there is, as with `update`
 */
export function scheduleOptions(
  flags: ScheduleFlags,
  changes: boolean,
): TimingOptions & Pick<SchedulePolicies, "overlap" | "catchUpWindow" | "jitter"> & ScheduledWorkOptions {
  const { timeout, key, priority, label, attribute } = flags;
  const none = (flag: string | readonly string[]): boolean => changes && String(flag) === "none";
  return {
    ...timing(flags),
    // The library checks that it is a policy.
    ...(flags.overlap === undefined ? {} : { overlap: flags.overlap as OverlapPolicy }),
    ...(flags.catchUp === undefined ? {} : { catchUpWindow: flags.catchUp }),
    ...(flags.jitter === undefined ? {} : { jitter: flags.jitter }),
    ...(flags.queue === undefined ? {} : { taskQueue: flags.queue }),
    ...(flags.version === undefined ? {} : { version: flags.version }),
    ...(timeout === undefined ? {} : { timeout: none(timeout) ? null : timeout }),
    ...(key === undefined ? {} : { key: none(key) ? null : key }),
    ...(priority === undefined ? {} : { priority: none(priority) ? null : Number(priority) }),
    ...(label === undefined ? {} : { labels: none(label) ? null : readLabels(label) }),
    ...(attribute === undefined ? {} : { attributes: none(attribute) ? null : readAttributes(attribute) }),
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
