import type { Command } from "commander";
import type { ExecutionInfo, ExecutionState, ListOptions } from "pawl";
import { addGlobalOptions, collect, examples, wholeNumber } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table, type Column } from "../table.ts";
import { ago, between, pointInTime } from "../times.ts";
import type { Output } from "../output.ts";

interface ListFlags {
  readonly workflow?: string;
  readonly state?: readonly string[];
  readonly queue?: string;
  readonly parent?: string;
  readonly since?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

export function addListCommand(program: Command): void {
  const command = program
    .command("list")
    .summary("list executions, newest first")
    .description("Lists executions, newest first, page by page.")
    .option("--workflow <name>", "only of this workflow")
    .option("--state <state>", "only in this state, repeatable", collect)
    .option("--queue <name>", "only in this task queue")
    .option("--parent <id>", "only children of this execution")
    .option("--since <when>", 'only those created since: "2h" ago, or a date')
    .option("--limit <n>", "rows per page, 1 to 1000 (50)", wholeNumber)
    .option("--cursor <cursor>", "the next page, as the page before says")
    .addHelpText(
      "after",
      examples([
        ["pawl list --state failed --state quarantined --since 1d", "what went wrong since yesterday"],
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
    ...(flags.workflow === undefined ? {} : { workflow: flags.workflow }),
    // The library checks that they are states.
    ...(flags.state === undefined ? {} : { state: flags.state as readonly ExecutionState[] }),
    ...(flags.queue === undefined ? {} : { taskQueue: flags.queue }),
    ...(flags.parent === undefined ? {} : { parent: flags.parent }),
    ...(flags.since === undefined ? {} : { createdAfter: pointInTime(flags.since, "--since") }),
    ...(flags.limit === undefined ? {} : { limit: flags.limit }),
    ...(flags.cursor === undefined ? {} : { cursor: flags.cursor }),
  };
}
