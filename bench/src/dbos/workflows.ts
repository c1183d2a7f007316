import { DBOS } from "@dbos-inc/dbos-sdk";
import { counts, firstStep, holdingStep, plainStep } from "../counters.ts";
import type { WorkflowName } from "../engine.ts";

/** The workflows of `engine.ts` for DBOS; `pawl/workflows.ts` has the same ones in the same order. */

async function runEmpty(input: number): Promise<number> {
  counts.finished += 1;
  return await Promise.resolve(input);
}

async function runSequential(steps: number): Promise<number> {
  let bytes = 0;
  for (let i = 0; i < steps; i += 1) {
    bytes += (await DBOS.runStep(plainStep, { name: "work" })).length;
  }
  return bytes;
}

async function runParallel(steps: number): Promise<number> {
  const items = Array.from({ length: steps }, (_, index) => index);
  const results = await Promise.all(items.map(() => DBOS.runStep(plainStep, { name: "work" })));
  return results.reduce((bytes, result) => bytes + result.length, 0);
}

async function runParent(children: number): Promise<number> {
  const items = Array.from({ length: children }, (_, index) => index);
  const handles = await Promise.all(items.map((item) => DBOS.startWorkflow(empty)(item)));
  const results = await Promise.all(handles.map((handle) => handle.getResult()));
  return results.reduce((sum, result) => sum + result, 0);
}

async function runRecoverable(input: number): Promise<number> {
  await DBOS.runStep(firstStep, { name: "work" });
  await DBOS.runStep(holdingStep, { name: "work" });
  await DBOS.runStep(plainStep, { name: "work" });
  counts.finished += 1;
  return input + 3;
}

async function runSleeper(seconds: number): Promise<number> {
  await DBOS.sleep(seconds * 1000);
  return seconds;
}

const empty = DBOS.registerWorkflow(runEmpty, { name: "empty" });

export const workflows: Readonly<Record<WorkflowName, (input: number) => Promise<number>>> = {
  empty,
  sequential: DBOS.registerWorkflow(runSequential, { name: "sequential" }),
  parallel: DBOS.registerWorkflow(runParallel, { name: "parallel" }),
  parent: DBOS.registerWorkflow(runParent, { name: "parent" }),
  recoverable: DBOS.registerWorkflow(runRecoverable, { name: "recoverable" }),
  sleeper: DBOS.registerWorkflow(runSleeper, { name: "sleeper" }),
};
