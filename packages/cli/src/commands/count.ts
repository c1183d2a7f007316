import type { Command } from "commander";
import type { CountedGroup } from "pawl";
import { addFilterOptions, filterOptions, type FilterFlags } from "../filter-options.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table, type Column } from "../table.ts";

interface CountFlags extends FilterFlags {
  readonly by?: string;
}

export function addCountCommand(program: Command): void {
  const command = addFilterOptions(program.command("count"))
    .summary("count executions")
    .description("Counts executions, all or those that the options allow, and with --by how many there are of each value. It reads what it counts.")
    .option("--by <field>", "group by state, workflow, version, taskQueue, key, priority, labels.<name> or attributes.<name>")
    .addHelpText(
      "after",
      examples([
        ["pawl count --by state --since 1d", "how did the last day go?"],
        ["pawl count --filter 'state == \"failed\"' --by labels.customer", "whose executions failed?"],
      ]),
    )
    .action(async (flags: CountFlags, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const counted = await pawl.count({ ...filterOptions(flags), ...(flags.by === undefined ? {} : { groupBy: flags.by }) });
        if (output.json) return output.value(counted);
        if (flags.by === undefined) return output.lines([String(counted.count)]);
        const columns: readonly Column<CountedGroup>[] = [
          { title: "COUNT", text: ({ count }) => String(count), right: true },
          { title: flags.by, text: ({ value }) => (value === null ? "(none)" : value instanceof Date ? value.toISOString() : String(value)) },
        ];
        if (counted.groups.length > 0) output.lines(table(columns, counted.groups, output.width, output.paint.dim));
        output.remark(`${counted.count} in all${counted.complete ? "" : "; these are the 1000 largest groups"}`);
      });
    });
  addGlobalOptions(command);
}
