import type { QueuePlace } from "../base/queue-place.ts";
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
 * @param place the parent's, which a step on another queue has too, unless it has one of its own
 * @param deadline the parent's, milliseconds since 1970; a child that is abandoned when its parent ends has no part in it
 * @param traceparent the parent's; undefined: nobody traced its start
 */
export function childStart(
  call: ChildCall,
  parent: ParentLink,
  place: QueuePlace,
  deadline: number | undefined,
  traceparent: string | undefined,
  host: Pick<ExecutionHost, "namespace" | "reserveSlot" | "runtime" | "telemetry">,
): StartOperation {
  const { workflow, executionId, options } = call;
  const runId = host.runtime.newUuid();
  const policy = options.parentClosePolicy === "cancel" ? undefined : options.parentClosePolicy;
  const limit = policy === "abandon" ? undefined : deadline;
  const { found, searchable } = searchValues(options.labels, options.attributes, "ctx.child");
  const { namespace } = host;
  const named = { namespace, executionId, runId, workflow: workflow.name, version: workflow.version };
  const traced = host.telemetry?.started(named, { parent: { namespace, executionId: parent.executionId, traceparent } }) ?? traceparent;
  const taskQueue = options.taskQueue ?? workflow.taskQueue;
  return {
    runId,
    namespace,
    executionId,
    ...(options.executionId === undefined ? {} : { chosen: true as const }),
    workflow: workflow.name,
    version: workflow.version,
    taskQueue,
    idempotencyKey: null,
    parentRunId: parent.runId,
    parentPosition: parent.position,
    delayMs: 0,
    claimBy: host.reserveSlot(runId, workflow, taskQueue),
    ...(policy === undefined ? {} : { parentClosePolicy: policy }),
    ...searchable,
    ...placed(call.remote === undefined ? options : { ...place, ...options }),
    started: encodeEvent({
      type: "ExecutionStarted",
      parent,
      ...(traced === undefined ? {} : { traceparent: traced }),
      ...(call.executionTimeoutMs === undefined ? {} : { timeoutMs: call.executionTimeoutMs }),
      ...(limit === undefined ? {} : { deadline: limit }),
      ...found,
      input: { text: call.input },
    }),
  };
}
