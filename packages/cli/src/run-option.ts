import type { ExecutionHandle, RunInfo } from "pawl";
import { UsageError } from "./failures.ts";

/** The run that is named by its number or id; without one, the latest. @throws UsageError, ExecutionNotFound */
export async function chosenRun(handle: ExecutionHandle, wanted: string | undefined): Promise<RunInfo> {
  const runs = await handle.runs();
  const run = wanted === undefined ? runs.at(-1) : runs.find(({ runId, runNumber }) => runId === wanted || String(runNumber) === wanted);
  const { executionId: id } = handle;
  if (run === undefined)
    throw new UsageError("OPTION_INVALID", `--run: execution "${id}" has no run "${wanted}". \`pawl runs ${id}\` lists those that it has.`);
  return run;
}

/** As an option of the API; nothing without one. @throws UsageError, ExecutionNotFound */
export async function readRun(handle: ExecutionHandle, wanted: string | undefined): Promise<{ readonly runId?: string }> {
  return wanted === undefined ? {} : { runId: (await chosenRun(handle, wanted)).runId };
}
