import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readHistories, type ParsedHistory } from "pawl/internal";
import { pawlCode, UsageError } from "./failures.ts";
import { readText } from "./json-input.ts";

/** A recorded history, and where it comes from. */
export interface FoundHistory {
  readonly source: string;
  /** As it was recorded, for `replayHistory`. */
  readonly recorded: string;
  readonly parsed: ParsedHistory;
}

/** Reads histories, each run of exported executions among them, from files, and from all `.json` files below directories, in the order of their names. @throws UsageError */
export async function readHistoryFiles(paths: readonly string[]): Promise<readonly FoundHistory[]> {
  const files = (await Promise.all(paths.map(filesAt))).flat();
  if (files.length === 0)
    throw new UsageError("NO_HISTORIES", `There is no .json file in ${paths.join(", ")}. Record one with: pawl history <id> --json > file.json`);
  return (await Promise.all(files.map(readHistoryFile))).flat();
}

async function filesAt(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return [path];
  const entries = await readdir(path, { recursive: true });
  return entries
    .filter((entry) => entry.endsWith(".json"))
    .toSorted()
    .map((entry) => join(path, entry));
}

async function readHistoryFile(source: string): Promise<readonly FoundHistory[]> {
  const text = await readText(source);
  try {
    return readHistories(text).map((found) => ({ source, ...found }));
  } catch (error) {
    if (pawlCode(error) !== "HISTORY_INVALID") throw error;
    throw new UsageError("HISTORY_INVALID", `${source}: ${(error as Error).message}`, { cause: error });
  }
}
