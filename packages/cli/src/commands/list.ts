import type { Command } from "commander";
import type { ExecutionInfo, ListOptions } from "pawl";
import { addFilterOptions, filterOptions, type FilterFlags } from "../filter-options.ts";
import { addGlobalOptions, examples, wholeNumber } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table, type Column } from "../table.ts";
import { ago, between } from "../times.ts";
import type { Output } from "../output.ts";

interface ListFlags extends FilterFlags {
  readonly limit?: number;
  readonly cursor?: string;
}

export function addListCommand(program: Command): void {
  const command = addFilterOptions(program.command("list"))
    .summary("list executions, newest first")
    .description("Lists executions, newest first, page by page.")
    .option("--limit <n>", "rows per page, 1 to 1000 (50)", wholeNumber)
    .option("--cursor <cursor>", "the next page, as the page before says")
    .addHelpText(
      "after",
      examples([
        ["pawl list --state failed --state quarantined --since 1d", "what went wrong since yesterday"],
        ["pawl list --filter 'labels.customer == \"acme\" && attributes.pages > 100'", "by labels and attributes"],
        ["pawl list --parent docs-2026-11 --json", "children, for a program"],
      ]),
    )
    .action(async (flags: ListFlags, self: Command) => {
      const options = listOptions(flags);
      await withPawl(self, {}, async ({ pawl, output }) => {
        const { executions, nextCursor } = await pawl.list(options);
        if (output.json) return output.value({ executions, nextCursor: nextCursor ?? null });
        if (executions.length === 0) return output.remark("No executions.");
        output.lines(executionTable(executions, output));
        if (nextCursor !== undefined) output.remark(`There are more: add --cursor ${nextCursor}`);
      });
    });
  addGlobalOptions(command);
}

/** Also for the children that `show` lists. */
export function executionTable(executions: readonly ExecutionInfo[], output: Output): string[] {
  const columns: readonly Column<ExecutionInfo>[] = [
    { title: "ID", text: (row) => row.executionId, paint: output.paint.bold },
    { title: "WORKFLOW", text: (row) => `${row.workflow}@${row.version}` },
    { title: "STATE", text: (row) => row.state, paint: (text, row) => output.state(text, row.state) },
    { title: "QUEUE", text: (row) => row.taskQueue },
    { title: "CREATED", text: (row) => ago(row.createdAt) },
    { title: "TOOK", text: (row) => (row.startedAt === null || row.finishedAt === null ? "" : between(row.startedAt, row.finishedAt)) },
    { title: "WAITS FOR", text: (row) => row.waitingFor ?? "" },
  ];
  return table(columns, executions, output.width, output.paint.dim);
}

function listOptions(flags: ListFlags): ListOptions {
  return {
    ...filterOptions(flags),
    ...(flags.limit === undefined ? {} : { limit: flags.limit }),
    ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }),
  };
}
