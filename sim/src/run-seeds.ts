import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { SeedReport, SeedsTask } from "./seeds-process.ts";

/** Runs seeds in a process of their own and gives each report as it comes. @throws if the process fails otherwise */
export async function runSeeds(program: string, task: SeedsTask, onReport: (report: SeedReport) => void): Promise<void> {
  const child = spawn(process.execPath, ["--no-deprecation", program, JSON.stringify(task)], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  for await (const line of createInterface({ input: child.stdout })) onReport(JSON.parse(line) as SeedReport);
  const code = await new Promise<number | null>((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve(child.exitCode)));
  if (code !== 0) throw new Error(`the simulation ended with exit code ${code}: ${errors.slice(-2000)}`);
}

/** The same over several processes. Each takes some seeds at a time, so that none is left with the slow ones. */
export async function runSeedsInParallel(program: string, seeds: readonly number[], jobs: number, onReport: (report: SeedReport) => void): Promise<void> {
  const chunk = Math.max(1, Math.min(100, Math.ceil(seeds.length / jobs / 2)));
  const chunks = Array.from({ length: Math.ceil(seeds.length / chunk) }, (_, index) => seeds.slice(index * chunk, (index + 1) * chunk));
  const work = async (): Promise<void> => {
    for (let next = chunks.shift(); next !== undefined; next = chunks.shift()) await runSeeds(program, { seeds: next, stopAtViolation: false }, onReport);
  };
  await Promise.all(Array.from({ length: jobs }, work));
}
