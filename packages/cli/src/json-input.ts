import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { UsageError } from "./failures.ts";
import { jsonProblem } from "./json-problem.ts";
import { shorten } from "./printable.ts";

/** The value of `--input`: JSON, `@file` or `-` for stdin. Without one, undefined. @throws UsageError */
export async function readInput(given: string | undefined): Promise<unknown> {
  if (given === undefined) return undefined;
  const { text, from } = await source(given);
  return parseJson(text, from);
}

/** What the JSON says. @throws UsageError, which says where it stops being JSON */
export function parseJson(text: string, from: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const { position, expected } = jsonProblem(text);
    const before = text.slice(0, position);
    const line = before.split("\n").length;
    const column = position - before.lastIndexOf("\n");
    const found = position >= text.length ? "the end" : JSON.stringify(shorten(text.slice(position).split("\n", 1)[0]!, 20));
    throw new UsageError(
      "INPUT_NOT_JSON",
      `${from} is not JSON: at position ${position} (line ${line}, column ${column}) there is ${found} instead of ${expected}.`,
    );
  }
}

async function source(given: string): Promise<{ readonly text: string; readonly from: string }> {
  if (given === "-") return { text: await readAll(process.stdin), from: "The input from stdin" };
  if (!given.startsWith("@")) return { text: given, from: "--input" };
  const file = given.slice(1);
  return { text: await readText(file), from: file };
}

/** @throws UsageError */
export async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).replace(/^\ufeff/, "");
  } catch (error) {
    throw new UsageError("INPUT_NOT_READ", `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}
