import type { Command } from "commander";
import type { WorkflowVersion } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table } from "../table.ts";
import { ago } from "../times.ts";

export function addVersionsCommand(program: Command): void {
  const command = program
    .command("versions")
    .summary("which versions of workflows are in use, and which may go")
    .description("Lists the versions of workflows with their open executions, schedules and live workers, and says which of them nothing needs any more.")
    .argument("[workflow]", "only this one")
    .addHelpText(
      "after",
      examples([
        ["pawl versions order", "may the code of order@1 be removed?"],
        ["pawl versions --json | jq '.versions[] | select(.removable)'", "for a program"],
      ]),
    )
    .action(async (workflow: string | undefined, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const versions = await pawl.workflows.versions(workflow === undefined ? {} : { workflow });
        if (output.json) return output.value({ versions });
        output.lines(
          table(
            [
              { title: "WORKFLOW", text: (row: WorkflowVersion) => row.workflow },
              { title: "VERSION", text: (row: WorkflowVersion) => row.version },
              {
                title: "OPEN",
                text: (row: WorkflowVersion) => counts(row.open) || "none",
              },
              { title: "OLDEST", text: (row: WorkflowVersion) => (row.oldest === null ? "" : ago(row.oldest)) },
              { title: "SCHEDULES", text: (row: WorkflowVersion) => (row.schedules === 0 ? "" : String(row.schedules)), right: true },
              { title: "WORKERS", text: (row: WorkflowVersion) => String(row.workers.length), right: true },
              { title: "NOTE", text: note },
            ],
            versions,
            output.width,
            output.paint.dim,
          ),
        );
      });
    });
  addGlobalOptions(command);
}

function counts(byState: Readonly<Record<string, number>>): string {
  return Object.entries(byState)
    .map(([state, count]) => `${count} ${state}`)
    .join(", ");
}

function note({ removable, workers, open, ended }: WorkflowVersion): string {
  if (removable) return Object.keys(ended).length === 0 ? "can be removed" : `can be removed; not to be retried then: ${counts(ended)}`;
  return workers.length === 0 && Object.keys(open).length > 0 ? "no worker has it" : "";
}
