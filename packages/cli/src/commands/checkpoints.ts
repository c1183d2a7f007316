import type { Command } from "commander";
import type { Checkpoint } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readRun } from "../run-option.ts";
import { withPawl } from "../session.ts";
import { table } from "../table.ts";

export function addCheckpointsCommand(program: Command): void {
  const command = program
    .command("checkpoints")
    .summary("points to roll an execution back to, or to fork it from")
    .description("Lists the checkpoints of an execution: one for every completed step. pawl rollback and pawl fork take their number.")
    .argument("<id>", "id of the execution")
    .option("--run <run>", "of an earlier run: its number or id, as `pawl runs` lists them")
    .addHelpText("after", examples([["pawl checkpoints docs-2026-11", "then: pawl rollback docs-2026-11 --to 7"]]))
    .action(async (id: string, flags: { readonly run?: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = pawl.handle(id);
        const checkpoints = await handle.checkpoints(await readRun(handle, flags.run));
        if (output.json) return output.value({ executionId: id, checkpoints });
        if (checkpoints.length === 0) return output.remark(`${id} has no completed step: only its start, 1, is a checkpoint`);
        const columns = [
          { title: "SEQ", text: ({ seq }: Checkpoint) => String(seq), right: true },
          { title: "STEP", text: ({ step }: Checkpoint) => step },
          { title: "CALL", text: ({ position }: Checkpoint) => String(position), right: true },
          { title: "AT", text: ({ at }: Checkpoint) => at.toISOString() },
        ];
        output.lines(table(columns, checkpoints, output.width, output.paint.dim));
      });
    });
  addGlobalOptions(command);
}
