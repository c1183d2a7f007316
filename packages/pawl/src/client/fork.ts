import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { copyOptions } from "../base/copy-options.ts";
import { ExecutionConflict, ExecutionNotFound, OptionInvalid } from "../base/errors.ts";
import { checkId, checkName } from "../base/ids.ts";
import type { Telemetry } from "../base/telemetry.ts";
import { copyValue, encodeValue } from "../base/values.ts";
import { remoteStepName } from "../definition/remote-step.ts";
import { checkStartInput } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { viewPrefix } from "../kernel/checkpoint.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import type { ChildCompleted, ChildFailed, Event, ExecutionStarted, RecordedEvent, StepCompleted, StepFailed } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import { seedsOf } from "../kernel/seed.ts";
import { rowValues } from "../store/search-values.ts";
import type { EditedEvent, ExecutionSummary } from "../store/store.ts";
import { checkChoice, checkRunId, chooseCheckpoint, runOfCheckpoint, Runs, type CheckpointChoice, type RunsParent } from "./runs.ts";

export interface ForkOptions {
  /** A checkpoint, its seq, or the last result of a step; 1 is the start, "latest" the last result of any step. */
  readonly from: CheckpointChoice;
  /** Of which run (that of the checkpoint, or else the latest). */
  readonly runId?: string;
  /**
   * Of the new execution: chosen by you, or made. Forking from the same checkpoint to the same id again gives the same execution, and so does
   * forking from "latest" of the same run, however far that has gone on.
   */
  readonly executionId?: string;
  /** Instead of the input it was started with, unless it is undefined. The code replays what it keeps with it. */
  readonly input?: unknown;
  /**
   * Other results of steps and children that have ended up to the checkpoint, also of those that failed: by the name of the step or of the
   * child's workflow, or by the position of its call where several have that name.
   */
  readonly results?: Readonly<Record<string, unknown>>;
  /** Another version of the workflow than that of the run, which must make the same durable calls up to the checkpoint. */
  readonly version?: string;
  /** Defaults to the queue of the execution it comes from. */
  readonly taskQueue?: string;
}

const forkKeys = {
  from: true,
  runId: true,
  executionId: true,
  input: true,
  results: true,
  version: true,
  taskQueue: true,
} satisfies KnownKeys<ForkOptions>;

