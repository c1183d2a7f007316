import { DocumentInvalid, PawlError } from "../../base/errors.ts";
import { checkId, checkName } from "../../base/ids.ts";
import { limits } from "../../base/limits.ts";
import { checkPlace, type QueuePlace } from "../../base/queue-place.ts";
import { checkLabelChanges, checkStoredLabels, checkStoredAttributes } from "../../base/search-values.ts";
import { decodeEvent, encodeAgain } from "../../kernel/event-codec.ts";
import type { Event, StreamWritten } from "../../kernel/event.ts";
import { executionStates, isTerminal } from "../../kernel/execution-state.ts";
import { fold } from "../../kernel/fold.ts";
import { endsRun } from "../../kernel/run-end.ts";
import { searchValuesOf } from "../../kernel/search-values.ts";
import type { ImportedEvent, ImportedRun, ImportOperation } from "../../store/import.ts";
import { rowValues } from "../../store/search-values.ts";
import { isEventType, isObject, shapeProblem } from "../../kernel/event-shape.ts";
import { documentFormat, documentVersion } from "./execution-document.ts";
import { isTime } from "./is-time.ts";
import { placeOf, readStreams, type RunsOfStreams } from "./read-streams.ts";

export interface ImportTarget {
  readonly namespace: string;
  /** Undefined: the document's own. */
  readonly executionId: string | undefined;
  readonly newUuid: () => string;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * A document as what is to be written, checked: every run whole and in order, every event of its form, each run's state what its
 * events say. Runs get new ids, so that a copy can stand beside the original.
 *
 * An execution that was open is held: nobody here may know its code, and where it comes from it may be running. Its numbers
 * and the ids of its children follow from its own id, so it can go on under no other.
 *
 * @throws DocumentInvalid with the path of what is wrong
 */
export function readDocument(document: unknown, target: ImportTarget): ImportOperation {
  if (!isObject(document)) throw new DocumentInvalid("document", "is no object. Pass what exportExecution() gave, or the parsed file.");
  if (document["format"] !== documentFormat) throw new DocumentInvalid("format", `must be "${documentFormat}"; this is no exported execution.`);
  if (document["formatVersion"] !== documentVersion)
    throw new DocumentInvalid(
      "formatVersion",
      `is ${JSON.stringify(document["formatVersion"])}; this Pawl reads version ${documentVersion}. Import it with the Pawl that knows it.`,
    );
  const from = { namespace: named("namespace", document, checkName), executionId: named("executionId", document, checkId) };
  const runs = document["runs"];
  if (!Array.isArray(runs) || runs.length === 0) throw new DocumentInvalid("runs", "must be a list of at least one run.");
  const executionId = target.executionId ?? from.executionId;
  const reader = new RunReader(runs, { newUuid: target.newUuid, isCopy: executionId !== from.executionId });
  const read = runs.map((run, index) => reader.read(run, index));
  checkChain(read, runs);
  const latest = read.at(-1)!;
  if (!isTerminal(latest.run.state) && (executionId !== from.executionId || target.namespace !== from.namespace)) {
    throw new DocumentInvalid(
      "executionId",
      `it is ${String((runs.at(-1) as Fields)["state"])}; an execution that has not ended can be imported only as "${from.executionId}" into namespace "${from.namespace}".`,
    );
  }
  return {
    namespace: target.namespace,
    executionId,
    workflow: named("workflow", document, checkName),
    taskQueue: named("taskQueue", document, checkName),
    ...rowValues(searchValuesOf(latest.events)),
    ...placeIn(document),
    runs: read.map(({ run }) => run),
    chunks: readStreams(document["streams"], reader.streams(read)),
  };
}

/** Its key and priority within its queue. */
function placeIn({ key, priority }: Fields): { readonly key: string | null; readonly priority: number } {
  const checked = (part: "key" | "priority", place: QueuePlace): QueuePlace => {
    try {
      checkPlace(place);
      return place;
    } catch (error) {
      throw new DocumentInvalid(part, error instanceof PawlError ? error.message : String(error));
    }
  };
  return {
    key: checked("key", key === undefined ? {} : { key: key as string }).key ?? null,
    priority: checked("priority", priority === undefined ? {} : { priority: priority as number }).priority ?? 0,
  };
}

class RunReader {
  readonly #count: number;
  readonly #newUuid: () => string;
  /** Whether it gets another id than it has in the document. */
  readonly #isCopy: boolean;
  /** New run ids by those of the document. */
  readonly #ids = new Map<string, string>();
  /** Ids of runs that were left behind as they were, by a rollback. */
  readonly #wasLeft: ReadonlySet<unknown>;
  #events = 0;
  #bytes = 0;

