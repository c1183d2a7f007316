import type { Command } from "commander";
import type { FilterOptions } from "pawl";
import { collect } from "./global-options.ts";
import { pointInTime } from "./times.ts";

/** Which executions a command is about. */
export interface FilterFlags {
  readonly workflow?: string;
  readonly state?: readonly string[];
  readonly queue?: string;
  readonly parent?: string;
  readonly since?: string;
  readonly until?: string;
  readonly filter?: string;
}

export function addFilterOptions(command: Command): Command {
  return command
    .option("--workflow <name>", "only of this workflow")
    .option("--state <state>", "only in this state, repeatable", collect)
    .option("--queue <name>", "only in this task queue")
    .option("--parent <id>", "only children of this execution")
    .option("--since <when>", 'only those created since: "2h" ago, or a date')
    .option("--until <when>", "only those created before: so long ago, or a date")
    .option("--filter <condition>", "only where this is true, such as 'labels.team == \"red\"' (docs/search.md)");
}

export function filterOptions(flags: FilterFlags): FilterOptions {
  return {
    ...(flags.workflow === undefined ? {} : { workflow: flags.workflow }),
    // The library checks that they are states.
    ...(flags.state === undefined ? {} : { state: flags.state as Extract<FilterOptions["state"], readonly unknown[]> }),
    ...(flags.queue === undefined ? {} : { taskQueue: flags.queue }),
    ...(flags.parent === undefined ? {} : { parent: flags.parent }),
    ...(flags.since === undefined ? {} : { createdAfter: pointInTime(flags.since, "--since") }),
    ...(flags.until === undefined ? {} : { createdBefore: pointInTime(flags.until, "--until") }),
    ...(flags.filter === undefined ? {} : { filter: flags.filter }),
  };
}
