import { decodeValue } from "../base/values.ts";
import type { Event } from "../kernel/event.ts";
import { payloadFields } from "../kernel/event-codec.ts";
import type { HistoryEntry } from "./rows.ts";

/** So many characters of an event's data are read: whole events nearly always, the leading fields of very large ones. */
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

/** An event without its payloads: the checks need none, and a batch of histories must fit into memory. */
export function historyEntry({ seq, epoch, at, type, bytes, head }: EntryRow): HistoryEntry {
  const fields = head.length < dataRead ? wholeFields(head) : leadingFields(head);
  return { seq, epoch, at, type, bytes, event: fields === undefined ? undefined : ({ ...fields, type } as unknown as Event) };
}

function wholeFields(data: string): Record<string, unknown> | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return undefined;
  const known = fields as Record<string, unknown>;
  try {
    for (const key of Object.keys(known)) {
      const name = nameOf(key);
      if (name === key && !payloadFields.has(name)) continue;
      known[name] = fieldValue(key, known[key]);
      if (name !== key) delete known[key];
    }
  } catch {
    return undefined;
  }
  return known;
}

/** A field under `<name>#` is encoded. */
function nameOf(key: string): string {
  return key.endsWith("#") ? key.slice(0, -1) : key;
}

function fieldValue(key: string, stored: unknown): unknown {
  if (payloadFields.has(nameOf(key))) return { value: null };
  return key.endsWith("#") ? decodeValue(stored as string) : stored;
}

const field =
  /[{,]"(\w+#?)":(?:(-?\d[\d.eE+-]*|true|false|null|"(?:[^"\\]|\\.)*"|\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\})*\})(?=[,}]))?/y;

/** The fields before the first one that is cut off or is a payload. `encodeEvent` writes payloads last. */
function leadingFields(head: string): Record<string, unknown> | undefined {
  const fields: Record<string, unknown> = {};
  field.lastIndex = 0;
  for (;;) {
    const match = field.exec(head);
    const key = match?.[1];
    if (match === null || key === undefined) break;
    const isPayload = payloadFields.has(nameOf(key));
    if (isPayload) fields[nameOf(key)] = { value: null };
    if (isPayload || match[2] === undefined) return fields;
    try {
      fields[nameOf(key)] = fieldValue(key, JSON.parse(match[2]));
    } catch {
      return undefined;
    }
  }
  return Object.keys(fields).length === 0 ? undefined : fields;
}
