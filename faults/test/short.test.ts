/** The short tier of the fault rig: real processes, killed, stopped, with replies lost, and racing each other. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

interface Outcome {
  readonly id: string;
  readonly verdict: string;
  readonly reasons: readonly string[];
}

async function runRig(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string; readonly progress: string }> {
  const program = fileURLToPath(new URL("../dist/faults/src/main.js", import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let progress = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (progress += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output, progress };
}

test("workers killed, workers stopped past their lease, replies lost and races break no promise", { timeout: 900_000 }, async () => {
  const { code, output, progress } = await runRig(["--only", "F1,F2,F6,F12", "--seconds", "8", "--json"]);
  // The seed stands in what it printed.
  console.log(progress);
  const { outcomes } = JSON.parse(output) as { readonly outcomes: readonly Outcome[] };
  expect(outcomes.map(({ id, verdict, reasons }) => ({ id, verdict, reasons }))).toEqual(
    ["F1", "F2", "F6", "F12"].map((id) => ({ id, verdict: "ok", reasons: [] })),
  );
  expect(code).toBe(0);
});
