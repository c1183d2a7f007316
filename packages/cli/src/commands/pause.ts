import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";

export function addPauseCommand(program: Command): void {
  const command = program
    .command("pause")
    .summary("hold an execution before its next step")
    .description("Holds an execution before its next step: what is running may end and is recorded, and nothing begins until it is resumed.")
    .argument("<id>", "id of the execution")
    .option("--reason <text>", "kept in the history")
    .addHelpText("after", examples([["pawl pause docs-2026-11 --reason 'the provider is down'", "hold it; pawl resume lets it go on"]]))
    .action(async (id: string, flags: { readonly reason?: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const state = await pawl.handle(id).pause(flags);
        if (output.json) output.value({ executionId: id, state });
        else output.lines([state === "paused" ? `${id} is paused` : `${id} will pause when no step of it runs`]);
      });
    });
  addGlobalOptions(command);
}
