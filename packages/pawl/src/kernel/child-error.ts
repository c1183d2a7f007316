import { ExecutionCancelled, ExecutionFailed, ExecutionTerminated, ExecutionTimedOut } from "../base/errors.ts";
import { toError } from "../base/values.ts";
import type { Call } from "./call.ts";
import type { ChildFailed } from "./event.ts";

/** The error a parent's `ctx.child` throws, by how the child ended. */
export function childError(call: Call, event: ChildFailed): Error {
  if (call.kind !== "child") throw new TypeError("not a child");
  // A step throws what its function threw.
  if (call.remote !== undefined && (event.state === "failed" || event.state === "timed_out")) return toError(event.failure);
  switch (event.state) {
    case "cancelled":
      return new ExecutionCancelled(call.executionId);
    case "terminated":
      return new ExecutionTerminated(call.executionId);
    case "timed_out":
      return new ExecutionTimedOut(call.executionId);
    case "failed":
      return new ExecutionFailed(call.executionId, call.workflow.name, toError(event.failure));
  }
}
