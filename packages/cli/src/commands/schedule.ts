import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { addBackfillCommand } from "./schedule/backfill.ts";
import { addScheduleControls } from "./schedule/controls.ts";
import { addCreateScheduleCommand } from "./schedule/create.ts";
import { addListSchedulesCommand } from "./schedule/list.ts";
import { addShowScheduleCommand } from "./schedule/show.ts";
import { addUpdateScheduleCommand } from "./schedule/update.ts";

export function addScheduleCommand(program: Command): void {
  const group = program
    .command("schedule")
    .summary("start executions by cron, interval or calendar")
    .description("Makes, shows and controls schedules. Any worker starts their executions.")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      examples([
        ['pawl schedule create nightly report --cron "0 2 * * *" --time-zone Europe/Berlin', "every night at two"],
        ["pawl schedule show nightly", "when does it fire next?"],
      ]),
    );
  addGlobalOptions(group);
  addCreateScheduleCommand(group);
  addUpdateScheduleCommand(group);
  addListSchedulesCommand(group);
  addShowScheduleCommand(group);
  addScheduleControls(group);
  addBackfillCommand(group);
}
