import type { ExecutionHandle, HistoryOptions } from "../client/execution-handle.ts";
import { eventToJson, type RecordedHistory } from "./recorded-history.ts";

/**
 * The history of an execution's latest run, or of the one with `runId`, as `replayHistory` and `pawl replay` take it. `JSON.stringify` of it is a file.
 *
 * @throws ExecutionNotFound; OptionInvalid if no run of this execution has that id
 */
export async function recordHistory(handle: ExecutionHandle, options: HistoryOptions = {}): Promise<RecordedHistory> {
  const { executionId, workflow, ...latest } = await handle.status();
  // It may continue as new meanwhile.
  const history = await handle.history({ ...options, runId: options.runId ?? latest.runId });
  const run = options.runId === undefined ? latest : (await handle.runs()).find(({ runId }) => runId === options.runId)!;
  const { runId, version } = run;
  return { executionId, namespace: handle.namespace, workflow, version, runId, events: history.map(eventToJson) };
}
