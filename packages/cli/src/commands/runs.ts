import type { Command } from "commander";
import type { RunInfo } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table } from "../table.ts";
import { between } from "../times.ts";

export function addRunsCommand(program: Command): void {
  const command = program
    .command("runs")
    .summary("list the runs of one execution")
    .description("Lists the runs of an execution, oldest first. What a resume, rollback, retry or continue-as-new left behind can still be read.")
    .argument("<id>", "id of the execution")
    .addHelpText(
      "after",
      examples([
        ["pawl runs poll-mailbox", "how often has it continued?"],
        ["pawl history poll-mailbox --run 3", "what happened in its third run"],
      ]),
    )
    .action(async (id: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const runs = await pawl.handle(id).runs();
        if (output.json) return output.value({ executionId: id, runs });
        output.lines(
          table(
            [
              { title: "RUN", text: (run: RunInfo) => String(run.runNumber), right: true },
              { title: "STATE", text: (run: RunInfo) => run.state, paint: (text: string, run: RunInfo) => output.state(text, run.state) },
              { title: "VERSION", text: (run: RunInfo) => run.version },
              { title: "EVENTS", text: (run: RunInfo) => String(run.events), right: true },
              { title: "BEGUN", text: (run: RunInfo) => run.startedAt?.toISOString() ?? "" },
              { title: "TOOK", text: (run: RunInfo) => (run.startedAt === null || run.finishedAt === null ? "" : between(run.startedAt, run.finishedAt)) },
              { title: "RUN ID", text: (run: RunInfo) => run.runId },
            ],
            runs,
            output.width,
            output.paint.dim,
          ),
        );
      });
    });
  addGlobalOptions(command);
}