/** @param workflow the definition, if it is known: an edited input is held against its schema */
export async function fork(
  parent: RunsParent & { readonly telemetry: Telemetry | undefined },
  fromExecutionId: string,
  given: ForkOptions,
  workflow: AnyWorkflow | undefined,
): Promise<{ readonly executionId: string; readonly runId: string }> {
  checkKeys(given, forkKeys, "fork");
  const options = asGiven(given);
  if (options.from === undefined) throw new OptionInvalid("from", "names the checkpoint; handle.checkpoints() lists them");
  checkChoice(options.from, "from");
  checkRunId(options.runId, "runId");
  const executionId = options.executionId === undefined ? parent.runtime.newUuid() : checkId(options.executionId, "executionId");
  const runs = new Runs(parent, fromExecutionId);
  const latest = await runs.latest();
  const ofRunId = runOfCheckpoint(options.from);
  if (ofRunId !== undefined && options.runId !== undefined && ofRunId !== options.runId)
    throw new OptionInvalid("from", `is a checkpoint of run ${ofRunId.slice(0, 60)}, and not of the run that runId names`);
  const ofRun = options.runId ?? ofRunId;
  // Runs before the latest may be of other versions.
  const { runId: fromRunId, version: fromVersion } = ofRun === undefined ? latest : await runs.find(ofRun);
  const history = await runs.historyOf(fromRunId);
  const fromSeq = chooseCheckpoint(options.from, history, "from");
  const whole = viewPrefix(history, { toSeq: fromSeq, without: [] });
  // It does not own the other execution's children: those that had not ended are started anew, as its own.
  const open = new Set(whole.children.filter(({ ended }) => !ended).map(({ position }) => position));
  const isLeftOut = (event: Event): boolean =>
    (event.type === "ChildStarted" && open.has(event.position)) || (event.type === "StartMerged" && "input" in options);
  const without = whole.events.flatMap(({ seq, event }) => (isLeftOut(event) ? [seq] : []));
  const started = whole.events[0]!.event as ExecutionStarted;
  if ("input" in options && workflow?.input !== undefined) await checkStartInput(workflow, options.input);
  const version = options.version === undefined ? fromVersion : checkName(options.version, "version");
  const runId = parent.runtime.newUuid();
  const { namespace, telemetry } = parent;
  const forkOf = { namespace, executionId: fromExecutionId, traceparent: started.traceparent };
  const traceparent = telemetry?.started({ namespace, executionId, runId, workflow: latest.workflow, version }, { forkOf });
  const edits = [startedAnew(started, options, traceparent), ...editedResults(whole.events, options.results ?? {})];
  const edited = edits.flatMap(({ what }) => what ?? []);
  const origin = seedsOf(parent.namespace, fromExecutionId, history).first.slice(parent.namespace.length + 1);
  const outcome = await parent.store.fork({
    namespace: parent.namespace,
    executionId,
    runId,
    version,
    taskQueue: options.taskQueue === undefined ? latest.taskQueue : checkName(options.taskQueue, "taskQueue"),
    key: latest.key,
    priority: latest.priority,
    workflow: latest.workflow,
    ...rowValues(whole.searchValues),
    fromRunId,
    toSeq: fromSeq,
    without,
    kept: whole.events.length - without.length,
    epoch: whole.events.at(-1)!.epoch + 1,
    edits: edits.map(({ edit }) => edit),
    forked: encodeEvent({
      type: "ExecutionForked",
      executionId,
      fromExecutionId,
      fromRunId,
      fromSeq,
      ...(origin === fromExecutionId ? {} : { origin }),
      ...(version === fromVersion ? {} : { fromVersion }),
      ...(edited.length === 0 ? {} : { edited }),
    }),
  });
  if (outcome === "forked") return { executionId, runId };
  const from = { fromExecutionId, fromRunId, fromSeq: options.from === "latest" ? undefined : fromSeq, workflow: latest.workflow };
  return { executionId, runId: await existing(parent, executionId, from) };
}

/** As it is now: the history is read first, and the caller may change his objects meanwhile. An input that is undefined is none. */
function asGiven({ input, results, ...others }: ForkOptions): ForkOptions {
  return {
    ...copyOptions(others),
    ...(input === undefined ? {} : { input: copyValue(input, "input") }),
    results: Object.fromEntries(Object.entries(results ?? {}).map(([key, value]) => [key, copyValue(value, resultPath(key))])),
  };
}

interface Edit {
  readonly edit: EditedEvent;
  /** As `ExecutionForked` names it. */
  readonly what: number | "input" | undefined;
}

/** It has no parent, and no deadline and no trace but its own. No schedule started it, but its code was told of one, and may be again. */
function startedAnew(started: ExecutionStarted, options: ForkOptions, traceparent: string | undefined): Edit {
  const { parent: _parent, deadline: _deadline, traceparent: _traceparent, input, merge, schedule, ...kept } = started;
  const isEdited = "input" in options;
  const text = encodeValue(isEdited ? options.input : readPayload(input), "input");
  const merged = isEdited || merge === undefined ? {} : { merge };
  const traced = traceparent === undefined ? {} : { traceparent };
  const scheduled = schedule === undefined ? {} : { schedule: { ...schedule, copied: true as const } };
  return {
    edit: { seq: 1, type: kept.type, data: encodeEvent({ ...kept, ...traced, ...scheduled, ...merged, input: { text } }) },
    what: isEdited ? "input" : undefined,
  };
}

/** What ended a call of the code's: a step, on whatever queue, or a child. */
interface NamedEnd {
  readonly seq: number;
  readonly name: string;
  readonly event: StepCompleted | StepFailed | ChildCompleted | ChildFailed;
}

