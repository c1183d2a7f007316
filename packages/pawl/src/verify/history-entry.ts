import { decodeValue } from "../base/values.ts";
import type { Event } from "../kernel/event.ts";
import { payloadFields } from "../kernel/event-codec.ts";
import { isEventType, isObject, shapeProblem } from "../kernel/event-shape.ts";
import type { HistoryEntry } from "./rows.ts";

/** So many characters of an event's data are read: whole events nearly always, of very large ones what stands before a payload. */
export const dataRead = 16 * 1024;

export interface EntryRow {
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly type: string;
  readonly bytes: number;
  /** The first `dataRead` characters. */
  readonly head: string;
}

type Fields = Record<string, unknown>;

/**
 * An event without its payloads: the checks need none, and a batch of histories must fit into memory. Undefined where the head does not
 * hold all its other fields, such as many attributes: then only the whole data tells what is there.
 */
export function historyEntry(row: EntryRow): HistoryEntry | undefined {
  if (row.head.length < dataRead) return wholeEntry(row, row.head);
  const fields = leadingFields(row.head);
  const isComplete = fields !== undefined && isEventType(row.type) && shapeProblem(row.type, fields) === undefined;
  return isComplete ? entryOf(row, fields) : undefined;
}

export function wholeEntry(row: EntryRow, data: string): HistoryEntry {
  return entryOf(row, wholeFields(row, data));
}

/** @param fields of the event, or what is wrong with its data */
function entryOf({ seq, epoch, at, type, bytes }: EntryRow, fields: Fields | string): HistoryEntry {
  const read = typeof fields === "string" ? { event: undefined, problem: fields } : { event: { ...fields, type } as unknown as Event, problem: undefined };
  return { seq, epoch, at, type, bytes, ...read };
}

function wholeFields({ seq, type }: EntryRow, data: string): Fields | string {
  const unreadable = `the data of event ${seq} cannot be read`;
  let fields: unknown;
  try {
    fields = JSON.parse(data);
  } catch {
    return unreadable;
  }
  if (!isObject(fields)) return unreadable;
  if (!isEventType(type)) return `event ${seq} is ${type}, which this version of Pawl does not know`;
  const problem = shapeProblem(type, fields);
  if (problem !== undefined) return `event ${seq} (${type}): ${problem.path} ${problem.reason.replace(/\.$/, "")}`;
  const known: Fields = {};
  for (const [key, stored] of Object.entries(fields)) {
    try {
      known[nameOf(key)] = fieldValue(key, stored);
    } catch {
      return `event ${seq} (${type}): the value in data.${nameOf(key)} cannot be read`;
    }
  }
  return known;
}

/** A field under `<name>#` is encoded. */
function nameOf(key: string): string {
  return key.endsWith("#") ? key.slice(0, -1) : key;
}

/** @throws if it is encoded and cannot be read */
function fieldValue(key: string, stored: unknown): unknown {
  const value = key.endsWith("#") ? decodeValue(stored as string) : stored;
  return payloadFields.has(nameOf(key)) ? { value: null } : value;
}

const field =
  /[{,]"(\w+#?)":(?:(-?\d[\d.eE+-]*|true|false|null|"(?:[^"\\]|\\.)*"|\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\})*\})(?=[,}]))?/y;

/** The fields before the first payload, behind which nothing else stands; undefined where one of them is cut off. */
function leadingFields(head: string): Fields | undefined {
  const fields: Fields = {};
  field.lastIndex = 0;
  for (;;) {
    const match = field.exec(head);
    const key = match?.[1];
    if (match === null || key === undefined) return undefined;
    if (payloadFields.has(nameOf(key))) return { ...fields, [nameOf(key)]: { value: null } };
    if (match[2] === undefined) return undefined;
    try {
      fields[nameOf(key)] = fieldValue(key, JSON.parse(match[2]));
    } catch {
      return undefined;
    }
  }
}
