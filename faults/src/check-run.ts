/** The one place that judges a run: from the database and the logs alone, with nobody running any more. */
import type { EffectRecord, OperationRecord } from "pawl/internal";
import { checkInvariants } from "../../packages/pawl/test/support/invariants.ts";
import { readJsonLines } from "./json-lines.ts";
import { checkEffects, countDuplicates } from "./ledger-checks.ts";
import { checkOperations } from "./log-checks.ts";
import { readRuns } from "./recorded-runs.ts";

export interface Verdict {
  readonly violations: readonly string[];
  /** Operations that were sent. */
  readonly operations: number;
  /** Those that did what was asked. */
  readonly succeeded: number;
  /** Those that were refused as they should be, such as a signal to what has ended. */
  readonly refused: number;
  readonly executions: number;
  /** Attempts of steps that began. */
  readonly attempts: number;
  /** Attempts that began more than once: at least once is what is promised, so they are counted and not held against it. */
  readonly duplicates: number;
}

export async function checkRun(databaseUrl: string, logFiles: readonly string[], ledgerFiles: readonly string[]): Promise<Verdict> {
  const violations: string[] = [];
  const runs = await readRuns(databaseUrl);
  const log = (await Promise.all(logFiles.map((path) => readJsonLines<OperationRecord>(path)))).flat();
  const effects = (await Promise.all(ledgerFiles.map((path) => readJsonLines<EffectRecord>(path)))).flat();
  await checkInvariants(databaseUrl, { operations: log, effects }).catch((error: unknown) =>
    violations.push(error instanceof Error ? error.message : String(error)),
  );
  violations.push(...checkOperations(log, runs), ...checkEffects(effects, runs));
  const count = (phase: OperationRecord["phase"]): number => log.filter((record) => record.phase === phase).length;
  return {
    violations,
    operations: count("invoke"),
    succeeded: count("ok"),
    refused: count("fail"),
    executions: runs.filter(({ latest }) => latest).length,
    ...countDuplicates(effects),
  };
}
