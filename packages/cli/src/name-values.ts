import type { Attributes, AttributeValue, Labels } from "pawl";
import { UsageError } from "./failures.ts";

/** Options of the form `name=text`. @throws UsageError */
export function readLabels(options: readonly string[]): Labels {
  return readPairs(options, "--label");
}

const timeForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** Options of the form `name=value`: numbers, true, false and times are what they look like, a text in quotes is always one. @throws UsageError */
export function readAttributes(options: readonly string[]): Attributes {
  return Object.fromEntries(Object.entries(readPairs(options, "--attribute")).map(([name, text]) => [name, readValue(text)]));
}

function readValue(text: string): AttributeValue {
  if (timeForm.test(text)) return new Date(text);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  } catch {
    // Not JSON, so a text as it stands.
  }
  return text;
}

function readPairs(options: readonly string[], option: string): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const given of options) {
    const at = given.indexOf("=");
    if (at < 1) throw new UsageError("OPTION_INVALID", `${option}: "${given}" is not of the form name=value, such as ${option} customer=acme.`);
    const name = given.slice(0, at);
    if (pairs.has(name)) throw new UsageError("OPTION_INVALID", `${option}: ${name} is given twice.`);
    pairs.set(name, given.slice(at + 1));
  }
  return Object.fromEntries(pairs);
}
