import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";

export function addTerminateCommand(program: Command): void {
  const command = program
    .command("terminate")
    .summary("end an execution at once; none of its code runs again")
    .description("Ends an execution at once. None of its code runs again, so nothing is cleaned up: prefer cancel.")
    .argument("<id>", "id of the execution")
    .option("--reason <text>", "kept in the history")
    .addHelpText("after", examples([["pawl terminate docs-2026-11 --reason 'does not react to cancel'", "stop at once"]]))
    .action(async (id: string, flags: { readonly reason?: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        await pawl.handle(id).terminate(flags.reason === undefined ? {} : { reason: flags.reason });
        if (output.json) output.value({ executionId: id, state: "terminated" });
        else output.lines([`${id} is terminated`]);
      });
    });
  addGlobalOptions(command);
}
