/** The effect ledger against the histories. */
import { stepKey, type EffectRecord } from "pawl/internal";
import type { RecordedRun } from "./recorded-runs.ts";

/** Between the clock of the database and that of the processes on the same machine. */
const clockToleranceMs = 250;

/** Every recorded attempt has its effect, and no step began again after its result was recorded. */
export function checkEffects(effects: readonly EffectRecord[], runs: readonly RecordedRun[]): string[] {
  const problems: string[] = [];
  const begun = new Set<string>();
  const ended = new Set<string>();
  for (const { key, attempt, phase } of effects) (phase === "begin" ? begun : ended).add(`${key}#${attempt}`);
  const recordedAt = new Map<string, number>();
  for (const { executionId, workflow, events } of runs) {
    const started = events[0]!.event;
    if (started.type !== "ExecutionStarted") continue;
    for (const { at, event } of events) {
      if (event.type !== "StepCompleted" && event.type !== "StepFailed" && event.type !== "StepAttemptFailed") continue;
      const key = stepKey({ executionId, workflow }, started, { ...event, shielded: false });
      const attempt = `${key}#${event.attempt}`;
      if (!begun.has(attempt)) problems.push(`${event.type} of ${attempt} has no effect in the ledger`);
      if (event.type === "StepAttemptFailed") continue;
      if (event.type === "StepCompleted" && !ended.has(attempt)) problems.push(`${attempt} is recorded as completed, and its effect did not end`);
      // A resumed run repeats the events of the one before.
      recordedAt.set(key, Math.min(at, recordedAt.get(key) ?? at));
    }
  }
  for (const { key, attempt, pid, phase, at } of effects) {
    const recorded = recordedAt.get(key);
    if (phase === "begin" && recorded !== undefined && at > recorded + clockToleranceMs)
      problems.push(`${key} began again (attempt ${attempt}, process ${pid}) ${Math.round(at - recorded)} ms after its result was recorded`);
  }
  return problems;
}

export function countDuplicates(effects: readonly EffectRecord[]): { readonly attempts: number; readonly duplicates: number } {
  const begins = new Map<string, number>();
  for (const { key, attempt, phase } of effects) if (phase === "begin") begins.set(`${key}#${attempt}`, (begins.get(`${key}#${attempt}`) ?? 0) + 1);
  const all = [...begins.values()].reduce((sum, count) => sum + count, 0);
  return { attempts: all, duplicates: all - begins.size };
}
