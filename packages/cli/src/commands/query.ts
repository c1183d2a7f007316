import type { Command } from "commander";
import { handleOf } from "../definition-of.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { loadWorkflows } from "../load-workflows.ts";
import { jsonText } from "../printable.ts";
import { withPawl } from "../session.ts";

export function addQueryCommand(program: Command): void {
  const command = program
    .command("query")
    .summary("ask an execution something about its state")
    .description("Replays the execution's history with the code of --file and prints what its query answers. Changes nothing, needs no worker.")
    .argument("<id>", "id of the execution")
    .argument("<name>", "name of the query")
    .requiredOption("--file <file>", "the file that exports the workflow, TypeScript or JavaScript")
    .option("--input <json>", "the argument of the query: JSON, @file, or - for stdin")
    .addHelpText("after", examples([["pawl query cart-7 total --file shop.ts", "what its state says now"]]))
    .action(async (id: string, name: string, flags: { readonly file: string; readonly input?: string }, self: Command) => {
      const argument = await readInput(flags.input);
      const loaded = await loadWorkflows(flags.file);
      await withPawl(self, { library: loaded.library }, async ({ pawl, output }) => {
        const handle = await handleOf(pawl, id, { file: flags.file, loaded });
        const answer: unknown = await handle.query(name, argument);
        if (output.json) output.value({ executionId: id, query: name, answer });
        else output.lines([jsonText(answer)]);
      });
    });
  addGlobalOptions(command);
}
