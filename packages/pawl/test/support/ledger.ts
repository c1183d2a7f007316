/** The effects ledger: every start of a step appends a line to a file, whatever becomes of it; compared with the histories. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { query } from "./database.ts";

export interface StepStart {
  readonly execution: string;
  readonly step: string;
  readonly attempt: number;
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** A directory for the files of one test. */
export async function temporaryDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "pawl-crash-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export async function readLedger(path: string): Promise<StepStart[]> {
  return (await readLines(path)).map((line) => JSON.parse(line) as StepStart);
}

/** Complete lines; the last one of a killed process may be cut. */
export async function readLines(path: string): Promise<string[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "");
}

/** What the histories of a database say about steps, by `execution/step`. Steps of one workflow have different names here. */
export interface RecordedSteps {
  /** Steps with a result. */
  readonly settled: ReadonlySet<string>;
  /** Attempts with an end, failed or completed. */
  readonly attempts: ReadonlyMap<string, ReadonlySet<number>>;
}

export async function recordedSteps(url: string, namespace = "default"): Promise<RecordedSteps> {
  const rows = await query<{ execution_id: string; type: string; name: string; attempt: number }>(
    url,
    `SELECT x.execution_id, h.type, h.data::jsonb ->> 'name' AS name, (h.data::jsonb ->> 'attempt')::int AS attempt
FROM pawl.history h JOIN (SELECT run_id, namespace, execution_id FROM pawl.executions UNION ALL SELECT run_id, namespace, execution_id FROM pawl.past_runs) x USING (run_id)
WHERE x.namespace = $1 AND h.type IN ('StepCompleted', 'StepFailed', 'StepAttemptFailed')`,
    [namespace],
  );
  const settled = new Set<string>();
  const attempts = new Map<string, Set<number>>();
  for (const { execution_id, type, name, attempt } of rows) {
    const key = `${execution_id}/${name}`;
    if (type !== "StepAttemptFailed") settled.add(key);
    const known = attempts.get(key);
    if (known === undefined) attempts.set(key, new Set([attempt]));
    else known.add(attempt);
  }
  return { settled, attempts };
}

export function countByStep(starts: readonly StepStart[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { execution, step } of starts) counts.set(`${execution}/${step}`, (counts.get(`${execution}/${step}`) ?? 0) + 1);
  return counts;
}

/** Nothing crashed and no lease was lost: every start of a step has its record, every record its start. */
export function checkEveryStartRecorded(starts: readonly StepStart[], recorded: RecordedSteps): string[] {
  const problems: string[] = [];
  const counts = countByStep(starts);
  for (const [key, count] of counts) {
    const records = recorded.attempts.get(key)?.size ?? 0;
    if (count !== records) problems.push(`${key} started ${count} times for ${records} recorded attempts`);
  }
  for (const key of recorded.attempts.keys()) if (!counts.has(key)) problems.push(`${key} is recorded and never started`);
  return problems;
}
