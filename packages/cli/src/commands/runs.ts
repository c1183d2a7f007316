import type { Command } from "commander";
import type { RunInfo } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table } from "../table.ts";

export function addRunsCommand(program: Command): void {
  const command = program
    .command("runs")
    .summary("the runs of one execution")
    .description("Lists the runs of an execution, oldest first: what a resume, rollback or retry left behind can still be read.")
    .argument("<id>", "id of the execution")
    .addHelpText("after", examples([["pawl runs docs-2026-11", "then: pawl history docs-2026-11 --run <runId>"]]))
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const runs = await pawl.handle(id).runs();
        if (output.json) return output.value({ executionId: id, runs });
        const columns = [
          { title: "RUN", text: ({ runNumber }: RunInfo) => String(runNumber), right: true },
          { title: "STATE", text: ({ state }: RunInfo) => state, paint: (text: string, { state }: RunInfo) => output.state(text, state) },
          { title: "EVENTS", text: ({ events }: RunInfo) => String(events), right: true },
          { title: "STARTED", text: ({ startedAt }: RunInfo) => startedAt?.toISOString() ?? "" },
          { title: "RUN ID", text: ({ runId }: RunInfo) => runId },
        ];
        output.lines(table(columns, runs, output.width, output.paint.dim));
      });
    });
  addGlobalOptions(command);
}
