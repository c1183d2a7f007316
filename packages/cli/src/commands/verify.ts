import type { Command } from "commander";
import { OptionInvalid } from "pawl";
import { readEffectLedger, readOperationLog, toMilliseconds, verifyPostgres, type VerifyOptions, type VerifyReport } from "pawl/internal";
import { withDatabase } from "../database.ts";
import { addGlobalOptions, examples, wholeNumber } from "../global-options.ts";
import { readText } from "../json-input.ts";
import type { Output } from "../output.ts";
import { printable } from "../printable.ts";

interface VerifyFlags {
  readonly log?: readonly string[];
  readonly effects?: readonly string[];
  readonly limit?: number;
  readonly timeout: string;
}

export function addVerifyCommand(program: Command): void {
  const command = program
    .command("verify")
    .summary("hold the database against every promise")
    .description(
      "Checks that everything in the database is as Pawl promises (docs/guarantees.md): whole histories, one owner, one result, timers that are not early, and so on. " +
        "Reads only, in one snapshot, also beside live workers. Exit code 1 if a promise is broken.",
    )
    .option("--log <file...>", "operation logs of clients (JSON Lines), to compare with what is there")
    .option("--effects <file...>", "effect ledgers of steps (JSON Lines), to compare with what is recorded")
    .option("--limit <n>", "look only at so many executions, the newest ones (all)", wholeNumber)
    .option("--timeout <duration>", "no statement may take longer", "60s")
    .addHelpText(
      "after",
      examples([
        ["pawl verify", "does every promise hold?"],
        ["pawl verify --limit 10000", "on a large database: the newest executions"],
        ["pawl verify --json | jq '.invariants[] | select(.verdict == \"violated\")'", "for monitoring"],
      ]),
    )
    .action(async (flags: VerifyFlags, self: Command) => {
      const options = await readOptions(flags);
      const statementTimeoutMs = toMilliseconds(flags.timeout, "--timeout");
      await withDatabase(self, { create: false }, async ({ place, flags: { namespace }, output }) => {
        const report = await verifyPostgres({
          ...place,
          ...options,
          ...(namespace === undefined ? {} : { namespace }),
          connectTimeoutMs: 5000,
          statementTimeoutMs,
          logger: output.logger,
        });
        if (!report.holds) process.exitCode = 1;
        if (output.json) output.value(report);
        else print(report, output);
      });
    });
  addGlobalOptions(command);
}

async function readOptions({ log, effects, limit }: VerifyFlags): Promise<Pick<VerifyOptions, "operations" | "effects" | "limit">> {
  if (limit === 0) throw new OptionInvalid("--limit", "must be at least 1");
  const all = async <Line>(files: readonly string[], read: (text: string, source: string) => Line[]): Promise<Line[]> =>
    (await Promise.all(files.map(async (file) => read(await readText(file), file)))).flat();
  return {
    ...(log === undefined ? {} : { operations: await all(log, readOperationLog) }),
    ...(effects === undefined ? {} : { effects: await all(effects, readEffectLedger) }),
    ...(limit === undefined ? {} : { limit }),
  };
}

const verdictWidth = "not checked".length;

function print({ invariants, scope, holds }: VerifyReport, output: Output): void {
  const { green, red, dim, bold } = output.paint;
  const paint = { holds: green, violated: red, "not checked": dim };
  const titleWidth = Math.max(...invariants.map(({ title }) => title.length));
  for (const { invariant, title, verdict, checked, why, evidence, violations, remarks } of invariants) {
    const note = verdict === "violated" ? `${violations} violations` : (why ?? `${checked.toLocaleString("en")} looked at`);
    output.lines([`${invariant.padEnd(3)}  ${paint[verdict](verdict.padEnd(verdictWidth))}  ${title.padEnd(titleWidth)}  ${dim(printable(note))}`]);
    for (const { executionId, runId, detail } of evidence) {
      const where = [executionId, runId === undefined ? undefined : `run ${runId}`].filter((part) => part !== undefined).join(", ");
      output.lines([`     ${printable(where === "" ? detail : `${where}: ${detail}`)}`]);
    }
    if (violations > evidence.length) output.lines([`     and ${violations - evidence.length} more`]);
    for (const remark of remarks) output.lines([`     ${dim(printable(remark))}`]);
  }
  const looked = `${scope.executions.toLocaleString("en")} executions, ${scope.runs.toLocaleString("en")} runs, ${scope.events.toLocaleString("en")} events`;
  output.lines([
    "",
    holds ? bold(green("Every promise that was checked holds.")) : bold(red("Broken promises: this is a fault in Pawl or in the database, please report it.")),
    scope.complete ? `Looked at ${looked}.` : `Looked at the newest ${looked}. Older executions were left out (--limit).`,
  ]);
}
