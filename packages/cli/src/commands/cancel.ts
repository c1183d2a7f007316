import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";

export function addCancelCommand(program: Command): void {
  const command = program
    .command("cancel")
    .summary("ask an execution to stop; its code can clean up")
    .description("Asks an execution to stop: its next durable call throws, and its code may clean up. One that has not begun is cancelled at once.")
    .argument("<id>", "id of the execution")
    .option("--reason <text>", "kept in the history")
    .addHelpText("after", examples([["pawl cancel docs-2026-11 --reason 'wrong folder'", "stop politely"]]))
    .action(async (id: string, flags: { readonly reason?: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const state = await pawl.handle(id).cancel(flags.reason === undefined ? {} : { reason: flags.reason });
        if (output.json) output.value({ executionId: id, state });
        else output.lines([state === "cancelled" ? `${id} is cancelled` : `${id} was asked to stop; it is ${state}`]);
      });
    });
  addGlobalOptions(command);
}
