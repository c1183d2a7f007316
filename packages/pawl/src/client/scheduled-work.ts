import { OptionInvalid } from "../base/errors.ts";
import { toMilliseconds } from "../base/duration.ts";
import { checkName } from "../base/ids.ts";
import { encodeValue } from "../base/values.ts";
import { parseInput } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { decodeEvent, encodeEvent } from "../kernel/event-codec.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import type { ScheduledWork } from "../store/schedules.ts";
import type { ScheduleUpdate } from "./schedule-options.ts";

/**
 * What the executions of a schedule are, from what is given and, for the rest, from what they were. A new workflow or version
 * brings its own task queue; a workflow that is given as its definition its own timeout, and the input has to fit it.
 *
 * @param find what a live worker offers under a name. @throws WorkflowUnknown
 * @throws InputInvalid, OptionInvalid, ValueNotSerializable, ValueTooLarge, ValueTooDeep
 */
export async function scheduledWork(
  options: ScheduleUpdate,
  before: ScheduledWork | undefined,
  find: (name: string, version: string | undefined) => Promise<{ readonly name: string; readonly version: string; readonly taskQueue: string }>,
): Promise<ScheduledWork> {
  const { workflow, version } = options;
  if (version !== undefined) checkName(version, "version");
  const named = typeof workflow === "string" ? workflow : workflow === undefined && version !== undefined ? before?.workflow : undefined;
  const given = typeof workflow === "string" ? undefined : workflow;
  const definition = named === undefined ? given : await find(named, version);
  if (definition === undefined && before === undefined) throw new OptionInvalid("workflow", "must be a workflow made by defineWorkflow, or the name of one");
  if (definition !== undefined && typeof definition?.name !== "string")
    throw new OptionInvalid("workflow", "must be a workflow made by defineWorkflow, or the name of one");
  const name = definition?.name ?? before!.workflow;
  const former = before === undefined ? undefined : (decodeEvent("ExecutionStarted", before.started) as ExecutionStarted);
  const input = options.input === undefined && former !== undefined ? readPayload(former.input) : options.input;
  const text = encodeValue(input, "input");
  // What is kept has to fit another version, too.
  if (given?.input !== undefined) await parseInput(given, input);
  const timeoutMs = given === undefined ? (name === before?.workflow ? former?.timeoutMs : undefined) : timeoutOf(given);
  return {
    workflow: name,
    version: definition?.version ?? before!.version,
    taskQueue: checkName(options.taskQueue ?? definition?.taskQueue ?? before!.taskQueue, "taskQueue"),
    started: encodeEvent({ type: "ExecutionStarted", ...(timeoutMs === undefined ? {} : { timeoutMs }), input: { text } }),
  };
}

function timeoutOf({ timeout }: AnyWorkflow): number | undefined {
  return timeout === undefined ? undefined : toMilliseconds(timeout, "timeout");
}
