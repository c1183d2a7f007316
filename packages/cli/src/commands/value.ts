import type { Command } from "commander";
import { UsageError } from "../failures.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { jsonText } from "../printable.ts";
import { withPawl } from "../session.ts";

export function addValueCommand(program: Command): void {
  const command = program
    .command("value")
    .summary("print a value that an execution has published")
    .description("Prints what the execution has set under a key with ctx.set. Without a value: null.")
    .argument("<id>", "id of the execution")
    .argument("<key>", "key of the value")
    .option("--wait", "wait until it is set")
    .option("--timeout <duration>", 'with --wait: give up after so long, such as "10s"')
    .addHelpText("after", examples([["pawl value docs-7 progress --wait --timeout 1m", "as soon as it is there"]]))
    .action(async (id: string, key: string, flags: { readonly wait?: boolean; readonly timeout?: string }, self: Command) => {
      if (flags.timeout !== undefined && flags.wait !== true)
        throw new UsageError("OPTION_INVALID", "--timeout is how long --wait waits. Add --wait, or leave it out.");
      await withPawl(self, {}, async ({ pawl, output }) => {
        const value = await pawl.handle(id).value(key, {
          ...(flags.wait === undefined ? {} : { wait: flags.wait }),
          ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
        });
        if (output.json) output.value({ executionId: id, key, value: value ?? null });
        else output.lines([jsonText(value ?? null)]);
      });
    });
  addGlobalOptions(command);
}
