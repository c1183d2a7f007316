import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { withPawl } from "../session.ts";

interface SignalFlags {
  readonly input?: string;
  readonly signalId?: string;
  readonly start?: string;
  readonly startInput?: string;
}

export function addSignalCommand(program: Command): void {
  const command = program
    .command("signal")
    .summary("send an execution a signal")
    .description("Sends a signal. It is durable when the command returns, and the execution gets it once, whether it waits for it now or later.")
    .argument("<id>", "id of the execution")
    .argument("<name>", "name of the signal")
    .option("--input <json>", "its payload: JSON, @file, or - for stdin")
    .option("--signal-id <id>", "sent twice with the same id, it arrives once")
    .option("--start <workflow>", "start an execution of this workflow first if there is none of this id")
    .option("--start-input <json>", "with --start: its input, as --input")
    .addHelpText("after", examples([['pawl signal order-7 approve --input \'{"by":"ann"}\'', 'what `await ctx.signal("approve")` gives']]))
    .action(async (id: string, name: string, flags: SignalFlags, self: Command) => {
      const payload = await readInput(flags.input);
      const startInput = await readInput(flags.startInput);
      const signalId = flags.signalId === undefined ? {} : { signalId: flags.signalId };
      await withPawl(self, {}, async ({ pawl, output }) => {
        if (flags.start === undefined) await pawl.handle(id).signal(name, payload, signalId);
        else await pawl.signalWithStart(flags.start, startInput, { executionId: id, signal: { name, payload, ...signalId } });
        if (output.json) output.value({ executionId: id, signal: name });
        else output.lines([`${id} was sent ${name}`]);
      });
    });
  addGlobalOptions(command);
}
