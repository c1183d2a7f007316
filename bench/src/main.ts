import { writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArguments, usage, type Arguments } from "./arguments.ts";
import { runCaseProcess } from "./case-runner.ts";
import { cases } from "./cases.ts";
import type { System } from "./engine.ts";
import type { Values } from "./messages.ts";
import { bestLimits, rawLines, rowsOf, table } from "./report.ts";
import type { RawLimits } from "./raw-limit.ts";
import { openServer, type Server } from "./server.ts";

/** Runs the cases in rounds, prints the table and writes the JSON. See ../README.md for how it is measured. */

interface Run {
  readonly server: Server;
  readonly args: Arguments;
  readonly signal: AbortSignal;
  databases: number;
  failures: string[];
}

function progress(text: string): void {
  process.stderr.write(text);
}

/** One fresh process on one fresh database. */
async function once(run: Run, label: string, system: System, caseId: string | null): Promise<Values | undefined> {
  run.signal.throwIfAborted();
  run.databases += 1;
  const database = `pawl_bench_${process.pid}_${run.databases}`;
  progress(`  ${label} ... `);
  try {
    const url = await run.server.createDatabase(database);
    const outcome = await runCaseProcess({ caseId, system, url, quick: run.args.quick }, run.signal);
    if ("values" in outcome) {
      progress(
        `${Object.entries(outcome.values)
          .map(([key, value]) => `${key} ${Number(value.toPrecision(4))}`)
          .join(", ")}\n`,
      );
      return outcome.values;
    }
    progress(`failed: ${outcome.failure}\n`);
    run.failures.push(label);
    return undefined;
  } finally {
    await run.server.dropDatabase(database);
  }
}

async function runRounds(run: Run): Promise<void> {
  const { args } = run;
  const load = loadavg()[0] ?? 0;
  const selected = cases.filter(({ id, title }) => args.pattern.test(id) || args.pattern.test(title));
  if (selected.length === 0) throw new Error(`No case matches. There are: ${cases.map(({ id }) => id).join(", ")}`);
  const raw: RawLimits[] = [];
  const measureRaw = async (): Promise<void> => {
    const values = await once(run, "raw limit", "pawl", null);
    if (values !== undefined) raw.push(values as Readonly<Record<keyof RawLimits, number>>);
  };
  const results = new Map(selected.map(({ id }) => [id, { pawl: [] as (Values | undefined)[], dbos: [] as (Values | undefined)[] }]));
  for (let round = 1; round <= args.rounds; round += 1) {
    progress(`Round ${round} of ${args.rounds}\n`);
    await measureRaw();
    for (const { id, systems } of selected) {
      for (const system of systems.filter((name) => args.systems.includes(name))) {
        results.get(id)?.[system].push(await once(run, `${id} ${system}`, system, id));
      }
    }
  }
  // At both ends, so that a machine that was busy at one of them does not make the limit look low.
  await measureRaw();
  run.signal.throwIfAborted();
  const limits = bestLimits(raw);
  const rows = selected.flatMap((definition) => rowsOf(definition, results.get(definition.id) ?? { pawl: [], dbos: [] }, limits));
  console.log(`\n${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, ${run.server.description}`);
  // The systems suffer differently from company: on a busy machine not even the ratios mean anything.
  console.log(`Load average before the run: ${load.toFixed(2)}${load > cpus().length / 4 ? ", TOO BUSY for figures that mean something" : ""}`);
  console.log(`Medians of ${args.rounds} round(s)${args.quick ? ", quick: the figures mean little" : ""}\n`);
  if (limits !== null) console.log(`${rawLines(limits)}\n`);
  console.log(table(rows));
  await writeFile(args.output, `${JSON.stringify(rows, null, 2)}\n`);
  console.log(`\nWritten to ${args.output}`);
}

async function main(): Promise<number> {
  const args = parseArguments(process.argv.slice(2), fileURLToPath(new URL("../results.json", import.meta.url)));
  if (args.help) {
    console.log(usage);
    return 0;
  }
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => controller.abort(new Error(`Stopped by ${signal}; nothing was written.`)));
  const server = await openServer(process.env["DATABASE_URL"]);
  const run: Run = { server, args, signal: controller.signal, databases: 0, failures: [] };
  try {
    await runRounds(run);
  } finally {
    await server.close();
  }
  for (const failure of run.failures) console.error(`FAILED: ${failure}`);
  return run.failures.length === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});
