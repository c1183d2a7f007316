import type { Command } from "commander";
import { toMilliseconds } from "pawl/internal";
import { collect, addGlobalOptions, examples, wholeNumber, type GlobalFlags } from "../global-options.ts";
import { loadWorkflows } from "../load-workflows.ts";
import { printable } from "../printable.ts";
import { databaseName, withPawl, type Session } from "../session.ts";

interface WorkerFlags {
  readonly concurrency?: number;
  readonly queue?: readonly string[];
  readonly drain: string;
}

export function addWorkerCommand(program: Command): void {
  const command = program
    .command("worker")
    .summary("run executions until stopped")
    .description(
      "Runs executions of the workflows, and steps for other queues, that a file exports (TypeScript or JavaScript), until SIGINT or SIGTERM. Then it claims nothing more, " +
        "lets running steps finish, gives the rest back and ends; a second signal ends it at once.",
    )
    .argument("<file>", "file that exports workflows")
    .option("--concurrency <n>", "executions that run at the same time (100)", wholeNumber)
    .option("--queue <name>", "task queue to claim from, repeatable (those that the workflows name)", collect)
    .option("--drain <duration>", "how long running steps may take to finish at the end", "10s")
    .addHelpText(
      "after",
      examples([
        ["pawl worker workflows.ts", "everything the file exports"],
        ["pawl worker workflows.ts --queue gpu --concurrency 2", "only one queue, two at a time"],
        ["DATABASE_URL=postgres://app@db/app pawl worker dist/workflows.js --log-format json", "in production: a log of JSON lines, with ids"],
      ]),
    )
    .action(async (file: string, flags: WorkerFlags, self: Command) => {
      // Now: only when the worker stops would it be read otherwise.
      toMilliseconds(flags.drain, "--drain");
      const { workflows, steps, library } = await loadWorkflows(file);
      await withPawl(self, { prepare: true, handlesSignals: true, library, drain: flags.drain }, async (session) => {
        const worker = await session.pawl.worker({
          workflows,
          steps,
          killOnHang: true,
          ...(flags.concurrency === undefined ? {} : { concurrency: flags.concurrency }),
          ...(flags.queue === undefined ? {} : { taskQueues: flags.queue }),
        });
        const { workerId } = worker;
        const definitions = workflows.map(({ name, version }) => `${name}@${version}`);
        const stepNames = steps.map(({ name }) => name);
        const queues = flags.queue ?? [...new Set([...workflows, ...steps].map(({ taskQueue }) => taskQueue))];
        const where = databaseName(self.optsWithGlobals<GlobalFlags>());
        say(
          session,
          `ready: ${[...definitions, ...stepNames.map((name) => `step ${name}`)].join(", ")} on ${queues.join(", ")} (${where}, pid ${process.pid}); Ctrl-C stops`,
          {
            event: "ready",
            workerId,
            workflows: definitions,
            ...(stepNames.length === 0 ? {} : { steps: stepNames }),
            taskQueues: queues,
          },
        );
        const signal = await session.interrupt.happened;
        const running = worker.health().slots.used;
        say(session, `stopping on ${signal}: ${running} running, waiting up to ${flags.drain} (again to end at once)`, { event: "stopping", signal, running });
        await worker.stop({ drain: flags.drain });
        say(session, "stopped", { event: "stopped", workerId });
      });
    });
  addGlobalOptions(command);
}

/** What becomes of the worker: an event for programs, a line for people, and in a log of JSON lines both. */
function say({ output }: Session, text: string, event: object): void {
  output.log?.info(event, text);
  if (output.json) output.value({ ...event, pid: process.pid });
  else if (output.log === undefined) output.lines([printable(text)]);
}
