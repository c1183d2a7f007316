import type { Command } from "commander";
import { readCheckpoint } from "../checkpoint-option.ts";
import { handleOf, loadGiven } from "../definition-of.ts";
import { UsageError } from "../failures.ts";
import { addGlobalOptions, examples } from "../global-options.ts";
import { readInput } from "../json-input.ts";
import { readRun } from "../run-option.ts";
import { withPawl } from "../session.ts";

interface ForkFlags {
  readonly from?: string;
  readonly run?: string;
  readonly id?: string;
  readonly input?: string;
  readonly file?: string;
  readonly result: readonly string[];
  readonly toVersion?: string;
  readonly taskQueue?: string;
}

export function addForkCommand(program: Command): void {
  const command = program
    .command("fork")
    .summary("start a new execution from a checkpoint of another")
    .description(
      "Starts a new execution with another one's history up to a checkpoint, if you like with another input, other results or another version. The other one is not changed.",
    )
    .argument("<id>", "id of the execution to fork")
    .option("--from <checkpoint>", "its number, 1 for the start, the name of a step for its last result, or latest for that of any step")
    .option("--run <run>", "of an earlier run: its number or id, as `pawl runs` lists them")
    .option("--id <executionId>", "of the new execution")
    .option("--input <json>", "instead of its input: JSON, @file, or - for stdin")
    .option("--file <file>", "with --input: check it against the workflow in this file")
    .option("--result <step=json>", "instead of a step's result; repeatable", (given: string, before: readonly string[]) => [...before, given], [])
    .option("--to-version <version>", "another version of the workflow")
    .option("--task-queue <name>", "another queue")
    .addHelpText(
      "after",
      examples([
        ["pawl fork docs-2026-11 --from collect --result collect='[\"a.pdf\"]'", "what if there had been one file only?"],
        ["pawl fork docs-2026-11 --from 7 --to-version 2", "go on with new code"],
      ]),
    )
    .action(async (id: string, flags: ForkFlags, self: Command) => {
      if (flags.file !== undefined && flags.input === undefined)
        throw new UsageError("OPTION_INVALID", "--file is what --input is checked against. Give an input, or leave it out.");
      const given = await loadGiven(flags.file);
      await withPawl(self, { library: given?.loaded.library }, async ({ pawl, output }) => {
        const from = await handleOf(pawl, id, given, flags.toVersion);
        const handle = await from.fork({
          from: readCheckpoint(flags.from, "--from"),
          ...(await readRun(from, flags.run)),
          ...(flags.id === undefined ? {} : { executionId: flags.id }),
          ...(flags.input === undefined ? {} : { input: await readInput(flags.input) }),
          ...(flags.result.length === 0 ? {} : { results: readResults(flags.result) }),
          ...(flags.toVersion === undefined ? {} : { version: flags.toVersion }),
          ...(flags.taskQueue === undefined ? {} : { taskQueue: flags.taskQueue }),
        });
        const { runId, state } = await handle.status();
        if (output.json) output.value({ executionId: handle.executionId, runId, state });
        else output.lines([`${handle.executionId} is a fork of ${id}`]);
      });
    });
  addGlobalOptions(command);
}

/** @throws UsageError */
function readResults(given: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new UsageError("OPTION_INVALID", `--result: "${pair}" is not of the form step=json, such as --result count=3.`);
      try {
        return [pair.slice(0, at), JSON.parse(pair.slice(at + 1)) as unknown];
      } catch {
        throw new UsageError("OPTION_INVALID", `--result: what stands after "${pair.slice(0, at + 1)}" is not JSON.`);
      }
    }),
  );
}
