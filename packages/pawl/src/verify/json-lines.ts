import { OptionInvalid } from "../base/errors.ts";

/** What a field must be; with `?` it may be left out. A list: one of these texts. */
export type FieldRule = "text" | "text?" | "number" | "number?" | readonly string[];

/**
 * JSON Lines whose objects have these fields and no others. A last line that is cut off is dropped: whoever wrote it was killed.
 *
 * @param source names the text in errors
 * @throws OptionInvalid naming the line
 */
export function readRecords<Fields extends object>(text: string, source: string, rules: { readonly [Key in keyof Required<Fields>]: FieldRule }): Fields[] {
  const records: Fields[] = [];
  const lines = text.split("\n");
  if (!isJson(lines.at(-1)!)) lines.pop();
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    records.push(readRecord(line, `${source} line ${index + 1}`, rules) as Fields);
  }
  return records;
}

function readRecord(line: string, where: string, rules: Readonly<Record<string, FieldRule>>): object {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw new OptionInvalid(where, "is not JSON");
  }
  if (typeof record !== "object" || record === null || Array.isArray(record)) throw new OptionInvalid(where, "is not an object");
  const fields = record as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(fields)) if (!Object.hasOwn(rules, key)) throw new OptionInvalid(where, `has the unknown field "${key}"`);
  for (const [key, rule] of Object.entries(rules)) {
    const problem = problemOf(fields[key], rule);
    if (problem !== undefined) throw new OptionInvalid(where, `"${key}" ${problem}`);
  }
  return record;
}

function problemOf(value: unknown, rule: FieldRule): string | undefined {
  if (typeof rule !== "string") {
    return typeof value === "string" && rule.includes(value) ? undefined : `must be one of ${rule.join(", ")}, not ${JSON.stringify(value)}`;
  }
  if (value === undefined) return rule.endsWith("?") ? undefined : "is missing";
  if (rule.startsWith("text")) return typeof value === "string" && value !== "" ? undefined : "must be a text that is not empty";
  return typeof value === "number" && Number.isFinite(value) ? undefined : "must be a number";
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
