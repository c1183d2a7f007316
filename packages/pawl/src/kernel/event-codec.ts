import { decodeValue } from "../base/values.ts";
import type { Event } from "./event.ts";
import type { Payload } from "./payload.ts";

/**
 * An event's stored form: JSON of its fields without the type. A payload that is plain JSON stands in it as it is, so that
 * people and SQL can read it; a payload with richer values stands under `<field>#` as one string.
 */
export const payloadFields = ["input", "result", "heartbeat", "payload", "value"] as const;

/** Written by appending: an encoded payload goes in as it is, without being parsed again. */
export function encodeEvent(event: Event): string {
  let text = "";
  for (const key in event) {
    const value = (event as unknown as Record<string, unknown>)[key];
    if (key === "type" || value === undefined) continue;
    if (key === "input" || key === "result" || key === "heartbeat" || key === "payload" || key === "value") {
      const payload = value as Payload;
      if (!("text" in payload)) throw new TypeError(`The ${key} of ${event.type} was already parsed; encode its text instead.`);
      text += payload.text.startsWith("#") ? `,"${key}#":${JSON.stringify(payload.text)}` : `,"${key}":${payload.text}`;
    } else {
      text += typeof value === "number" ? `,"${key}":${value}` : `,"${key}":${JSON.stringify(value)}`;
    }
  }
  return `{${text.slice(1)}}`;
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
