import type { Command } from "commander";
import type { StartOptions } from "pawl";
import { definitionOf, handleOf, loadGiven } from "../definition-of.ts";
import { UsageError } from "../failures.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { withPawl } from "../session.ts";
import { addStartOptions, startOptions, type StartOptionFlags } from "../start-options.ts";

interface SignalFlags extends Omit<StartOptionFlags, "id" | "key" | "deduplicationId"> {
  readonly input?: string;
  readonly signalId?: string;
  readonly start?: string;
  readonly startInput?: string;
  readonly file?: string;
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
    .option("--file <file>", "check what is sent against the workflow in this file")
    .addHelpText("after", examples([['pawl signal order-7 approve --input \'{"by":"ann"}\'', 'what `await ctx.signal("approve")` gives']]))
    .action(async (id: string, name: string, flags: SignalFlags, self: Command) => {
      const payload = await readInput(flags.input);
      const startInput = await readInput(flags.startInput);
      const signalId = flags.signalId === undefined ? {} : { signalId: flags.signalId };
      const options: StartOptions = startOptions(flags);
      if (flags.start === undefined && (flags.startInput !== undefined || Object.keys(options).length > 0))
        throw new UsageError("OPTION_INVALID", "How an execution is started goes with --start <workflow>. Say which one, or leave it out.");
      const given = await loadGiven(flags.file);
      await withPawl(self, { library: given?.loaded.library }, async ({ pawl, output }) => {
        const signal = { name, payload, ...signalId };
        if (flags.start === undefined) await (await handleOf(pawl, id, given)).signal(name, payload, signalId);
        else if (given === undefined) await pawl.signalWithStart(flags.start, startInput, { ...options, executionId: id, signal });
        else
          await pawl.signalWithStart(definitionOf(flags.start, flags.version, given), startInput as never, {
            ...options,
            executionId: id,
            signal,
          });
        if (output.json) output.value({ executionId: id, signal: name });
        else output.lines([`${id} was sent ${name}`]);
      });
    });
  addStartOptions(command, "with --start: ");
  addGlobalOptions(command);
}
