import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";

export function addRetryCommand(program: Command): void {
  const command = program
    .command("retry")
    .summary("go on with a failed or timed-out execution")
    .description("Starts the next run of a failed or timed-out execution from where it failed: completed steps do not run again, what failed begins anew.")
    .argument("<id>", "id of the execution")
    .option("--reason <text>", "kept in the history")
    .addHelpText("after", examples([["pawl retry docs-2026-11 --reason 'the provider is back'", "go on at the step that failed"]]))
    .action(async (id: string, flags: { readonly reason?: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = await pawl.handle(id).retry(flags);
        const { runId, runNumber, state } = await handle.status();
        if (output.json) output.value({ executionId: id, runId, runNumber, state });
        else output.lines([`${id} goes on as run ${runNumber}`]);
      });
    });
  addGlobalOptions(command);
}
