import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";

export function addResumeCommand(program: Command): void {
  const command = program
    .command("resume")
    .summary("go on with a paused, cancelled or quarantined execution")
    .description(
      "Lets a paused execution go on. Of a cancelled or quarantined one it starts the next run, from what it had recorded: completed steps do not run again.",
    )
    .argument("<id>", "id of the execution")
    .addHelpText("after", examples([["pawl resume docs-2026-11", "go on after the cause is fixed"]]))
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = await pawl.handle(id).resume();
        const { runId, runNumber, state } = await handle.status();
        if (output.json) output.value({ executionId: id, runId, runNumber, state });
        else output.lines([`${id} goes on${runNumber > 1 ? ` as run ${runNumber}` : ""}`]);
      });
    });
  addGlobalOptions(command);
}
