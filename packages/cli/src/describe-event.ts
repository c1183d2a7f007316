import type { Event } from "pawl";
import { formatDuration, readPayload } from "pawl/internal";
import { jsonText } from "./printable.ts";

type Payload = Parameters<typeof readPayload>[0];

/** An event with its payloads as the values they hold. */
export function plainEvent(event: Event): Record<string, unknown> & { readonly type: string } {
  const { type, ...fields } = event;
  return { type, ...Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, isPayload(value) ? readPayload(value) : value])) };
}

/** What an event says beyond its type, in one line. It knows how fields look, not which event has which. */
export function eventDetails(event: Event): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(plainEvent(event))) {
    // Where a failure came from is told by its number alone.
    if (key === "type" || key === "causeCalls" || value === undefined || (key === "attempt" && value === 1)) continue;
    if (key === "position") parts.unshift(`#${value as number}`);
    else if (key === "name") parts.push(value as string);
    else if (key === "failure") parts.push(failureText(value as { name: string; message: string }));
    else if (key.endsWith("Ms")) parts.push(`${inWords(key.slice(0, -2))} ${formatDuration(Number(value))}`);
    else if (typeof value === "string" && !isPayload((event as unknown as Record<string, unknown>)[key])) parts.push(`${inWords(key)} ${value}`);
    else parts.push(`${inWords(key)} ${jsonText(value)}`);
  }
  return parts.join(" ");
}

export function failureText({ name, message }: { readonly name: string; readonly message: string }): string {
  return `${name}: ${message}`;
}

/** `retryIn` as "retry in". */
function inWords(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function isPayload(value: unknown): value is Payload {
  if (typeof value !== "object" || value === null) return false;
  const keys = Object.keys(value);
  return keys.length === 1 && (keys[0] === "text" || keys[0] === "value");
}
