import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { withPawl } from "../session.ts";

export function addSignalCommand(program: Command): void {
  const command = program
    .command("signal")
    .summary("send an execution a signal")
    .description("Sends a signal. It is durable when the command returns, and the execution gets it once, whether it waits for it now or later.")
    .argument("<id>", "id of the execution")
    .argument("<name>", "name of the signal")
    .option("--input <json>", "its payload: JSON, @file, or - for stdin")
    .option("--signal-id <id>", "sent twice with the same id, it arrives once")
    .addHelpText("after", examples([['pawl signal order-7 approve --input \'{"by":"ann"}\'', 'what `await ctx.signal("approve")` gives']]))
    .action(async (id: string, name: string, flags: { readonly input?: string; readonly signalId?: string }, self: Command) => {
      const payload = await readInput(flags.input);
      await withPawl(self, {}, async ({ pawl, output }) => {
        await pawl.handle(id).signal(name, payload, flags.signalId === undefined ? {} : { signalId: flags.signalId });
        if (output.json) output.value({ executionId: id, signal: name });
        else output.lines([`${id} was sent ${name}`]);
      });
    });
  addGlobalOptions(command);
}
