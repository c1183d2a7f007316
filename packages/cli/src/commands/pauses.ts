import type { Command } from "commander";
import type { PauseInfo } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table } from "../table.ts";

export function addPausesCommand(program: Command): void {
  const command = program
    .command("pauses")
    .summary("task queues and workflows that are paused")
    .description("Lists the task queues and workflows from which nothing is claimed until they are resumed.")
    .addHelpText("after", examples([["pawl pauses", "then: pawl resume --task-queue email"]]))
    .action(async (_flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const pauses = await pawl.pauses.list();
        if (output.json) return output.value(pauses);
        if (pauses.length === 0) return output.remark("nothing is paused");
        const columns = [
          { title: "KIND", text: (pause: PauseInfo) => ("taskQueue" in pause ? "task queue" : "workflow") },
          { title: "NAME", text: (pause: PauseInfo) => ("taskQueue" in pause ? pause.taskQueue : pause.workflow) },
          { title: "SINCE", text: ({ since }: PauseInfo) => since.toISOString() },
          { title: "REASON", text: ({ reason }: PauseInfo) => reason ?? "" },
        ];
        output.lines(table(columns, pauses, output.width, output.paint.dim));
      });
    });
  addGlobalOptions(command);
}
