import type { Command } from "commander";
import { addGlobalOptions, examples } from "../global-options.ts";
import { describeScope, pauseTarget, type TargetFlags } from "../pause-target.ts";
import { withPawl } from "../session.ts";

interface PauseFlags extends TargetFlags {
  readonly reason?: string;
}

export function addPauseCommand(program: Command): void {
  const command = program
    .command("pause")
    .summary("hold an execution, a task queue or a workflow")
    .description(
      "Holds an execution before its next step: what is running may end and is recorded, and nothing begins until it is resumed. " +
        "With --task-queue or --workflow, nothing more is claimed from it; what is claimed goes on.",
    )
    .argument("[id]", "id of the execution")
    .option("--task-queue <name>", "a whole task queue")
    .option("--workflow <name>", "all executions of a workflow")
    .option("--reason <text>", "kept with it")
    .addHelpText(
      "after",
      examples([
        ["pawl pause docs-2026-11 --reason 'the provider is down'", "hold it; pawl resume lets it go on"],
        ["pawl pause --task-queue email", "claim nothing more from this queue"],
      ]),
    )
    .action(async (id: string | undefined, { reason, ...flags }: PauseFlags, self: Command) => {
      const target = pauseTarget(id, flags);
      const why = reason === undefined ? {} : { reason };
      await withPawl(self, {}, async ({ pawl, output }) => {
        if (typeof target !== "string") {
          await pawl.pauses.add({ ...target, ...why });
          if (output.json) output.value(await pawl.pauses.list());
          else output.lines([`${describeScope(target)} is paused`]);
          return;
        }
        const state = await pawl.handle(target).pause(why);
        if (output.json) output.value({ executionId: target, state });
        else output.lines([state === "paused" ? `${target} is paused` : `${target} will pause when no step of it runs`]);
      });
    });
  addGlobalOptions(command);
}
