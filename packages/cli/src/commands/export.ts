import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";

export function addExportCommand(program: Command): void {
  const command = program
    .command("export")
    .summary("print an execution with its whole history as a file")
    .description(
      "Prints one execution, with all its runs and everything that happened in them, as a JSON document that `pawl import` reads. Its children are executions of their own.",
    )
    .argument("<id>", "id of the execution")
    .addHelpText("after", examples([["pawl export docs-2026-11 > docs-2026-11.json", "keep it, or give it to somebody who looks for a mistake"]]))
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => output.value(await pawl.exportExecution(id)));
    });
  addGlobalOptions(command);
}
