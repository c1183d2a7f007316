import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** One call of a step's function: what really ran, whatever was recorded. */
export interface LedgerEntry {
  readonly pid: number;
  readonly step: string;
  readonly attempt: number;
}

/** Written at the beginning of every attempt, outside Pawl, so that an attempt that nobody recorded is counted too. */
export function writeLedger(path: string, step: string, attempt: number): void {
  appendFileSync(path, `${JSON.stringify({ pid: process.pid, step, attempt } satisfies LedgerEntry)}\n`);
}

export function readLedger(path: string): readonly LedgerEntry[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line): LedgerEntry => JSON.parse(line));
}
