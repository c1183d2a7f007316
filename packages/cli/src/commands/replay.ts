import type { Command } from "commander";
import type { AnyWorkflow, FilterOptions, Pawl } from "pawl";
import { parseHistory, recordHistory, replayHistory } from "pawl/internal";
import { pawlCode, UsageError } from "../failures.ts";
import { addGlobalOptions, collect, examples, wholeNumber, type GlobalFlags } from "../global-options.ts";
import { readHistoryFiles, type FoundHistory } from "../history-files.ts";
import { loadWorkflows } from "../load-workflows.ts";
import { openOutput, type Output } from "../output.ts";
import { printable } from "../printable.ts";
import { withPawl } from "../session.ts";

interface ReplayFlags {
  readonly fromDatabase?: boolean;
  readonly limit?: number;
  readonly state?: readonly string[];
  readonly allowNone?: boolean;
}

/** Executions of the database that nothing is said of. */
interface NotReplayed {
  readonly workflow: string;
  readonly version: string;
  readonly executions: number;
  readonly reason: string;
}

/** What became of one history. */
interface Verdict {
  readonly source: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly version: string;
  readonly events: number;
  readonly fits: boolean;
  /** Where the code stands at its end, or why it does not fit. */
  readonly detail: string;
}

export function addReplayCommand(program: Command): void {
  const command = program
    .command("replay")
    .summary("run recorded histories against today's code")
    .description(
      "Runs the workflows of a file against recorded histories, without running any step: whether executions that are under way would survive a deployment. " +
        "Exit code 1 if a history no longer fits, 2 if there is none to replay.",
    )
    .argument("<file>", "the file that exports your workflows, TypeScript or JavaScript")
    .argument("[histories...]", "files that `pawl history <id> --json` or `pawl export <id>` printed, or directories of them")
    .option("--from-database", "replay executions of the database, the newest ones of these workflows")
    .option("--limit <n>", "at most so many of each workflow and version from the database, 1 to 1000 (100)", wholeNumber)
    .option("--state <state>", "only those in this state, repeatable (all)", collect)
    .option("--allow-none", "a database without any execution to replay is no mistake")
    .addHelpText(
      "after",
      examples([
        ["pawl history order-7 --json > histories/order-7.json", "record one"],
        ["pawl replay src/workflows.ts histories/", "in CI: does today's code still fit?"],
        ["pawl replay src/workflows.ts --from-database --state running --limit 500", "before a deployment: everything that is under way"],
      ]),
    )
    .action(async (file: string, paths: readonly string[], flags: ReplayFlags, self: Command) => {
      checkSources(paths, flags);
      const { workflows } = await loadWorkflows(file);
      const verdicts: Verdict[] = [];
      const judge = async (histories: readonly FoundHistory[]): Promise<void> => {
        for (const history of histories) verdicts.push(await verdictOn(history, workflows));
      };
      const notReplayed: NotReplayed[] = [];
      if (flags.fromDatabase === true) {
        await withPawl(self, {}, async ({ pawl }) => {
          for (const workflow of workflows) await judge(await readFromDatabase(pawl, workflow, flags));
          notReplayed.push(...(await findNotReplayed(pawl, workflows, verdicts, flags)));
        });
        if (verdicts.length === 0 && flags.allowNone !== true) throw noneFound(workflows, notReplayed, flags, self.optsWithGlobals<GlobalFlags>());
      } else await judge(await readHistoryFiles(paths));
      print(verdicts, notReplayed, await openOutput(self.optsWithGlobals<GlobalFlags>()));
      if (verdicts.some(({ fits }) => !fits)) process.exitCode = 1;
    });
  addGlobalOptions(command);
}

function checkSources(paths: readonly string[], flags: ReplayFlags): void {
  if (flags.fromDatabase === true && paths.length > 0) throw new UsageError("USAGE", "Give files, or --from-database, but not both.");
  if (flags.fromDatabase !== true && paths.length === 0) throw new UsageError("USAGE", "Give files or directories of histories, or --from-database.");
  if (flags.fromDatabase !== true && (flags.limit !== undefined || flags.state !== undefined || flags.allowNone !== undefined))
    throw new UsageError("USAGE", "--limit, --state and --allow-none are about executions of the database: add --from-database.");
}

const defaultLimit = 100;

/** The library checks that they are states. */
function stateOption(flags: ReplayFlags): Pick<FilterOptions, "state"> {
  return flags.state === undefined ? {} : { state: flags.state as Extract<FilterOptions["state"], readonly unknown[]> };
}

