import { decodeValue } from "../base/values.ts";
import type { Event } from "./event.ts";
import type { Payload } from "./payload.ts";

/**
 * An event's stored form: JSON of its fields without the type. A payload that is plain JSON stands in it as it is, so that
 * people and SQL can read it; a payload with richer values stands under `<field>#` as one string.
 */
const payloadFields = ["input", "result", "heartbeat"] as const;

/** Payload fields come last, so that the text is made by appending and never by parsing what was just encoded. */
export function encodeEvent(event: Event): string {
  const plain: Record<string, unknown> = {};
  let payload: Payload | undefined;
  let field = "";
  for (const [key, value] of Object.entries(event)) {
    if (key === "type" || value === undefined) continue;
    if (key === "input" || key === "result" || key === "heartbeat") {
      payload = value as Payload;
      field = key;
    } else {
      plain[key] = value;
    }
  }
  const head = JSON.stringify(plain);
  if (payload === undefined) return head;
  if (!("text" in payload)) throw new TypeError(`The ${field} of ${event.type} was already parsed; encode its text instead.`);
  const { text } = payload;
  const entry = text.startsWith("#") ? `"${field}#":${JSON.stringify(text)}` : `"${field}":${text}`;
  return head === "{}" ? `{${entry}}` : `${head.slice(0, -1)},${entry}}`;
}

/** `data` comes from the history, which only `encodeEvent` and the statements write. */
export function decodeEvent(type: string, data: string): Event {
  const fields = JSON.parse(data) as Record<string, unknown>;
  for (const field of payloadFields) {
    const extended = fields[`${field}#`];
    if (extended !== undefined) {
      fields[field] = { value: decodeValue(extended as string) } satisfies Payload;
      delete fields[`${field}#`];
    } else if (field in fields) {
      fields[field] = { value: fields[field] } satisfies Payload;
    }
  }
  fields["type"] = type;
  return fields as unknown as Event;
}
