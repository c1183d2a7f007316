import { OptionInvalid } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { checkName } from "../base/ids.ts";
import { checkPlace } from "../base/queue-place.ts";
import { encodeValue } from "../base/values.ts";
import { checkStartInput } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { decodeEvent, encodeEvent } from "../kernel/event-codec.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import { placed } from "../store/queue-place.ts";
import type { ScheduledWork } from "../store/schedules.ts";
import { searchValues } from "../store/search-values.ts";
import { checkVersion } from "./find-definition.ts";
import type { ScheduleUpdate } from "./schedule-options.ts";

/**
 * What the executions of a schedule are, from what is given and, for the rest, from what they were. A new workflow or version
 * brings its own task queue; where its definition is given or in this process, its own timeout, too, and the input has to fit it.
 * So has a new input for what the schedule starts already.
 *
 * @param find what a live worker offers under a name. @throws WorkflowUnknown
 * @param codeOf the definition that a worker of this process has
 * @throws InputInvalid, OptionInvalid, ValueNotSerializable, ValueTooLarge, ValueTooDeep
 */
export async function scheduledWork(
  options: ScheduleUpdate,
  before: ScheduledWork | undefined,
  find: (name: string, version: string | undefined) => Promise<{ readonly name: string; readonly version: string; readonly taskQueue: string }>,
  codeOf: (name: string, version: string) => AnyWorkflow | undefined,
): Promise<ScheduledWork> {
  const { workflow, version } = options;
  if (version !== undefined) checkName(version, "version");
  const named = typeof workflow === "string" ? workflow : workflow === undefined && version !== undefined ? before?.workflow : undefined;
  const given = typeof workflow === "string" ? undefined : workflow;
  const definition = named === undefined ? given : await find(named, version);
  if (definition === undefined && before === undefined) throw new OptionInvalid("workflow", "must be a workflow made by defineWorkflow, or the name of one");
  if (definition !== undefined && typeof definition?.name !== "string")
    throw new OptionInvalid("workflow", "must be a workflow made by defineWorkflow, or the name of one");
  if (given !== undefined) checkVersion(given, version);
  const name = definition?.name ?? before!.workflow;
  const former = before === undefined ? undefined : (decodeEvent("ExecutionStarted", before.started) as ExecutionStarted);
  const input = options.input === undefined && former !== undefined ? readPayload(former.input) : options.input;
  const text = encodeValue(input, "input");
  const pinned = definition?.version ?? before!.version;
  // By name, too, the code may be here, as that of what the schedule starts already.
  const code = given ?? codeOf(name, pinned);
  // What is kept has to fit another version, too.
  if (code?.input !== undefined && (definition !== undefined || options.input !== undefined))
    await checkStartInput(code, input, "The schedule was not changed. Correct the input and try again.");
  const brought = definition === undefined ? undefined : code;
  const own = brought === undefined ? (name === before?.workflow ? former?.timeoutMs : undefined) : lengthOf(brought.timeout);
  const timeoutMs = changed(lengthOf(options.timeout), own);
  const { found } = searchValues(options.labels ?? undefined, options.attributes ?? undefined, "schedule");
  const labels = options.labels === undefined ? former?.labels : found.labels;
  const attributes = options.attributes === undefined ? former?.attributes : found.attributes;
  const key = changed(options.key, before?.row.queueKey);
  const priority = changed(options.priority, before?.row.priority);
  const place = { ...(key === undefined ? {} : { key }), ...(priority === undefined ? {} : { priority }) };
  checkPlace(place);
  return {
    workflow: name,
    version: pinned,
    taskQueue: checkName(options.taskQueue ?? definition?.taskQueue ?? before!.taskQueue, "taskQueue"),
    row: {
      ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),
      ...(attributes === undefined ? {} : { attributes: JSON.stringify(attributes) }),
      ...placed(place),
    },
    timeoutMs: timeoutMs ?? null,
    started: encodeEvent({
      type: "ExecutionStarted",
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(labels === undefined ? {} : { labels }),
      ...(attributes === undefined ? {} : { attributes }),
      input: { text },
    }),
  };
}

/** What is given; null takes away what there was. */
function changed<Value>(given: Value | null | undefined, before: Value | undefined): Value | undefined {
  return given === undefined ? before : (given ?? undefined);
}

function lengthOf<None extends null | undefined>(timeout: Duration | None): number | None {
  return timeout === undefined || timeout === null ? timeout : toMilliseconds(timeout, "timeout");
}
