import { Option, type Command } from "commander";
import type { QueueInfo, QueueOptions, RateOptions } from "pawl";
import { UsageError } from "../failures.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { withPawl } from "../session.ts";
import { table, type Column } from "../table.ts";

interface LimitFlags {
  readonly concurrency?: string;
  readonly rate?: string;
  readonly keyConcurrency?: string;
  readonly keyRate?: string;
}

/** `queue set`, `list`, `show` and `delete`. */
export function addQueueCommand(program: Command): void {
  const queue = program
    .command("queue")
    .summary("limit task queues")
    .description(
      "Limits how many executions of a task queue are claimed at a time, over all workers, and how many begin in a period; in all, and for each key " +
        "that starts give. A queue that was never set has no limits.",
    )
    .addHelpText("after", examples([["pawl queue set emails --concurrency 50 --rate 100/1m", "50 at a time, and 100 a minute"]]));
  addGlobalOptions(queue);
  addSet(queue);
  addList(queue);
  addShow(queue);
  addDelete(queue);
}

function addSet(queue: Command): void {
  const command = queue
    .command("set")
    .summary("set the limits of a queue")
    .description(
      "Sets all limits of a queue; what is not named has none. Nothing that runs is stopped. Without options the queue goes by key and priority only; " +
        "one that was never set looks at neither. What waits in the database, also for the retry of a step, gives its place back: with " +
        "--key-concurrency 1 the next execution of the key begins then.",
    )
    .argument("<queue>", "name of the task queue")
    .option("--concurrency <number>", "so many of its executions are claimed at the same time")
    .addOption(new Option("--rate <limit/period>", 'so many begin in any such period, such as "100/1m"'))
    .option("--key-concurrency <number>", "the same for each key; 1 begins its executions one at a time, in order")
    .option("--key-rate <limit/period>", "the same for each key")
    .addHelpText(
      "after",
      examples([
        ["pawl queue set accounts --key-concurrency 1", "one at a time for each account"],
        ["pawl queue set api --rate 10/1s --key-rate 1/1s", "ten a second, and one a second for each customer"],
      ]),
    )
    .action(async (name: string, flags: LimitFlags, self: Command) => {
      const options = limits(flags);
      await withPawl(self, {}, async ({ pawl, output }) => {
        await pawl.queues.set(name, options);
        if (output.json) output.value(await pawl.queues.get(name));
        else output.lines([`queue set: ${describeLimits(options)}`]);
      });
    });
  addGlobalOptions(command);
}

function addList(queue: Command): void {
  const command = queue
    .command("list")
    .summary("list the queues that were set")
    .description("Lists the queues that were set, with their limits.")
    .addHelpText("after", examples([["pawl queue list", "which queues have limits?"]]))
    .action(async (_flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const queues = await pawl.queues.list();
        if (output.json) return output.value(queues);
        if (queues.length === 0) return output.remark("No queue was set: none has limits.");
        const columns: readonly Column<QueueInfo>[] = [
          { title: "QUEUE", text: ({ name }) => name },
          { title: "LIMITS", text: describeLimits },
        ];
        output.lines(table(columns, queues, output.width, output.paint.dim));
      });
    });
  addGlobalOptions(command);
}

function addShow(queue: Command): void {
  const command = queue
    .command("show")
    .summary("show a queue, and what it holds")
    .description("Shows the limits of a queue, how many of its executions are claimed, and how many tasks are due in it. Exit code 1 if it was never set.")
    .argument("<queue>", "name of the task queue")
    .addHelpText("after", examples([["pawl queue show emails", "is it at its limit?"]]))
    .action(async (name: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const found = await pawl.queues.get(name);
        if (found === undefined) process.exitCode = 1;
        if (output.json) return output.value(found ?? null);
        if (found === undefined) return output.remark(`Queue ${name} was never set: it has no limits.`);
        output.lines([`limits   ${describeLimits(found)}`, `claimed  ${found.claimed}`, `due      ${found.due}`]);
      });
    });
  addGlobalOptions(command);
}

function addDelete(queue: Command): void {
  const command = queue
    .command("delete")
    .summary("take the limits of a queue away")
    .description("Takes all limits of a queue away. Its tasks stay. Exit code 1 if it was never set.")
    .argument("<queue>", "name of the task queue")
    .addHelpText("after", examples([["pawl queue delete emails", "no limits any more"]]))
    .action(async (name: string, _flags: object, self: Command) => {
      await withPawl(self, {}, async ({ pawl, output }) => {
        const deleted = await pawl.queues.delete(name);
        if (!deleted) process.exitCode = 1;
        if (output.json) output.value({ deleted });
        else output.lines([deleted ? "limits deleted" : "this queue was never set; see `pawl queue list`"]);
      });
    });
  addGlobalOptions(command);
}

function limits({ concurrency, rate, keyConcurrency, keyRate }: LimitFlags): QueueOptions {
  const perKey = {
    ...(keyConcurrency === undefined ? {} : { concurrency: Number(keyConcurrency) }),
    ...(keyRate === undefined ? {} : { rate: readRate(keyRate, "--key-rate") }),
  };
  return {
    ...(concurrency === undefined ? {} : { concurrency: Number(concurrency) }),
    ...(rate === undefined ? {} : { rate: readRate(rate, "--rate") }),
    ...(Object.keys(perKey).length === 0 ? {} : { perKey }),
  };
}

/** @throws UsageError */
function readRate(text: string, flag: string): RateOptions {
  const parts = /^(\d+)\/(.+)$/.exec(text);
  if (parts === null) throw new UsageError("OPTION_INVALID", `${flag}: "${text}" is no rate. Give a number and a period, such as 100/1m.`);
  return { limit: Number(parts[1]), per: parts[2]! };
}

function describeLimits({ concurrency, rate, perKey }: QueueOptions): string {
  const rateText = (given: RateOptions): string => `${given.limit} per ${typeof given.per === "number" ? `${given.per} ms` : given.per}`;
  const parts = [
    ...(concurrency === undefined ? [] : [`${concurrency} at a time`]),
    ...(rate === undefined ? [] : [rateText(rate)]),
    ...(perKey?.concurrency === undefined ? [] : [`${perKey.concurrency} at a time for each key`]),
    ...(perKey?.rate === undefined ? [] : [`${rateText(perKey.rate)} for each key`]),
  ];
  return parts.length === 0 ? "none; goes by key and priority" : parts.join(", ");
}
