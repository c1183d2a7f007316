import type { ChildCall } from "../kernel/call.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import type { ParentLink } from "../kernel/event.ts";
import { placed } from "../store/queue-place.ts";
import { searchValues } from "../store/search-values.ts";
import type { StartOperation } from "../store/operations.ts";
import type { ExecutionHost } from "./execution-host.ts";

/**
 * The start of a child, to be committed together with its parent's `ChildStarted`; claimed here if there is a free slot.
 *
 * @param deadline the parent's, milliseconds since 1970
 */
export function childStart(
  call: ChildCall,
  parent: ParentLink,
  deadline: number | undefined,
  host: Pick<ExecutionHost, "namespace" | "reserveSlot" | "runtime">,
): StartOperation {
  const { workflow, executionId, options } = call;
  const runId = host.runtime.newUuid();
  const { found, searchable } = searchValues(options.labels, options.attributes, "ctx.child");
  const taskQueue = options.taskQueue ?? workflow.taskQueue;
  return {
    runId,
    namespace: host.namespace,
    executionId,
    workflow: workflow.name,
    version: workflow.version,
    taskQueue,
    idempotencyKey: null,
    parentRunId: parent.runId,
    parentPosition: parent.position,
    delayMs: 0,
    claimBy: host.reserveSlot(runId, workflow, taskQueue),
    ...searchable,
    ...placed(options),
    started: encodeEvent({
      type: "ExecutionStarted",
      parent,
      ...(call.executionTimeoutMs === undefined ? {} : { timeoutMs: call.executionTimeoutMs }),
      ...(deadline === undefined ? {} : { deadline }),
      ...found,
      input: { text: call.input },
    }),
  };
}
