import type { Command } from "commander";
import type { ExecutionHandle } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { loadWorkflows } from "../load-workflows.ts";
import { jsonText } from "../printable.ts";
import { withPawl } from "../session.ts";
import { UsageError } from "../failures.ts";

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
      await withPawl(self, { prepare: true, library: loaded.library }, async ({ pawl, output }) => {
        const { workflow, version } = await pawl.handle(id).status();
        const definition = loaded.workflows.find((candidate) => candidate.name === workflow && candidate.version === version);
        if (definition === undefined)
          throw new UsageError("WORKFLOW_UNKNOWN", `${id} runs ${workflow}@${version}, which ${flags.file} does not have. Name the file that has it.`);
        // By name: what a file exports is known only when it is loaded.
        const handle = pawl.handle(id, definition) as ExecutionHandle;
        const answer: unknown = await handle.query(name, argument);
        if (output.json) output.value({ executionId: id, query: name, answer });
        else output.lines([jsonText(answer)]);
      });
    });
  addGlobalOptions(command);
}