async function readFromDatabase(pawl: Pawl, workflow: AnyWorkflow, flags: ReplayFlags): Promise<readonly FoundHistory[]> {
  const { executions } = await pawl.list({
    workflow: workflow.name,
    filter: `version == ${JSON.stringify(workflow.version)}`,
    limit: flags.limit ?? defaultLimit,
    ...stateOption(flags),
  });
  const histories: FoundHistory[] = [];
  for (const { executionId, runId } of executions) {
    // That run: it may have continued as new meanwhile, in another version.
    const recorded = JSON.stringify(await recordHistory(pawl.handle(executionId), { runId }));
    histories.push({ source: "database", recorded, parsed: parseHistory(recorded) });
  }
  return histories;
}

/** What a verdict on the others does not speak of: versions that the file does not have, and what is beyond the limit. */
async function findNotReplayed(
  pawl: Pawl,
  workflows: readonly AnyWorkflow[],
  verdicts: readonly Verdict[],
  flags: ReplayFlags,
): Promise<readonly NotReplayed[]> {
  const found: NotReplayed[] = [];
  for (const name of new Set(workflows.map((workflow) => workflow.name))) {
    const { groups } = await pawl.count({ workflow: name, groupBy: "version", ...stateOption(flags) });
    for (const { value, count } of groups) {
      const version = String(value);
      const replayed = verdicts.filter((verdict) => verdict.workflow === name && verdict.version === version).length;
      const isKnown = workflows.some((workflow) => workflow.name === name && workflow.version === version);
      // Some may have begun since the list was read: only a full list has more behind it.
      if (isKnown && replayed < (flags.limit ?? defaultLimit)) continue;
      const executions = count - replayed;
      const reason = isKnown ? "older than those; raise --limit" : "the file does not have that version";
      if (executions > 0) found.push({ workflow: name, version, executions, reason });
    }
  }
  return found;
}

function noneFound(workflows: readonly AnyWorkflow[], notReplayed: readonly NotReplayed[], flags: ReplayFlags, global: GlobalFlags): UsageError {
  const wanted = workflows.map(({ name, version }) => `${name}@${version}`).join(", ");
  const state = flags.state === undefined ? "" : ` that is ${flags.state.join(" or ")}`;
  const others = notReplayed.length === 0 ? "" : ` There are only ${notReplayed.map(({ workflow, version }) => `${workflow}@${version}`).join(", ")}.`;
  return new UsageError(
    "NO_HISTORIES",
    `Namespace "${global.namespace ?? "default"}" has no execution of ${wanted}${state}: nothing was replayed.${others} ` +
      "Check --namespace, --schema, --state and the database, or add --allow-none if there may be none.",
  );
}

async function verdictOn({ source, recorded, parsed }: FoundHistory, workflows: readonly AnyWorkflow[]): Promise<Verdict> {
  const { executionId, workflow: name, version, events } = parsed;
  const verdict = { source, executionId, workflow: name, version, events: events.length };
  const workflow = workflows.find((candidate) => candidate.name === name && candidate.version === version);
  if (workflow === undefined) {
    const versions = workflows.filter((candidate) => candidate.name === name).map((candidate) => `"${candidate.version}"`);
    const has = versions.length === 0 ? `no workflow "${name}"` : `"${name}" only in version ${versions.join(", ")}`;
    return { ...verdict, fits: false, detail: `the file has ${has}` };
  }
  try {
    const outcome = await replayHistory(workflow, recorded);
    if (outcome.state === "running")
      return { ...verdict, fits: true, detail: outcome.waitingFor.length === 0 ? "running" : `next: ${outcome.waitingFor.join(", ")}` };
    return { ...verdict, fits: true, detail: "error" in outcome ? `${outcome.state}: ${outcome.error.message}` : outcome.state };
  } catch (error) {
    const code = pawlCode(error);
    if (code !== "NONDETERMINISM_DETECTED" && code !== "INPUT_INVALID") throw error;
    return { ...verdict, fits: false, detail: (error as Error).message };
  }
}

function print(verdicts: readonly Verdict[], notReplayed: readonly NotReplayed[], output: Output): void {
  const misfits = verdicts.filter(({ fits }) => !fits).length;
  if (output.json) return output.value({ ok: misfits === 0, histories: verdicts, notReplayed });
  const { green, red, dim } = output.paint;
  const width = Math.max(0, ...verdicts.map(({ executionId }) => executionId.length));
  output.lines(
    verdicts.map(({ fits, executionId, workflow, version, events, source, detail }) => {
      const from = source === "database" ? "" : ` ${dim(`(${printable(source)})`)}`;
      const what = `${executionId.padEnd(width)}  ${workflow}@${version}  ${events} events`;
      return `${fits ? green("fits      ") : red("fits not  ")}${printable(what)}  ${printable(detail)}${from}`;
    }),
  );
  output.lines(notReplayed.map(({ workflow, version, executions, reason }) => printable(`not replayed: ${executions} of ${workflow}@${version} (${reason})`)));
  output.lines([verdicts.length === 0 ? "No histories." : `${verdicts.length - misfits} of ${verdicts.length} histories fit.`]);
}
