import type { Command } from "commander";
import type { StartOptions } from "pawl";
import { collect } from "./global-options.ts";
import { readAttributes, readLabels } from "./name-values.ts";

/** The flags that say how an execution is started. */
export interface StartOptionFlags {
  readonly id?: string;
  readonly key?: string;
  readonly delay?: string;
  readonly timeout?: string;
  readonly idempotencyKey?: string;
  readonly priority?: string;
  readonly deduplicationId?: string;
  readonly queue?: string;
  readonly version?: string;
  readonly label?: readonly string[];
  readonly attribute?: readonly string[];
}

/** Adds those that are the same wherever an execution is started. @param when put before what each of them says */
export function addStartOptions(command: Command, when = ""): void {
  command
    .option("--delay <duration>", `${when}not before so long from now, such as "10m"`)
    .option("--timeout <duration>", `${when}it ends timed_out so long after its start (the workflow's own, with --file)`)
    .option("--queue <name>", `${when}task queue (the workflow's own)`)
    .option("--key <key>", `${when}its key within its queue, for limits per key; keys take turns`)
    .option("--priority <number>", `${when}from -1000 (first) to 1000 (last), in a queue that was set (0)`)
    .option("--version <version>", `${when}version of the workflow (the highest that is known)`)
    .option("--label <name=text>", `${when}what the execution belongs to, repeatable`, collect)
    .option("--attribute <name=value>", `${when}what it can be found by, repeatable: a text, or JSON such as 7, true or "7"`, collect);
}

/** @throws UsageError */
export function startOptions(flags: StartOptionFlags): StartOptions {
  return {
    ...(flags.id === undefined ? {} : { executionId: flags.id }),
    ...(flags.idempotencyKey === undefined ? {} : { idempotencyKey: flags.idempotencyKey }),
    ...(flags.delay === undefined ? {} : { delay: flags.delay }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.queue === undefined ? {} : { taskQueue: flags.queue }),
    ...(flags.key === undefined ? {} : { key: flags.key }),
    ...(flags.priority === undefined ? {} : { priority: Number(flags.priority) }),
    ...(flags.deduplicationId === undefined ? {} : { deduplicationId: flags.deduplicationId }),
    ...(flags.version === undefined ? {} : { version: flags.version }),
    ...(flags.label === undefined ? {} : { labels: readLabels(flags.label) }),
    ...(flags.attribute === undefined ? {} : { attributes: readAttributes(flags.attribute) }),
  };
}
