import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { describeScope, pauseTarget, type TargetFlags } from "../pause-target.ts";
import { withPawl } from "../session.ts";

export function addResumeCommand(program: Command): void {
  const command = program
    .command("resume")
    .summary("go on with a paused, cancelled or quarantined execution")
    .description(
      "Lets a paused execution go on. Of a cancelled or quarantined one it starts the next run, from what it had recorded: completed steps do not run again. " +
        "With --task-queue or --workflow, ends its pause.",
    )
    .argument("[id]", "id of the execution")
    .option("--task-queue <name>", "a whole task queue")
    .option("--workflow <name>", "all executions of a workflow")
    .addHelpText("after", examples([["pawl resume docs-2026-11", "go on after the cause is fixed"]]))
    .action(async (id: string | undefined, flags: TargetFlags, self: Command) => {
      const target = pauseTarget(id, flags);
      await withPawl(self, {}, async ({ pawl, output }) => {
        if (typeof target !== "string") {
          const wasPaused = await pawl.pauses.remove(target);
          if (output.json) output.value({ ...target, wasPaused });
          else output.lines([wasPaused ? `${describeScope(target)} goes on` : `${describeScope(target)} was not paused`]);
          return;
        }
        const handle = await pawl.handle(target).resume();
        const { runId, runNumber, state } = await handle.status();
        if (output.json) output.value({ executionId: target, runId, runNumber, state });
        else output.lines([`${target} goes on${runNumber > 1 ? ` as run ${runNumber}` : ""}`]);
      });
    });
  addGlobalOptions(command);
}
