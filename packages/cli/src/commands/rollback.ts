import type { Command } from "commander";
import { readCheckpoint } from "../checkpoint-option.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readRun } from "../run-option.ts";
import { withPawl } from "../session.ts";

interface RollbackFlags {
  readonly to?: string;
  readonly run?: string;
  readonly reason?: string;
}

export function addRollbackCommand(program: Command): void {
  const command = program
    .command("rollback")
    .summary("let an execution go on from an earlier checkpoint")
    .description(
      "Starts the next run of an execution from a checkpoint, whatever state it is in. What came after the checkpoint is not kept; the run before can still be read.",
    )
    .argument("<id>", "id of the execution")
    .option("--to <checkpoint>", "its number, 1 for the start, the name of a step for its last result, or latest for that of any step")
    .option("--run <run>", "only if this is still the latest run: its number or id, as `pawl runs` lists them")
    .option("--reason <text>", "kept in the history")
    .addHelpText(
      "after",
      examples([
        ["pawl checkpoints docs-2026-11", "what there is"],
        ["pawl rollback docs-2026-11 --to 7 --reason 'wrong prices'", "everything after event 7 happens again"],
        ["pawl rollback docs-2026-11 --to collect", "from after the last result of step collect"],
      ]),
    )
    .action(async (id: string, { to, run, reason }: RollbackFlags, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const before = pawl.handle(id);
        const choice = readCheckpoint(to, "--to");
        const handle = await before.rollback({ to: choice, ...(await readRun(before, run)), ...(reason === undefined ? {} : { reason }) });
        const { runId, runNumber, state } = await handle.status();
        if (output.json) output.value({ executionId: id, runId, runNumber, state });
        else output.lines([`${id} goes on as run ${runNumber}`]);
      });
    });
  addGlobalOptions(command);
}
