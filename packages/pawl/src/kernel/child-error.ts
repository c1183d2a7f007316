import { ExecutionCancelled, ExecutionFailed, ExecutionTerminated, ExecutionTimedOut, type PawlError } from "../base/errors.ts";
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
      return saying(event, new ExecutionCancelled(call.executionId));
    case "terminated":
      return saying(event, new ExecutionTerminated(call.executionId));
    case "timed_out":
      return saying(event, new ExecutionTimedOut(call.executionId));
    case "failed":
      return new ExecutionFailed(call.executionId, call.workflow.name, toError(event.failure));
  }
}

/** The reason is in the message that is recorded. Histories may have the failure of a terminated child for one that was cancelled: it says nothing. */
function saying({ failure }: ChildFailed, error: PawlError): PawlError {
  if (failure.code !== error.code) return error;
  // The stack begins with the message.
  if (error.stack !== undefined) error.stack = error.stack.replace(error.message, () => failure.message);
  error.message = failure.message;
  return error;
}
