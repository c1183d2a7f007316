import type { Command } from "commander";
import type { OverlapPolicy, ScheduleOptions, TimingOptions } from "pawl";
import { readCalendar } from "../../calendar-option.ts";
import { UsageError } from "../../failures.ts";
import { addGlobalOptions, collect, examples, wholeNumber } from "../../global-options.ts";
import { readInput } from "../../json-input.ts";
import { withPawl } from "../../session.ts";
import { instants, timingText } from "./texts.ts";

interface CreateFlags {
  readonly cron?: readonly string[];
  readonly interval?: string;
  readonly calendar?: readonly string[];
  readonly at?: readonly string[];
  readonly timeZone?: string;
  readonly input?: string;
  readonly overlap?: string;
  readonly catchUp?: string;
  readonly jitter?: string;
  readonly startAt?: string;
  readonly endAt?: string;
  readonly maximumRuns?: number;
  readonly queue?: string;
  readonly version?: string;
  readonly update?: boolean;
}

export function addCreateScheduleCommand(group: Command): void {
  const command = group
    .command("create")
    .summary("make a schedule")
    .description("Makes a schedule for a workflow that a live worker has. Give one of --cron, --interval, --calendar and --at.")
    .argument("<id>", "id of the schedule")
    .argument("<workflow>", "name of the workflow")
    .option("--cron <pattern>", "5 fields, or 6 with seconds first; repeatable", collect)
    .option("--interval <duration>", 'every so long, counted from 1970, such as "15m"')
    .option("--calendar <entry>", 'where all fields fit, such as "hour=9,17 dayOfWeek=MON-FRI", or JSON; repeatable', collect)
    .option("--at <time>", "at this time, such as 2026-12-24T18:00:00Z; repeatable", collect)
    .option("--time-zone <zone>", 'what --cron and --calendar are read in, such as Europe/Berlin ("UTC")')
    .option("--input <json>", "input of every execution: JSON, @file, or - for stdin")
    .option("--overlap <policy>", 'skip, buffer_one, buffer_all, cancel_other, terminate_other or allow_all ("skip")')
    .option("--catch-up <duration>", 'how late an instant may still be started ("1d")')
    .option("--jitter <duration>", "start up to so long after the instant (0)")
    .option("--start-at <time>", "no instants before")
    .option("--end-at <time>", "no instants after")
    .option("--maximum-runs <n>", "start so many, then no more", wholeNumber)
    .option("--queue <name>", "task queue (the workflow's own)")
    .option("--version <version>", "version of the workflow, where there are several")
    .option("--update", "where the id is taken, change that schedule to these options")
    .addHelpText(
      "after",
      examples([
        ['pawl schedule create nightly report --cron "0 2 * * *" --time-zone Europe/Berlin --input \'{"days":1}\'', "every night at two"],
        ["pawl schedule create poll fetch --interval 15m --jitter 1m --overlap buffer_one", "every quarter of an hour, not all at once"],
        ['pawl schedule create payday pay --calendar "dayOfMonth=15 hour=9" --calendar "dayOfMonth=1 hour=9,17"', "where any of the entries fits"],
      ]),
    )
    .action(async (scheduleId: string, workflow: string, flags: CreateFlags, self: Command) => {
      const input = await readInput(flags.input);
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = await pawl.schedules.create({ scheduleId, workflow, input, ...scheduleOptions(flags) });
        const info = await handle.describe();
        if (output.json) return output.value(info);
        output.lines([`${scheduleId} starts ${info.workflow}@${info.version}: ${timingText(info.timing)}`]);
        output.remark(`Next: ${instants(info.nextTimes.slice(0, 3)) || "never"}`);
      });
    });
  addGlobalOptions(command);
}

function scheduleOptions(flags: CreateFlags): Omit<ScheduleOptions, "scheduleId"> {
  return {
    ...timing(flags),
    // The library checks that it is a policy.
    ...(flags.overlap === undefined ? {} : { overlap: flags.overlap as OverlapPolicy }),
    ...(flags.catchUp === undefined ? {} : { catchUpWindow: flags.catchUp }),
    ...(flags.jitter === undefined ? {} : { jitter: flags.jitter }),
    ...(flags.startAt === undefined ? {} : { startAt: flags.startAt }),
    ...(flags.endAt === undefined ? {} : { endAt: flags.endAt }),
    ...(flags.maximumRuns === undefined ? {} : { maximumRuns: flags.maximumRuns }),
    ...(flags.queue === undefined ? {} : { taskQueue: flags.queue }),
    ...(flags.version === undefined ? {} : { version: flags.version }),
    ...(flags.update === true ? { ifExists: "update" } : {}),
  };
}

function timing({ cron, interval, calendar, at, timeZone }: CreateFlags): TimingOptions {
  if (calendar !== undefined && at !== undefined) throw new UsageError("OPTION_INVALID", "--at cannot be given together with --calendar; make two schedules.");
  return {
    ...(cron === undefined ? {} : { cron }),
    ...(interval === undefined ? {} : { interval }),
    ...(calendar === undefined ? {} : { calendar: readCalendar(calendar) }),
    ...(at === undefined ? {} : { calendar: { dates: at } }),
    ...(timeZone === undefined ? {} : { timeZone }),
  };
}
