import { stripVTControlCharacters } from "node:util";

// Escapes (C0, DEL, C1), and the marks that reorder text or hide in it.
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const breaks = /\r\n|[\n\r\t\u0085\u2028\u2029]/g;

/**
 * Text that came from a database or a user's program, as one line that is safe on a terminal: it cannot move the cursor,
 * set the title, recolour what follows, or pretend to be another line.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(breaks, " ").replace(unsafe, "");
}

/** The same for texts of several lines. */
export function printableLines(text: string): string {
  return text.split(/\r?\n/).map(printable).join("\n");
}

/** At most `most` characters, the last one an ellipsis where some were left out. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  // Not between the halves of a character.
  return `${text.slice(0, Math.max(0, most - 1)).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** JSON in one line. */
export function jsonText(value: unknown): string {
  return escapeControls(JSON.stringify(jsonReady(value, [])));
}

/** JSON in which nothing is left that a terminal might take for a control; programs read it as the same. */
export function escapeControls(json: string): string {
  return json.replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * A stored value as JSON can hold it: bigint as a string, Date as ISO text, Map as pairs, Set as a list, bytes as base64,
 * Error as name, message, code and cause, undefined as null.
 */
function jsonReady(value: unknown, ancestors: readonly object[]): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object" || value === null) return value ?? null;
  if (ancestors.includes(value)) return "[circular]";
  const inside = [...ancestors, value];
  const ready = (part: unknown) => jsonReady(part, inside);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Map) return [...value].map(([key, part]) => [ready(key), ready(part)]);
  if (value instanceof Set || Array.isArray(value)) return [...(value as Iterable<unknown>)].map(ready);
  if (value instanceof Error) {
    const { name, message, cause } = value;
    return { name, message, ...("code" in value ? { code: ready(value.code) } : {}), ...(cause === undefined ? {} : { cause: ready(cause) }) };
  }
  return Object.fromEntries(Object.entries(value).flatMap(([key, part]) => (part === undefined ? [] : [[key, ready(part)]])));
}
