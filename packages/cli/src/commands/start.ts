import type { Command } from "commander";
import type { AnyWorkflow, ExecutionHandle, Pawl, StartOptions } from "pawl";
import { nodeRuntime } from "pawl/internal";
import { definitionOf } from "../definition-of.ts";
import { pawlCode, UsageError } from "../failures.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { loadWorkflows } from "../load-workflows.ts";
import { addMergeOptions, mergeOptions, type MergeFlags } from "../merge-options.ts";
import { jsonText, printable } from "../printable.ts";
import { withPawl, type Session } from "../session.ts";
import { addStartOptions, startOptions, type StartOptionFlags } from "../start-options.ts";
import { waitForEnd } from "../wait-for-end.ts";

interface StartFlags extends StartOptionFlags, MergeFlags {
  readonly input?: string;
  readonly file?: string;
  readonly wait?: boolean;
}

export function addStartCommand(program: Command): void {
  const command = program
    .command("start")
    .summary("start an execution")
    .description(
      "Starts an execution of a workflow that a live worker has, or that --file exports. With --file and --wait and no live worker for it, " +
        "this process runs the execution itself. Exit code with --wait: 0 if it completed, 1 if it failed, was cancelled, terminated or quarantined.",
    )
    .argument("<workflow>", "name of the workflow")
    .option("--input <json>", "its input: JSON, @file, or - for stdin")
    .option("--id <id>", "id of the execution; starting the same id again gives the same execution")
    .option("--idempotency-key <key>", "idempotency key: one execution per workflow and key")
    .option("--deduplication-id <id>", "gives the execution with this id instead, while there is an open one")
    .option("--file <file>", "take the workflow from this file, TypeScript or JavaScript")
    .option("--wait", "show progress, then the result")
    .addHelpText(
      "after",
      examples([
        ['pawl start greet --file greet.ts --input \'{"name":"Ann"}\' --wait', "the quickest hello world"],
        ["pawl start ingest --input @folder.json --id docs-2026-11", "by name, on a live worker, with an id of your own"],
        ["pawl start rebuild --input '\"site-1\"' --debounce site-1 --period 30s", "one for all that come within half a minute of each other"],
        ["echo '{\"order\":7}' | pawl start ship --input - --delay 2h", "input from another program, to begin later"],
      ]),
    )
    .action(async (name: string, flags: StartFlags, self: Command) => {
      const options = { ...startOptions(flags), ...mergeOptions(flags) };
      const input = await readInput(flags.input);
      const loaded = flags.file === undefined ? undefined : await loadWorkflows(flags.file);
      const definition = loaded === undefined ? undefined : definitionOf(name, flags.version, { file: flags.file!, loaded });
      const opening = { prepare: loaded !== undefined, ...(loaded === undefined ? {} : { library: loaded.library }) };
      await withPawl(self, opening, async (session) => {
        const handle = await start(session.pawl, definition ?? name, input, options);
        void session.interrupt.happened.then(() =>
          session.output.remark(`The execution is not stopped: it goes on where a worker runs. See it with: pawl show ${handle.executionId}`),
        );
        const status = await handle.status();
        if (flags.wait !== true) {
          if (session.output.json)
            session.output.value({
              executionId: status.executionId,
              runId: status.runId,
              workflow: status.workflow,
              version: status.version,
              state: status.state,
            });
          else session.output.lines([printable(status.executionId)]);
          return;
        }
        session.output.remark(`${status.workflow} ${status.executionId}`);
        if (loaded !== undefined && !(await isServed(session.pawl, status))) {
          await session.pawl.worker({
            workflows: loaded.workflows,
            steps: loaded.steps,
            taskQueues: [...new Set([status.taskQueue, ...[...loaded.workflows, ...loaded.steps].map(({ taskQueue }) => taskQueue)])],
          });
        }
        await finish(session, handle);
      });
    });
  addStartOptions(addMergeOptions(command));
  addGlobalOptions(command);
}

async function start(pawl: Pawl, workflow: AnyWorkflow | string, input: unknown, options: StartOptions): Promise<ExecutionHandle> {
  if (typeof workflow !== "string") return pawl.start(workflow, input as never, options);
  try {
    return await pawl.start(workflow, input, options);
  } catch (error) {
    if (pawlCode(error) !== "WORKFLOW_UNKNOWN") throw error;
    const live = (await pawl.workers()).filter(({ state }) => state === "live").flatMap(({ definitions }) => definitions);
    throw new UsageError(
      "WORKFLOW_UNKNOWN",
      `No live worker has workflow "${workflow}"${options.version === undefined ? "" : ` in version "${options.version}"`}. ` +
        (live.length === 0 ? "No worker is live. " : `Live workers have ${[...new Set(live)].toSorted().join(", ")}. `) +
        "Start one with `pawl worker <file>`, or give the definition with --file.",
      { cause: error },
    );
  }
}

/** Whether some live worker would claim it. */
async function isServed(
  pawl: Pawl,
  { workflow, version, taskQueue }: { readonly workflow: string; readonly version: string; readonly taskQueue: string },
): Promise<boolean> {
  // One that was killed looks alive until its lease ends, and nobody else may be there to run anything.
  const workers = (await pawl.workers()).filter(
    ({ state, host, pid }) => state === "live" && !(host === nodeRuntime.identity.host && nodeRuntime.isGone(pid, "")),
  );
  return workers.some((worker) => worker.taskQueues.includes(taskQueue) && worker.definitions.includes(`${workflow}@${version}`));
}

async function finish(session: Session, handle: ExecutionHandle): Promise<void> {
  const { output } = session;
  const end = await waitForEnd(session, handle);
  const { executionId, runId, workflow, version, state } = await handle.status();
  const row = { executionId, runId, workflow, version, state };
  if ("error" in end) {
    if (!output.json) throw end.error;
    output.value({ ...row, error: end.error });
    process.exitCode = 1;
  } else if (output.json) {
    output.value({ ...row, result: end.result ?? null });
  } else {
    output.lines([printable(jsonText(end.result))]);
  }
}
