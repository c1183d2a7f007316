import { remoteStepName } from "../definition/remote-step.ts";
import { lineage } from "./continuation.ts";
import type { ExecutionStarted } from "./event.ts";
import { SeededRandom } from "./random.ts";

/** Of a step's name, encoded. What is longer ends in a hash of it. */
const longestName = 100;

/**
 * The idempotency key of a step. All its attempts have it, and so has the same step at the same position of any run that shares the
 * beginning of this one: it may have acted already.
 *
 * No other step of the execution has it. A resume, retry or rollback cuts off what was called since, and then the code may go another
 * way: the positions that clean-up had, or another branch, are those of other steps. So the name is part of the key, and whether the
 * call is shielded, because the same function may do something and undo it.
 *
 * @param started the first event of its run
 */
export function stepKey(
  execution: { readonly executionId: string; readonly workflow: string },
  started: ExecutionStarted,
  { name, position, shielded }: { readonly name: string; readonly position: number; readonly shielded: boolean },
): string {
  const { parent, continuedFrom } = started;
  const { executionId, workflow } = execution;
  const isRemote = parent !== undefined && remoteStepName(workflow) !== undefined;
  const family = lineage(isRemote ? idBeforeCuts(executionId, parent.executionId) : executionId, continuedFrom);
  const mark = shielded || (isRemote && parent.shielded === true) ? "shielded:" : "";
  return `${family}/${mark}${nameInKey(name)}/${position}`;
}

/** Keys go into HTTP headers, which take no other characters, and to services that take no long ones. */
function nameInKey(name: string): string {
  const encoded = encodeURIComponent(name.toWellFormed());
  return encoded.length <= longestName ? encoded : `${encoded.slice(0, longestName - 37)}~${new SeededRandom(name).uuid()}`;
}

/**
 * Of a step on another queue: the id that the execution which stands for it had before any resume, rollback or retry of its parent, so
 * that a service that knows the key does nothing twice.
 */
function idBeforeCuts(executionId: string, parentExecutionId: string): string {
  if (!executionId.startsWith(parentExecutionId)) return executionId;
  return parentExecutionId + executionId.slice(parentExecutionId.length).replace(/^(:\d+)?\.r\d+(\.\d+)$/, "$1$2");
}
