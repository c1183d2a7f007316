/** Seeds of the simulator, in processes of their own: the corpus, fresh ones, one twice, and mutants that must be found. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { buildSeed } from "../src/build-seed.ts";
import { mutatedText } from "../src/mutate.ts";
import { mutants } from "../src/mutants.ts";

const run = promisify(execFile);

async function sim(...args: readonly string[]): Promise<string> {
  const program = fileURLToPath(new URL("../dist/main.js", import.meta.url));
  const { stdout } = await run(process.execPath, ["--no-deprecation", program, ...args], { maxBuffer: 64 * 1024 * 1024 }).catch((error: unknown) => {
    // What it found stands in what it printed.
    throw new Error(String((error as { stdout?: string }).stdout).slice(0, 20_000), { cause: error });
  });
  return stdout;
}

test("the seeds that once failed and 500 of this build's own run clean", { timeout: 3_000_000 }, async () => {
  const output = await sim("--seeds", "500", "--from", String(buildSeed()), "--jobs", "1");
  console.log(output);
  // A run in which nothing went wrong proves nothing.
  for (const what of ["crashes", "pauses", "lost replies", "stale writes rejected"]) {
    expect(Number(new RegExp(`^${what} +([\\d,]+)`, "m").exec(output)?.[1]?.replaceAll(",", "")), what).toBeGreaterThan(0);
  }
});

test("a seed gives the same fingerprint in every process", { timeout: 300_000 }, async () => {
  const [first, second] = await Promise.all(["7", "7"].map(async (seed) => /fingerprint (\w+)/.exec(await sim("--seed", seed))?.[1]));
  expect(first).toMatch(/^[0-9a-f]{8}$/);
  expect(second).toBe(first);
});

test("there are at least 25 mutants, and each still fits the library", () => {
  expect(mutants.length).toBeGreaterThanOrEqual(25);
  for (const mutant of mutants) for (const { file } of mutant.edits) expect(() => mutatedText(mutant, file)).not.toThrow();
});

test("a mutant is found: appends that check nothing", { timeout: 300_000 }, async () => {
  expect(await sim("--mutants", "appends check nothing", "--jobs", "1")).toContain("1 of 1 mutants caught");
});
