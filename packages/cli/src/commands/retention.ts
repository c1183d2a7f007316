import type { Command } from "commander";
import type { RetentionPolicy, RetentionScope } from "pawl";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table, type Column } from "../table.ts";

interface ScopeFlags {
  readonly workflow?: string;
  readonly state?: string;
}

/** `retention set`, `list`, `delete` and `run`. */
export function addRetentionCommand(program: Command): void {
  const retention = program
    .command("retention")
    .summary("say how long ended executions are kept")
    .description(
      "Says how long executions are kept after their end, and earlier runs after their execution continued as new. Without a policy all are. " +
        "Workers delete in the background what no policy keeps, with its whole history. " +
        "The policy that names the workflow decides, then the one that names the state, then the one for all.",
    )
    .addHelpText("after", examples([["pawl retention set --keep 30d", "keep everything for a month after its end"]]));
  addGlobalOptions(retention);
  addSet(retention);
  addList(retention);
  addDelete(retention);
  addRun(retention);
}

function addSet(retention: Command): void {
  const command = addScope(retention.command("set"))
    .summary("set a policy")
    .description("Sets how long ended executions are kept, for all workflows and states or for those named. It says so again where there is one already.")
    .requiredOption("--keep <duration>", 'such as "30d", or "forever"')
    .addHelpText(
      "after",
      examples([
        ["pawl retention set --state completed --keep 7d", "what went well is of no interest after a week"],
        ["pawl retention set --workflow payment --keep forever", "never delete payments"],
        ["pawl retention set --state continued_as_new --keep 1d", "of what continues as new, only the runs of the last day"],
      ]),
    )
    .action(async (flags: ScopeFlags & { readonly keep: string }, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        await pawl.retention.set({ ...scope(flags), keep: flags.keep });
        if (output.json) output.value(await pawl.retention.list());
        else output.lines(["retention set; workers delete what it no longer keeps within minutes"]);
      });
    });
  addGlobalOptions(command);
}

function addList(retention: Command): void {
  const command = retention
    .command("list")
    .summary("list the policies")
    .description("Lists the policies, the most specific first.")
    .addHelpText("after", examples([["pawl retention list", "what is kept how long?"]]))
    .action(async (_flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const policies = await pawl.retention.list();
        if (output.json) return output.value(policies);
        if (policies.length === 0) return output.remark("No policies: everything is kept.");
        const columns: readonly Column<RetentionPolicy>[] = [
          { title: "WORKFLOW", text: ({ workflow }) => workflow ?? "all" },
          { title: "STATE", text: ({ state }) => state ?? "all" },
          { title: "KEPT FOR", text: ({ keep }) => keep },
        ];
        output.lines(table(columns, policies, output.width, output.paint.dim));
      });
    });
  addGlobalOptions(command);
}

function addDelete(retention: Command): void {
  const command = addScope(retention.command("delete"))
    .summary("delete a policy, not executions")
    .description("Deletes one policy; what it was about is then for the next less specific one. No execution is deleted by this. Exit code 1 if there is none.")
    .addHelpText("after", examples([["pawl retention delete --state completed", "the policy for all completed executions"]]))
    .action(async (flags: ScopeFlags, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const deleted = await pawl.retention.delete(scope(flags));
        if (!deleted) process.exitCode = 1;
        if (output.json) output.value({ deleted });
        else output.lines([deleted ? "policy deleted" : "there is no such policy; see `pawl retention list`"]);
      });
    });
  addGlobalOptions(command);
}

function addRun(retention: Command): void {
  const command = retention
    .command("run")
    .summary("delete now what no policy keeps")
    .description("Deletes now, in small batches, what no policy keeps any longer, instead of leaving it to the workers.")
    .addHelpText("after", examples([["pawl retention run --json", "from a job at night: how much was deleted?"]]))
    .action(async (_flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const deleted = await pawl.retention.run();
        if (output.json) output.value(deleted);
        else output.lines([`${deleted.executions} executions and ${deleted.earlierRuns} earlier runs of others deleted`]);
      });
    });
  addGlobalOptions(command);
}

function addScope(command: Command): Command {
  return command
    .option("--workflow <name>", "only executions of this workflow (all)")
    .option("--state <state>", "only those that ended so: completed, failed, cancelled, terminated, ..., continued_as_new (all)");
}

function scope({ workflow, state }: ScopeFlags): RetentionScope {
  // The library checks that it is a state.
  return { ...(workflow === undefined ? {} : { workflow }), ...(state === undefined ? {} : { state: state as NonNullable<RetentionScope["state"]> }) };
}
