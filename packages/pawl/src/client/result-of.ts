import { ExecutionCancelled, ExecutionFailed, ExecutionQuarantined, ExecutionTerminated, ExecutionTimedOut } from "../base/errors.ts";
import { toError } from "../base/values.ts";
import { readPayload } from "../kernel/payload.ts";
import type { Ending } from "./result-hub.ts";

/** The result of an ended execution, or the error that says how it ended otherwise. */
export function resultOf(executionId: string, { workflow, event }: Ending): unknown {
  switch (event.type) {
    case "ExecutionCompleted":
      return readPayload(event.result);
    case "ExecutionFailed":
      throw new ExecutionFailed(executionId, workflow, toError(event.failure));
    case "ExecutionCancelled":
      throw new ExecutionCancelled(executionId, event.reason);
    case "ExecutionTerminated":
      throw new ExecutionTerminated(executionId, event.reason);
    case "ExecutionTimedOut":
      throw new ExecutionTimedOut(executionId, event.timeoutMs);
    case "ExecutionQuarantined":
      throw new ExecutionQuarantined(executionId, toError(event.failure));
    default:
      throw new TypeError(`${event.type} does not end an execution`);
  }
}
