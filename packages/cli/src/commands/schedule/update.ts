import { InvalidArgumentError, type Command } from "commander";
import { UsageError } from "../../failures.ts";
import { addGlobalOptions, examples } from "../../global-options.ts";
import { readInput } from "../../json-input.ts";
import { withPawl } from "../../session.ts";
import { pointInFuture } from "../../times.ts";
import { addScheduleOptions, scheduleOptions, type ScheduleFlags } from "./schedule-options.ts";
import { printWhen } from "./texts.ts";

interface UpdateFlags extends ScheduleFlags {
  readonly workflow?: string;
  /** "none": no such bound any more. */
  readonly startAt?: string;
  readonly endAt?: string;
  readonly maximumRuns?: number | "none";
}

export function addUpdateScheduleCommand(group: Command): void {
  const command = group
    .command("update")
    .summary("change what is named of a schedule")
    .description("Changes what is named and leaves the rest as it is. New times count from now.")
    .argument("<id>", "id of the schedule")
    .option("--workflow <name>", "another workflow, which a live worker has");
  addScheduleOptions(command, false)
    .option("--start-at <when>", "no instants before: a date, so long from now, or none")
    .option("--end-at <when>", "no instants after, or none")
    .option("--maximum-runs <n>", "start so many, then no more, or none", numberOrNone)
    .addHelpText(
      "after",
      examples([
        ['pawl schedule update nightly --cron "30 2 * * *"', "half an hour later; zone, input and policies stay"],
        ["pawl schedule update nightly --version 2 --end-at none", "another version, and no end any more"],
        ["pawl schedule update nightly --label team=red --timeout none", "these labels instead of those before, and no timeout"],
      ]),
    )
    .action(async (scheduleId: string, flags: UpdateFlags, self: Command) => {
      const bounds = {
        ...(flags.startAt === undefined ? {} : { startAt: boundOrNone(flags.startAt, "--start-at") }),
        ...(flags.endAt === undefined ? {} : { endAt: boundOrNone(flags.endAt, "--end-at") }),
        ...(flags.maximumRuns === undefined ? {} : { maximumRuns: flags.maximumRuns === "none" ? null : flags.maximumRuns }),
      };
      const work = {
        ...(flags.workflow === undefined ? {} : { workflow: flags.workflow }),
        ...(flags.input === undefined ? {} : { input: await readInput(flags.input) }),
      };
      const update = { ...scheduleOptions(flags, true), ...bounds, ...work };
      if (Object.keys(update).length === 0)
        throw new UsageError("OPTION_INVALID", "Nothing is named that should change; see pawl schedule update --help for what can.");
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = pawl.schedules.get(scheduleId);
        await handle.update(update);
        printWhen(await handle.describe(), output);
      });
    });
  addGlobalOptions(command);
}

function boundOrNone(text: string, option: string): Date | null {
  return text === "none" ? null : pointInFuture(text, option);
}

function numberOrNone(value: string): number | "none" {
  if (value !== "none" && !/^\d{1,9}$/.test(value)) throw new InvalidArgumentError("It must be a whole number, or none.");
  return value === "none" ? value : Number(value);
}
