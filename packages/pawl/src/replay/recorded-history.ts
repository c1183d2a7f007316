import { HistoryInvalid } from "../base/errors.ts";
import { documentFormat } from "../client/document/execution-document.ts";
import { decodeEvent, encodeAgain } from "../kernel/event-codec.ts";
import type { Event, RecordedEvent } from "../kernel/event.ts";

/** A history outside of a database, as JSON: what `pawl history <id> --json` prints and `recordHistory` gives. */
export interface RecordedHistory {
  readonly executionId: string;
  /** What `ctx.random()` and `ctx.uuid()` give depends on it ("default"). */
  readonly namespace?: string;
  readonly workflow: string;
  readonly version: string;
  readonly runId: string;
  readonly events: readonly RecordedEventJson[];
}

/** An event with its fields beside it. What JSON or PostgreSQL cannot hold stands, encoded, under `<field>#`. */
export interface RecordedEventJson {
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

/** What a history is made of where it is read: an execution's `history()`. */
export interface HistoryEntry {
  readonly seq: number;
  readonly at: Date;
  readonly event: Event;
}

/** The JSON form of one event: the stored one, with what stands beside it in a row. */
export function eventToJson({ seq, at, event }: HistoryEntry): RecordedEventJson {
  const stored = JSON.parse(encodeAgain(event)) as Record<string, unknown>;
  return { seq, at: at.toISOString(), ...stored, type: event.type };
}

/** A history with its events as the kernel has them. */
export interface ParsedHistory extends Omit<RecordedHistory, "namespace" | "events"> {
  readonly namespace: string;
  readonly events: readonly RecordedEvent[];
}

/** Checks and reads one. @param history the object, or the JSON text of it @throws HistoryInvalid with the path of what is wrong */
export function parseHistory(history: unknown): ParsedHistory {
  let value: unknown = history;
  if (typeof history === "string") {
    try {
      value = JSON.parse(history);
    } catch (error) {
      throw new HistoryInvalid("history", `is not JSON: ${(error as Error).message}`);
    }
  }
  if (!isObject(value)) throw new HistoryInvalid("history", "must be an object with executionId, workflow, version, runId and events");
  if (value["format"] === documentFormat)
    throw new HistoryInvalid(
      "format",
      "is an exported execution, with a history for each run; `pawl replay` takes its file, and here goes the history of one run",
    );
  const { namespace = "default", events } = value;
  const text = (name: string): string => textAt(value, name, name);
  if (typeof namespace !== "string") throw new HistoryInvalid("namespace", "must be a text");
  if (!Array.isArray(events) || events.length === 0) throw new HistoryInvalid("events", "must be a list of at least one event");
  const parsed = events.map((event: unknown, index) => parseEvent(event, index));
  if (parsed[0]!.event.type !== "ExecutionStarted") throw new HistoryInvalid("events[0].type", "must be ExecutionStarted: the history must be whole");
  return { executionId: text("executionId"), runId: text("runId"), workflow: text("workflow"), version: text("version"), namespace, events: parsed };
}

function parseEvent(value: unknown, index: number): RecordedEvent {
  const path = `events[${index}]`;
  if (!isObject(value)) throw new HistoryInvalid(path, "must be an object");
  const { seq, at: _at, type, ...fields } = value;
  if (seq !== index + 1) throw new HistoryInvalid(`${path}.seq`, `must be ${index + 1}: the history must be whole and in order`);
  const time = Date.parse(textAt(value, "at", `${path}.at`));
  if (Number.isNaN(time)) throw new HistoryInvalid(`${path}.at`, "must be a time in ISO 8601");
  try {
    return { seq, at: time, epoch: 0, event: decodeEvent(textAt({ type }, "type", `${path}.type`), JSON.stringify(fields)) };
  } catch (error) {
    if (error instanceof HistoryInvalid) throw error;
    throw new HistoryInvalid(path, `holds a value that cannot be decoded: ${(error as Error).message}`);
  }
}

function textAt(object: Record<string, unknown>, name: string, path: string): string {
  const value = object[name];
  if (typeof value !== "string" || value === "") throw new HistoryInvalid(path, "must be a text");
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
