/** Does to Pawl what happens to programs, and checks what it promised. See CONTRIBUTING.md. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { killPrograms } from "../../packages/pawl/test/support/program.ts";
import { parseArguments, usage, type Arguments } from "./arguments.ts";
import { DatabaseServer } from "./database-server.ts";
import { allFaults, soakFault } from "./faults.ts";
import { leaseMs } from "./rig.ts";
import { reasons, table } from "./report.ts";
import { runFault, type FaultOutcome } from "./run-fault.ts";

function progress(text: string): void {
  process.stderr.write(text);
}

async function main(): Promise<number> {
  const args = parseArguments(process.argv.slice(2));
  if (args.help) {
    console.log(usage);
    return 0;
  }
  const faults = args.soak === undefined ? allFaults.filter(({ id }) => args.only.length === 0 || args.only.includes(id)) : [soakFault];
  if (faults.length === 0) throw new Error(`There is no such fault. There are: ${allFaults.map(({ id }) => id).join(", ")}`);
  const folder = args.out === undefined ? await mkdtemp(join(tmpdir(), "pawl-faults-")) : resolve(args.out);
  await mkdir(folder, { recursive: true });
  progress(`Seed ${args.seed}, lease ${leaseMs} ms, logs in ${folder}\n`);
  const outcomes = await runAll(faults, args, folder);
  await writeFile(join(folder, "outcomes.json"), `${JSON.stringify(outcomes, null, 2)}\n`);
  console.log(args.json ? JSON.stringify({ seed: args.seed, outcomes }, null, 2) : `\n${table(outcomes)}\n`);
  const is = (verdict: FaultOutcome["verdict"]): boolean => outcomes.some((outcome) => outcome.verdict === verdict);
  const code = is("VIOLATED") ? 1 : is("inconclusive") || is("skipped") ? 2 : 0;
  if (code === 0 && !args.keep) await rm(folder, { recursive: true, force: true });
  return code;
}

async function runAll(faults: typeof allFaults, args: Arguments, folder: string): Promise<FaultOutcome[]> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void killPrograms().finally(() => process.exit(130)));
  const server = await DatabaseServer.open(join(folder, "postgres"));
  const outcomes: FaultOutcome[] = [];
  try {
    for (const fault of faults) {
      progress(`  ${fault.id} ${fault.title} ... `);
      const outcome = await runFault(fault, server, {
        folder,
        seed: args.seed,
        seconds: args.soak === undefined ? args.seconds : args.soak * 60,
        races: args.races,
      });
      progress(`${outcome.verdict}, ${outcome.seconds} s\n${reasons(outcome)}`);
      outcomes.push(outcome);
    }
  } finally {
    await killPrograms();
    await server.close();
  }
  return outcomes;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});
