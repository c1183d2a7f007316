import type { Command } from "commander";
import type { ScheduleInfo } from "pawl";
import { addGlobalOptions, examples, wholeNumber } from "../../global-options.ts";
import { withPawl } from "../../session.ts";
import { table, type Column } from "../../table.ts";
import { instants, timingText } from "./texts.ts";

export function addListSchedulesCommand(group: Command): void {
  const command = group
    .command("list")
    .summary("list schedules, by id")
    .description("Lists schedules by id, page by page, with the next time of each.")
    .option("--limit <n>", "rows per page, 1 to 1000 (50)", wholeNumber)
    .option("--cursor <cursor>", "the next page, as the page before says")
    .addHelpText("after", examples([["pawl schedule list", "what is scheduled?"]]))
    .action(async (flags: { readonly limit?: number; readonly cursor?: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const { schedules, nextCursor } = await pawl.schedules.list({
          ...(flags.limit === undefined ? {} : { limit: flags.limit }),
          ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }),
        });
        if (output.json) return output.value({ schedules, nextCursor: nextCursor ?? null });
        if (schedules.length === 0) return output.remark("No schedules.");
        const columns: readonly Column<ScheduleInfo>[] = [
          { title: "ID", text: (row) => row.scheduleId, paint: output.paint.bold },
          { title: "WORKFLOW", text: (row) => `${row.workflow}@${row.version}` },
          { title: "STATE", text: (row) => row.state },
          { title: "NEXT", text: (row) => instants(row.nextTimes) },
          { title: "OPEN", text: (row) => String(row.open.length || ""), right: true },
          { title: "WHEN", text: (row) => timingText(row.timing) },
        ];
        output.lines(table(columns, schedules, output.width, output.paint.dim));
        if (nextCursor !== undefined) output.remark(`There are more: add --cursor ${nextCursor}`);
      });
    });
  addGlobalOptions(command);
}
