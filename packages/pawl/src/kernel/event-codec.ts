import { decodeValue, encodeValue } from "../base/values.ts";
import type { Event } from "./event.ts";
import type { Payload } from "./payload.ts";

/**
 * An event's stored form: JSON of its fields without the type. A payload that is plain JSON stands in it as it is, so that
 * people and SQL can read it; a payload with richer values stands under `<field>#` as one string. So does any field with a text
 * that PostgreSQL cannot give as `text`: its `->` and `->>` read the whole document, and would fail at every other field too.
 */
export const payloadFields: ReadonlySet<string> = new Set(["input", "result", "heartbeat", "payload", "value"]);

/** The escape of NUL or of half a surrogate pair; whole pairs are never escaped. One after a backslash is taken for one too, which does no harm. */
const unreadableInSql = /\\u(?:0000|d[89a-f])/;

/**
 * Written by appending: an encoded payload goes in as it is, without being parsed again. Payloads stand last, so that who reads only the
 * beginning of a large event has all else.
 */
export function encodeEvent(event: Event): string {
  let text = "";
  let payloads = "";
  for (const key in event) {
    const value = (event as unknown as Record<string, unknown>)[key];
    if (key === "type" || value === undefined) continue;
    if (key === "input" || key === "result" || key === "heartbeat" || key === "payload" || key === "value") {
      const payload = value as Payload;
      if (!("text" in payload)) throw new TypeError(`The ${key} of ${event.type} was already parsed; encode its text instead.`);
      payloads += fieldText(key, payload.text);
    } else {
      text += typeof value === "number" ? `,"${key}":${value}` : fieldText(key, JSON.stringify(value));
    }
  }
  return `{${(text + payloads).slice(1)}}`;
}

/** `encoded` as `encodeValue` gives it. The second form doubles every backslash, and with it no escape is left. */
function fieldText(key: string, encoded: string): string {
  const isPlain = !encoded.startsWith("#") && !(encoded.includes("\\u") && unreadableInSql.test(encoded));
  return isPlain ? `,"${key}":${encoded}` : `,"${key}#":${JSON.stringify(encoded)}`;
}

/** The stored form of an event that was read from one. @throws what `encodeValue` throws */
export function encodeAgain(event: Event): string {
  const fields = Object.entries(event).map(([name, value]: [string, unknown]) => {
    if (!payloadFields.has(name) || "text" in (value as Payload)) return [name, value] as const;
    return [name, { text: encodeValue((value as { readonly value: unknown }).value, name) }] as const;
  });
  return encodeEvent(Object.fromEntries(fields) as unknown as Event);
}

/** `data` comes from the history, which only `encodeEvent` and the statements write. */
export function decodeEvent(type: string, data: string): Event {
  const fields = JSON.parse(data) as Record<string, unknown>;
  for (const name of payloadFields) if (name in fields) fields[name] = { value: fields[name] } satisfies Payload;
  for (const key of Object.keys(fields)) {
    if (!key.endsWith("#")) continue;
    const name = key.slice(0, -1);
    const value = decodeValue(fields[key] as string);
    fields[name] = payloadFields.has(name) ? ({ value } satisfies Payload) : value;
    delete fields[key];
  }
  fields["type"] = type;
  return fields as unknown as Event;
}
