import type { ExecutionHandle } from "../client/execution-handle.ts";
import { eventToJson, type RecordedHistory } from "./recorded-history.ts";

/**
 * The history of an execution's latest run, as `replayHistory` and `pawl replay` take it. `JSON.stringify` of it is a file.
 *
 * @throws ExecutionNotFound
 */
export async function recordHistory(handle: ExecutionHandle): Promise<RecordedHistory> {
  const { executionId, runId, workflow, version } = await handle.status();
  const history = await handle.history();
  return { executionId, namespace: handle.namespace, workflow, version, runId, events: history.map(eventToJson) };
}
