import type { Command } from "commander";
import { type BulkCheckpoint, type BulkOperation, type BulkOptions, type BulkProgress } from "pawl";
import { readCheckpoint } from "../checkpoint-option.ts";
import { UsageError } from "../failures.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import type { Output } from "../output.ts";
import { withPawl } from "../session.ts";

interface BulkFlags {
  readonly filter: string;
  readonly reason?: string;
  readonly to?: string;
  readonly from?: string;
  readonly toVersion?: string;
  readonly signal?: string;
  readonly input?: string;
  readonly id?: string;
  readonly wait?: boolean;
}

export function addBulkCommand(program: Command): void {
  const command = program
    .command("bulk")
    .summary("do one thing to all executions that a filter finds")
    .description(
      "Does one thing to all executions that a filter finds, as an execution of its own that workers run: it survives crashes, pawl value <id> progress says how far it is, and pawl cancel stops it. " +
        "Exit code with --wait: 0, or 1 if it failed for some of them.",
    )
    .argument("<operation>", "cancel, terminate, pause, resume, retry, rollback, fork or signal")
    .requiredOption("--filter <expression>", "which executions, such as 'state == \"failed\"'")
    .option("--reason <text>", "kept with each")
    .option("--to <checkpoint>", "of a rollback: 1 for the start, the name of a step for its last result, or latest for that of any step")
    .option("--from <checkpoint>", "of a fork: the same")
    .option("--to-version <version>", "of a fork: another version of the workflow")
    .option("--signal <name>", "which signal is sent to each")
    .option("--input <json>", "the signal's payload: JSON, @file, or - for stdin")
    .option("--id <executionId>", "of the operation itself; asked for again, it is done once")
    .option("--wait", "wait for its end")
    .addHelpText(
      "after",
      examples([
        [`pawl bulk retry --filter 'workflow == "order" && state == "failed"' --wait`, "after the provider is back"],
        [`pawl bulk fork --filter 'workflow == "order" && version == "1" && state == "paused"' --from latest --to-version 2`, "move them to new code"],
        [`pawl bulk rollback --filter 'labels.batch == "7"' --to collect`, "everything after step collect again"],
      ]),
    )
    .action(async (operation: string, flags: BulkFlags, self: Command) => {
      if (flags.input !== undefined && flags.signal === undefined)
        throw new UsageError("OPTION_INVALID", "--input is the payload of a signal. Say which one with --signal, or leave it out.");
      const options: BulkOptions = {
        operation: operation as BulkOperation,
        filter: flags.filter,
        ...(flags.reason === undefined ? {} : { reason: flags.reason }),
        ...(flags.to === undefined ? {} : { to: readBulkCheckpoint(flags.to, "--to") }),
        ...(flags.from === undefined ? {} : { from: readBulkCheckpoint(flags.from, "--from") }),
        ...(flags.toVersion === undefined ? {} : { version: flags.toVersion }),
        ...(flags.signal === undefined ? {} : { signal: { name: flags.signal, payload: await readInput(flags.input) } }),
        ...(flags.id === undefined ? {} : { executionId: flags.id }),
      };
      await withPawl(self, {}, async ({ pawl, output }) => {
        const handle = await pawl.bulk(options);
        if (flags.wait === true) return report(handle.executionId, await handle.result(), output);
        if (output.json) output.value({ executionId: handle.executionId });
        else output.lines([`${handle.executionId} has begun; pawl value ${handle.executionId} progress says how far it is`]);
      });
    });
  addGlobalOptions(command);
}

/** A number other than 1 stands for something else in every execution. @throws UsageError */
function readBulkCheckpoint(given: string, option: string): BulkCheckpoint {
  const choice = readCheckpoint(given, option);
  if (typeof choice !== "number" || choice === 1) return choice;
  throw new UsageError(
    "OPTION_INVALID",
    `${option}: ${given} is the number of a checkpoint of one execution. For all of them give 1 for the start, the name of a step, or latest.`,
  );
}

function report(executionId: string, progress: BulkProgress, output: Output): void {
  if (progress.failed > 0) process.exitCode = 1;
  if (output.json) return output.value({ executionId, ...progress });
  const { matched, done, skipped, failed, failures } = progress;
  output.lines([
    `${done} of ${matched} done${skipped > 0 ? `, ${skipped} skipped` : ""}${failed > 0 ? `, ${failed} failed` : ""}`,
    ...failures.map(({ executionId: id, code, message }) => `${id}: ${message} [${code}]`),
  ]);
}