/** A call that failed gives a result then. */
function editedResults(events: readonly RecordedEvent[], results: Readonly<Record<string, unknown>>): readonly Edit[] {
  const ends = namedEnds(events);
  return Object.entries(results).map(([key, value]) => {
    const path = resultPath(key);
    const byName = ends.filter(({ name }) => name === key);
    const found = byName.length > 0 ? byName : ends.filter(({ event }) => String(event.position) === key);
    if (found.length === 0)
      throw new OptionInvalid(
        path,
        "no step or child of this name or position has ended up to the checkpoint, and nothing else has a result that can be replaced; handle.history() lists what has.",
      );
    if (found.length > 1)
      throw new OptionInvalid(path, `${found.length} calls have this name; name one by its position: ${found.map(({ event }) => event.position).join(", ")}.`);
    const { seq, event } = found[0]!;
    const { position } = event;
    const result = { text: encodeValue(value, path) };
    const ended: Event =
      "name" in event ? { type: "StepCompleted", position, name: event.name, attempt: event.attempt, result } : { type: "ChildCompleted", position, result };
    return { edit: { seq, type: ended.type, data: encodeEvent(ended) }, what: position };
  });
}

function resultPath(key: string): string {
  return `results.${key.slice(0, 60)}`;
}

/** A child has the name of its workflow. */
function namedEnds(events: readonly RecordedEvent[]): readonly NamedEnd[] {
  const children = new Map<number, string>();
  return events.flatMap(({ seq, event }): readonly NamedEnd[] => {
    if (event.type === "ChildStarted") children.set(event.position, remoteStepName(event.workflow) ?? event.workflow);
    if (event.type === "StepCompleted" || event.type === "StepFailed") return [{ seq, name: event.name, event }];
    const isEnd = event.type === "ChildCompleted" || event.type === "ChildFailed";
    // A child whose start failed has none recorded: its position names it.
    return isEnd ? [{ seq, name: children.get(event.position) ?? "", event }] : [];
  });
}

interface ForkedFrom {
  readonly fromExecutionId: string;
  readonly fromRunId: string;
  /** Undefined: it may have been made when that run was not as far. */
  readonly fromSeq: number | undefined;
  readonly workflow: string;
}

/** The id is taken: by this very fork, or by something else. Gives its latest run. */
async function existing(parent: RunsParent, executionId: string, from: ForkedFrom): Promise<string> {
  const runs = new Runs(parent, executionId);
  const latest = await runs.latest().catch((error: unknown) => {
    // Retention deleted what should be copied.
    throw error instanceof ExecutionNotFound ? new ExecutionNotFound(from.fromExecutionId) : error;
  });
  // A run that continued as new does not say where the first was forked from.
  const first = (await parent.store.pastRuns(parent.namespace, executionId))[0] ?? latest;
  const history = await runs.historyOf(first.runId);
  // Retention deleted the run that says it.
  const isSame = first.runNumber > 1 ? mayBeForked(latest, history, from) : wasForked(history, executionId, from);
  if (!isSame) throw new ExecutionConflict(executionId, "was not forked from there");
  return latest.runId;
}

function wasForked(history: readonly RecordedEvent[], executionId: string, from: ForkedFrom): boolean {
  const forked = history.findLast(({ event }) => event.type === "ExecutionForked")?.event;
  return (
    forked?.type === "ExecutionForked" &&
    forked.fromRunId === from.fromRunId &&
    forked.fromSeq === (from.fromSeq ?? forked.fromSeq) &&
    forked.executionId === executionId
  );
}

/** What a fork never has shows that it is none: another workflow, a parent, or an id to start it by. */
function mayBeForked({ workflow, idempotencyKey, deduplicationId }: ExecutionSummary, history: readonly RecordedEvent[], from: ForkedFrom): boolean {
  const { parent } = history[0]!.event as ExecutionStarted;
  return workflow === from.workflow && idempotencyKey === null && deduplicationId === null && parent === undefined;
}
