/** Runs an order in a process of its own, kills it half way, runs it again and looks at what ran. Exit code 1 if a promise was broken. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ExecutionNotFound, type Pawl } from "pawl";
import { readLedger } from "./ledger.ts";
import { openDemo } from "./open-demo.ts";
import { chargeAttempts, childOf, expectedReceipt, processOrder } from "./order.workflow.ts";
import { formatRows, judge } from "./verdict.ts";

const items = 3;
const killAfterSteps = 4;
const program = fileURLToPath(new URL("./run-order.js", import.meta.url));

const executionId = `order-${randomUUID().slice(0, 8)}`;
const directory = await mkdtemp(join(tmpdir(), "pawl-crash-demo-"));
const ledger = join(directory, "ledger.jsonl");
const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort(new Error("Interrupted.")));

let running: ChildProcess | undefined;
try {
  console.log("Starting an embedded PostgreSQL (a few seconds) ...");
  const pawl = await openDemo(join(directory, "data"));
  try {
    process.exitCode = await demonstrate(pawl);
  } finally {
    running?.kill("SIGKILL");
    await pawl.close();
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function demonstrate(pawl: Pawl): Promise<number> {
  const printed = new Set<string>();
  const first = startProcess();
  console.log(`\nProcess ${first.pid} runs execution ${executionId}:\n`);
  while ((await recordedSteps(pawl, printed)).length < killAfterSteps) await turn(first);
  first.kill("SIGKILL");
  if (first.exitCode === null && first.signalCode === null) await once(first, "exit");
  const recordedAtKill = await recordedSteps(pawl, printed);
  const killedPid = first.pid!;
  console.log(`\n  kill -9 ${killedPid}\n`);

  const second = startProcess();
  console.log(`Process ${second.pid}, started with the same arguments, takes over:\n`);
  const handle = pawl.handle(executionId, processOrder);
  while ((await handle.status()).state === "running") {
    await recordedSteps(pawl, printed);
    await turn(second);
  }
  const result = await handle.result({ timeout: "10s" });
  const recordedAtEnd = await recordedSteps(pawl, printed);

  const observation = {
    killedPid,
    recordedAtKill,
    recordedAtEnd,
    ledger: readLedger(ledger),
    attempts: { "charge-card": chargeAttempts },
    result,
    expected: expectedReceipt(items),
  };
  const { rows, problems } = judge(observation);
  console.log(`\nWhat ran, by the ledger that the steps write outside the database:\n\n${formatRows(rows)}\n`);
  console.log(`Result: ${result.text}.`);
  if (problems.length === 0) {
    console.log("No recorded step ran twice, and the result is right.");
    return 0;
  }
  console.error(`BROKEN:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
  return 1;
}

function startProcess(): ChildProcess {
  running = spawn(process.execPath, [program, join(directory, "data"), executionId, ledger, String(items)], { stdio: ["ignore", "inherit", "inherit"] });
  return running;
}

/** A moment's pause. @throws if the process that should be at work has failed */
async function turn(worker: ChildProcess): Promise<void> {
  interrupt.signal.throwIfAborted();
  if (worker.signalCode !== null || (worker.exitCode !== null && worker.exitCode !== 0)) {
    throw new Error(`The process ended too early (${worker.signalCode ?? `exit code ${worker.exitCode}`}).`);
  }
  await wait(25);
}

/** Names of the steps in the histories of the order and its child; those not seen before are printed. */
async function recordedSteps(pawl: Pawl, printed: Set<string>): Promise<readonly string[]> {
  const steps: string[] = [];
  for (const id of [executionId, childOf(executionId)]) {
    try {
      for (const { event } of await pawl.handle(id).history()) {
        if (event.type === "StepAttemptFailed") print(printed, `${event.name}: attempt ${event.attempt} failed, ${event.failure.message}`);
        if (event.type !== "StepCompleted") continue;
        steps.push(event.name);
        print(printed, `${event.name} recorded`);
      }
    } catch (error) {
      if (!(error instanceof ExecutionNotFound)) throw error;
    }
  }
  return steps;
}

function print(printed: Set<string>, line: string): void {
  if (printed.has(line)) return;
  printed.add(line);
  console.log(`  ${line}`);
}