  constructor(runs: readonly unknown[], { newUuid, isCopy }: { readonly newUuid: () => string; readonly isCopy: boolean }) {
    this.#isCopy = isCopy;
    this.#count = runs.length;
    this.#newUuid = newUuid;
    for (const [index, run] of runs.entries()) {
      const runId = isObject(run) ? run["runId"] : undefined;
      if (typeof runId !== "string" || this.#ids.has(runId)) throw new DocumentInvalid(`runs[${index}].runId`, "must be an id that no other run has.");
      const events: unknown = isObject(run) ? run["events"] : undefined;
      const first: unknown = Array.isArray(events) ? events[0] : undefined;
      const at = isObject(first) ? first["at"] : undefined;
      this.#ids.set(runId, isTime(at) ? inTimeOrder(newUuid(), at) : newUuid());
    }
    const events = runs.flatMap((run) => (run as Fields)["events"] ?? []).filter(isObject);
    this.#wasLeft = new Set(
      events.flatMap(({ type, data }) => (type === "ExecutionResumed" && isObject(data) && data["operation"] !== undefined ? [data["fromRunId"]] : [])),
    );
  }

  read(given: unknown, index: number): { readonly run: ImportedRun; readonly events: readonly Event[] } {
    const path = `runs[${index}]`;
    const run = given as Fields;
    const version = named("version", run, checkName, `${path}.version`);
    const state = executionStates.find((known) => known === run["state"]);
    if (state === undefined) throw new DocumentInvalid(`${path}.state`, `must be one of ${executionStates.join(", ")}.`);
    const isLatest = index === this.#count - 1;
    if (!isLatest && !isTerminal(state) && state !== "quarantined" && !this.#wasLeft.has(run["runId"]))
      throw new DocumentInvalid(`${path}.state`, `is ${state}; an earlier run has ended, was held or was rolled back.`);
    const list = run["events"];
    if (!Array.isArray(list) || list.length === 0) throw new DocumentInvalid(`${path}.events`, "must be a list of at least one event.");
    this.#events += list.length;
    if (this.#events > limits.documentEvents) throw new DocumentInvalid(`${path}.events`, `more than ${limits.documentEvents} events cannot be imported.`);
    const read = list.map((event, number) => this.#event(event, `${path}.events[${number}]`));
    checkOrder(read, path);
    const view = fold(read.map(({ imported, event }, number) => ({ seq: number + 1, at: imported.at!, event })));
    const wanted = isTerminal(state) || state === "quarantined" || state === "paused" ? state : "running";
    const isWoken = view.state === "paused" && wanted === "running";
    if (view.state !== wanted && !isWoken) throw new DocumentInvalid(`${path}.state`, `is ${state}, and its events say ${view.state}.`);
    const imported: ImportedEvent[] = read.map((one) => one.imported);
    const isHeld = isLatest && (wanted === "running" || wanted === "paused");
    if (isHeld) imported.push(held(imported.at(-1)!.epoch + 1));
    const createdAt = imported[0]!.at!;
    const startedAt = run["startedAt"];
    if (startedAt !== null && !isTime(startedAt)) throw new DocumentInvalid(`${path}.startedAt`, "must be a time in milliseconds since 1970, or null.");
    return {
      run: {
        runId: this.#ids.get(run["runId"] as string)!,
        version,
        state: isHeld ? "quarantined" : state,
        createdAt,
        startedAt: startedAt === null ? null : Math.max(startedAt, createdAt),
        finishedAt: view.finishedAt ?? null,
        events: imported,
      },
      events: read.map(({ event }) => event),
    };
  }

  /** What these runs say of the streams of their execution. */
  streams(read: readonly { readonly run: ImportedRun; readonly events: readonly Event[] }[]): RunsOfStreams {
    const writtenIn = (events: readonly Event[]): StreamWritten[] => events.filter((event) => event.type === "StreamWritten");
    const { events } = read.at(-1)!;
    const own = events.findLastIndex(({ type }) => type === "ExecutionResumed" || type === "ExecutionForked") + 1;
    const deleted = new Map<string, string>();
    return {
      newId: (runId) => this.#ids.get(runId),
      idOfDeleted: (runId) => {
        const id = deleted.get(runId) ?? this.#newUuid();
        deleted.set(runId, id);
        return id;
      },
      beganAt: read[0]!.run.createdAt,
      recorded: new Set(read.flatMap(({ run, events: list }) => writtenIn(list).map(({ offset, stream }) => placeOf(run.runId, stream, offset)))),
      latest: writtenIn(events.slice(own)),
    };
  }

  /** The events that name runs of this execution name them by their new ids, and no schedule starts a copy. */
  #asImported(type: string, data: Fields): Fields {
    const renamed = (fields: Fields, name: string): Fields => ({ ...fields, [name]: this.#ids.get(fields[name] as string) ?? fields[name] });
    if (type === "ExecutionResumed") return renamed(data, "fromRunId");
    if (type === "ExecutionContinuedAsNew") return renamed(data, "nextRunId");
    if (type !== "ExecutionStarted") return data;
    const { continuedFrom, schedule } = data;
    return {
      ...data,
      ...(isObject(continuedFrom) ? { continuedFrom: renamed(continuedFrom, "runId") } : {}),
      ...(this.#isCopy && isObject(schedule) ? { schedule: { ...schedule, copied: true } } : {}),
    };
  }

  #event(given: unknown, path: string): { readonly imported: ImportedEvent; readonly event: Event } {
    if (!isObject(given)) throw new DocumentInvalid(path, "must be an object.");
    const { type, at, epoch, data } = given;
    if (typeof type !== "string") throw new DocumentInvalid(`${path}.type`, "must be a string.");
    if (!isTime(at)) throw new DocumentInvalid(`${path}.at`, "must be a time in milliseconds since 1970.");
    if (typeof epoch !== "number" || !Number.isInteger(epoch) || epoch < 0 || epoch > 2 ** 30)
      throw new DocumentInvalid(`${path}.epoch`, "must be a whole number from 0.");
    if (!isObject(data)) throw new DocumentInvalid(`${path}.data`, "must be an object.");
    if (!isEventType(type))
      throw new DocumentInvalid(`${path}.type`, `there is no event "${type.slice(0, 60)}" in this version of Pawl. A newer one may have written the document.`);
    const problem = shapeProblem(type, data);
    if (problem !== undefined) throw new DocumentInvalid(`${path}.${problem.path}`, problem.reason);
    const text = encoded(this.#asImported(type, data), path);
    this.#bytes += text.length;
    if (this.#bytes > limits.documentCharacters)
      throw new DocumentInvalid(path, `more than ${limits.documentCharacters} characters of events cannot be imported.`);
    try {
      const event = decodeEvent(type, text);
      if (event.type === "ExecutionStarted" || event.type === "ExecutionResumed") {
        checkStoredLabels(event.labels, "labels");
        checkStoredAttributes(event.attributes, "attributes");
      } else if (event.type === "LabelsSet") checkLabelChanges(event.labels, "labels");
      else if (event.type === "AttributesSet") checkStoredAttributes(event.attributes, "attributes");
      // A document may hold what PostgreSQL could not read in the form that it has there.
      return { imported: { type, data: encodeAgain(event), epoch, at }, event };
    } catch (error) {
      throw new DocumentInvalid(`${path}.data`, error instanceof PawlError ? error.message : "holds a value that cannot be read.");
    }
  }
}

/** Depth is checked by trying: a document in memory may be nested as nothing that is parsed can be. */
function encoded(fields: Fields, path: string): string {
  try {
    return JSON.stringify(fields);
  } catch {
    throw new DocumentInvalid(`${path}.data`, "cannot be written as JSON.");
  }
}

function checkOrder(read: readonly { readonly imported: ImportedEvent; readonly event: Event }[], path: string): void {
  let before = 0;
  for (const [index, { imported, event }] of read.entries()) {
    const where = `${path}.events[${index}]`;
    if ((event.type === "ExecutionStarted") !== (index === 0))
      throw new DocumentInvalid(`${where}.type`, "a run begins with ExecutionStarted, and has it nowhere else.");
    if (endsRun(event.type) && index < read.length - 1) throw new DocumentInvalid(`${where}.type`, `${event.type} ends a run, and here more follows.`);
    if (imported.epoch < before) throw new DocumentInvalid(`${where}.epoch`, `is ${imported.epoch}, and the event before it has ${before}.`);
    // Whatever else is written before there is an owner, such as a pause, raises the epoch.
    if (index > 0 && (imported.epoch === 0) !== (event.type === "StartMerged"))
      throw new DocumentInvalid(`${where}.epoch`, "the start, and starts merged into it, have the epoch 0, and nothing else has.");
    before = imported.epoch;
  }
}

/** A run goes on as the one that its end names, in the version that its end names; any other is of the version of the run before. */
function checkChain(read: readonly { readonly run: ImportedRun; readonly events: readonly Event[] }[], runs: readonly unknown[]): void {
  for (const [index, { run, events }] of read.entries()) {
    const next = read[index + 1]?.run;
    const end = events.at(-1);
    const continued = end?.type === "ExecutionContinuedAsNew" ? end : undefined;
    if (continued !== undefined && next?.runId !== continued.nextRunId) {
      const goesOn = next === undefined ? "it is the last one" : `the next one is ${String((runs[index + 1] as Fields)["runId"])}`;
      throw new DocumentInvalid(`runs[${index}].state`, `is continued_as_new, and the run that it goes on as does not follow: ${goesOn}.`);
    }
    const version = continued?.version ?? run.version;
    if (next !== undefined && next.version !== version)
      throw new DocumentInvalid(`runs[${index + 1}].version`, `is "${next.version}", and the run before it says "${version}".`);
  }
}

function held(epoch: number): ImportedEvent {
  const message = "It was imported before it had ended. Resume it to go on here, if it does not go on where it comes from.";
  return { type: "ExecutionQuarantined", data: JSON.stringify({ failure: { name: "Imported", message } }), epoch, at: null };
}

function named(field: string, document: Fields, check: (value: unknown, path: string) => string, path: string = field): string {
  try {
    return check(document[field], path);
  } catch (error) {
    throw new DocumentInvalid(path, error instanceof PawlError ? error.message : String(error));
  }
}

/** A new id that sorts where the run belongs by its time: lists show the newest first by run id. */
function inTimeOrder(uuid: string, at: number): string {
  const time = Math.floor(at).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}${uuid.slice(13)}`;
}
