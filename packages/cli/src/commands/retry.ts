import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readRun } from "../run-option.ts";
import { withPawl } from "../session.ts";

interface RetryFlags {
  readonly run?: string;
  readonly reason?: string;
}

export function addRetryCommand(program: Command): void {
  const command = program
    .command("retry")
    .summary("go on with a failed or timed-out execution")
    .description("Starts the next run of a failed or timed-out execution from where it failed: completed steps do not run again, what failed begins anew.")
    .argument("<id>", "id of the execution")
    .option("--run <run>", "only if this is still the latest run: its number or id, as `pawl runs` lists them")
    .option("--reason <text>", "kept in the history")
    .addHelpText("after", examples([["pawl retry docs-2026-11 --reason 'the provider is back'", "go on at the step that failed"]]))
    .action(async (id: string, { run, reason }: RetryFlags, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const before = pawl.handle(id);
        const handle = await before.retry({ ...(await readRun(before, run)), ...(reason === undefined ? {} : { reason }) });
        const { runId, runNumber, state } = await handle.status();
        if (output.json) output.value({ executionId: id, runId, runNumber, state });
        else output.lines([`${id} goes on as run ${runNumber}`]);
      });
    });
  addGlobalOptions(command);
}
