import type { Command } from "commander";
import { handleOf, loadGiven } from "../definition-of.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { jsonText } from "../printable.ts";
import { withPawl } from "../session.ts";

export function addUpdateCommand(program: Command): void {
  const command = program
    .command("update")
    .summary("change the state of an execution and print the reply")
    .description("Sends an update and waits for its reply. It is applied once, by the worker that has the execution's code.")
    .argument("<id>", "id of the execution")
    .argument("<name>", "name of the update")
    .option("--input <json>", "its input: JSON, @file, or - for stdin")
    .option("--file <file>", "check the input against the workflow in this file before it is sent")
    .option("--update-id <id>", "sent twice with the same id, it is applied once")
    .option("--timeout <duration>", 'give up waiting for the reply after so long, such as "10s"')
    .addHelpText("after", examples([["pawl update cart-7 add --input '\"book\"' --timeout 10s", "change it and see what it says"]]))
    .action(
      async (
        id: string,
        name: string,
        flags: { readonly input?: string; readonly file?: string; readonly updateId?: string; readonly timeout?: string },
        self: Command,
      ) => {
        const input = await readInput(flags.input);
        const given = await loadGiven(flags.file);
        await withPawl(self, { library: given?.loaded.library }, async ({ pawl, output }) => {
          const reply: unknown = await (
            await handleOf(pawl, id, given)
          ).update(name, input, {
            ...(flags.updateId === undefined ? {} : { updateId: flags.updateId }),
            ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
          });
          if (output.json) output.value({ executionId: id, update: name, reply });
          else output.lines([jsonText(reply)]);
        });
      },
    );
  addGlobalOptions(command);
}
