import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { printable } from "../printable.ts";
import { withPawl } from "../session.ts";

export function addImportCommand(program: Command): void {
  const command = program
    .command("import")
    .summary("bring in an exported execution")
    .description(
      "Brings in an execution that `pawl export` wrote, with all its runs and histories, under its own id or another. It never changes one that exists. " +
        "An execution that had not ended is quarantined: `pawl resume` lets it go on here.",
    )
    .argument("<file>", "the file, or - for stdin")
    .option("--execution-id <id>", "id to give it (its own)")
    .addHelpText(
      "after",
      examples([
        ["pawl import docs-2026-11.json", "look at it with show and history"],
        ["pawl export a --url postgres://... | pawl import - --dir .pawl", "from production to the database in this directory"],
      ]),
    )
    .action(async (file: string, flags: { readonly executionId?: string }, self: Command) => {
      const document = await readInput(file === "-" ? "-" : `@${file}`);
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = await pawl.importExecution(document, flags.executionId === undefined ? {} : { executionId: flags.executionId });
        const { executionId, runId, workflow, version, state } = await handle.status();
        if (output.json) output.value({ executionId, runId, workflow, version, state });
        else output.lines([printable(`${executionId} is ${state}${state === "quarantined" ? "; pawl resume lets it go on" : ""}`)]);
      });
    });
  addGlobalOptions(command);
}
