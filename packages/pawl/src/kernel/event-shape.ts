import { isStorable } from "../base/storable-text.ts";
import { decodeValue } from "../base/values.ts";
import type { Event } from "./event.ts";

type Kind = "string" | "id" | "number" | "position" | "failure" | "object" | "payload";
type Shape = Readonly<Record<string, Kind | `${Kind}?`>>;

const call: Shape = { position: "position" };
const attempt: Shape = { ...call, name: "string", attempt: "position" };

/** The fields of every event, as far as reading it again depends on them. */
const shapes: Readonly<Record<Event["type"], Shape>> = {
  ExecutionStarted: {
    input: "payload",
    parent: "object?",
    schedule: "object?",
    continuedFrom: "object?",
    traceparent: "string?",
    timeoutMs: "number?",
    delayMs: "number?",
    timeoutFrom: "number?",
    deadline: "number?",
    labels: "object?",
    attributes: "object?",
    merge: "string?",
  },
  StartMerged: { startId: "id", input: "payload" },
  StepStarted: attempt,
  StepHeartbeat: { ...attempt, heartbeat: "payload" },
  StepCompleted: { ...attempt, result: "payload" },
  StepAttemptFailed: { ...attempt, failure: "failure", retryInMs: "number", heartbeat: "payload?" },
  StepFailed: { ...attempt, failure: "failure" },
  TimerStarted: { ...call, durationMs: "number" },
  TimerFired: call,
  ChildStarted: { ...call, workflow: "string", executionId: "id", runId: "string", parentClosePolicy: "string?" },
  ChildCompleted: { ...call, result: "payload" },
  ChildFailed: { ...call, state: "string", failure: "failure", deadline: "number?" },
  WaitStarted: { ...call, signal: "string?", timeoutMs: "number?" },
  WaitTimedOut: call,
  SignalReceived: { signalId: "id", name: "string", traceparent: "string?", payload: "payload" },
  UpdateReceived: { updateId: "id", name: "string", payload: "payload" },
  UpdateCompleted: { updateId: "id", result: "payload" },
  UpdateRejected: { updateId: "id", failure: "failure" },
  ValueSet: { ...call, key: "id", value: "payload" },
  LabelsSet: { ...call, labels: "object" },
  AttributesSet: { ...call, attributes: "object" },
  StreamWritten: { ...call, stream: "string", offset: "number" },
  PatchMarked: { patchId: "string" },
  CancelRequested: { reason: "string?" },
  WorkerLost: { workerId: "string", claims: "number" },
  ExecutionPaused: { wakeAt: "number?", reason: "string?" },
  ExecutionUnpaused: {},
  ExecutionResumed: {
    fromRunId: "string",
    fromState: "string",
    labels: "object?",
    attributes: "object?",
    operation: "string?",
    toSeq: "number?",
    runNumber: "position?",
    reason: "string?",
  },
  ExecutionForked: { executionId: "string", fromExecutionId: "string", fromRunId: "string", fromSeq: "position", origin: "string?", fromVersion: "string?" },
  ExecutionCompleted: { result: "payload" },
  ExecutionFailed: { failure: "failure", causeSeq: "position?", causeCalls: "position?" },
  ExecutionCancelled: { reason: "string?" },
  ExecutionTerminated: { reason: "string?" },
  ExecutionTimedOut: { timeoutMs: "number?", deadline: "number?" },
  ExecutionContinuedAsNew: { nextRunId: "string", version: "string?" },
  ExecutionQuarantined: { failure: "failure" },
};

/** Whether this version of Pawl knows events of that type. */
export function isEventType(type: string): type is Event["type"] {
  return Object.hasOwn(shapes, type);
}

/** What keeps these from being the stored fields of such an event, and where; undefined if nothing does. */
export function shapeProblem(type: Event["type"], data: Readonly<Record<string, unknown>>): { readonly path: string; readonly reason: string } | undefined {
  const odd = Object.keys(data).find((name) => !/^[A-Za-z]\w*#?$/.test(name));
  if (odd !== undefined) return { path: "data", reason: `has a field ${JSON.stringify(odd.slice(0, 60))}, and no event has one of such a name.` };
  for (const [name, kind] of Object.entries(shapes[type])) {
    const value = kind.startsWith("payload") ? (data[name] ?? data[`${name}#`]) : plainValue(data, name);
    const isThere = Object.hasOwn(data, name) || Object.hasOwn(data, `${name}#`);
    if (!isThere && kind.endsWith("?")) continue;
    if (!isThere || !fits(value, kind.replace("?", "") as Kind, Object.hasOwn(data, `${name}#`)))
      return { path: `data.${name}`, reason: `must be ${words[kind.replace("?", "") as Kind]}.` };
  }
  return undefined;
}

/** What is no payload stands encoded only where PostgreSQL could not read it else. */
function plainValue(data: Readonly<Record<string, unknown>>, name: string): unknown {
  const encoded = data[`${name}#`];
  if (typeof encoded !== "string") return data[name];
  try {
    return decodeValue(encoded);
  } catch {
    return undefined;
  }
}

const words: Readonly<Record<Kind, string>> = {
  string: "a string",
  id: "a string without NUL characters and halves of surrogate pairs",
  number: "a number from 0",
  position: "a whole number from 1",
  failure: "a failure with name and message",
  object: "an object",
  payload: "a value",
};

function fits(value: unknown, kind: Kind, isText: boolean): boolean {
  switch (kind) {
    case "string":
      return typeof value === "string" && value.length <= 10_000;
    case "id":
      return typeof value === "string" && value.length <= 10_000 && isStorable(value);
    case "number":
      return typeof value === "number" && value >= 0;
    case "position":
      return Number.isInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 31;
    case "failure":
      return isObject(value) && typeof value["name"] === "string" && typeof value["message"] === "string";
    case "object":
      return isObject(value);
    case "payload":
      return !isText || typeof value === "string";
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
