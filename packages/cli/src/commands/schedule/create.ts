import type { Command } from "commander";
import { addGlobalOptions, examples, wholeNumber } from "../../global-options.ts";
import { readInput } from "../../json-input.ts";
import { withPawl } from "../../session.ts";
import { pointInFuture } from "../../times.ts";
import { addScheduleOptions, scheduleOptions, type ScheduleFlags } from "./schedule-options.ts";
import { printWhen } from "./texts.ts";

interface CreateFlags extends ScheduleFlags {
  readonly startAt?: string;
  readonly endAt?: string;
  readonly maximumRuns?: number;
  readonly ifExists?: string;
}

export function addCreateScheduleCommand(group: Command): void {
  const command = group
    .command("create")
    .summary("make a schedule")
    .description("Makes a schedule for a workflow that a live worker has. Give one of --cron, --interval, --calendar and --at.")
    .argument("<id>", "id of the schedule")
    .argument("<workflow>", "name of the workflow");
  addScheduleOptions(command, true)
    .option("--start-at <when>", "no instants before: a date, or so long from now")
    .option("--end-at <when>", "no instants after")
    .option("--maximum-runs <n>", "start so many, then no more", wholeNumber)
    .option("--if-exists <what>", 'where the id is taken: fail, keep what there is, or update it ("fail")')
    .addHelpText(
      "after",
      examples([
        ['pawl schedule create nightly report --cron "0 2 * * *" --time-zone Europe/Berlin --input \'{"days":1}\'', "every night at two"],
        ["pawl schedule create poll fetch --interval 15m --jitter 1m --overlap buffer_one", "every quarter of an hour, not all at once"],
        [
          "pawl schedule create nightly report --cron @daily --label schedule=nightly --timeout 2h",
          "find them with: pawl list --filter 'labels.schedule == \"nightly\"'",
        ],
        ['pawl schedule create payday pay --calendar "dayOfMonth=15 hour=9" --calendar "dayOfMonth=1 hour=9,17"', "where any of the entries fits"],
      ]),
    )
    .action(async (scheduleId: string, workflow: string, flags: CreateFlags, self: Command) => {
      const bounds = {
        ...(flags.startAt === undefined ? {} : { startAt: pointInFuture(flags.startAt, "--start-at") }),
        ...(flags.endAt === undefined ? {} : { endAt: pointInFuture(flags.endAt, "--end-at") }),
        ...(flags.maximumRuns === undefined ? {} : { maximumRuns: flags.maximumRuns }),
      };
      // The library checks that it is one of the three.
      const ifExists = flags.ifExists === undefined ? {} : { ifExists: flags.ifExists as "fail" | "keep" | "update" };
      const options = { scheduleId, workflow, ...scheduleOptions(flags, false), ...bounds, ...ifExists };
      const input = await readInput(flags.input);
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = await pawl.schedules.create({ ...options, input });
        printWhen(await handle.describe(), output);
      });
    });
  addGlobalOptions(command);
}
