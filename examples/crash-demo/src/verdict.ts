import type { LedgerEntry } from "./ledger.ts";

/** What was seen of one order that was killed and went on. */
export interface Observation {
  readonly killedPid: number;
  /** Steps that the history had when the process was dead. */
  readonly recordedAtKill: readonly string[];
  /** Steps that the history has at the end, one entry for each record. */
  readonly recordedAtEnd: readonly string[];
  readonly ledger: readonly LedgerEntry[];
  /** By step, where its code fails on purpose; 1 for the others. */
  readonly attempts: Readonly<Record<string, number>>;
  readonly result: unknown;
  readonly expected: unknown;
}

export interface Row {
  readonly step: string;
  readonly before: number;
  readonly after: number;
  readonly note: string;
}

export interface Verdict {
  readonly rows: readonly Row[];
  /** Empty if every promise was kept. */
  readonly problems: readonly string[];
}

/** Compares what ran (the ledger) with what was recorded (the history). */
export function judge(seen: Observation): Verdict {
  const steps = [...new Set([...seen.ledger.map(({ step }) => step), ...seen.recordedAtEnd])];
  const problems: string[] = [];
  const rows = steps.map((step): Row => {
    const runs = seen.ledger.filter((entry) => entry.step === step);
    const before = runs.filter(({ pid }) => pid === seen.killedPid).length;
    const after = runs.length - before;
    const records = seen.recordedAtEnd.filter((recorded) => recorded === step).length;
    if (records !== 1) problems.push(`${step} is recorded ${records} times`);
    if (runs.length === 0) problems.push(`${step} is recorded and never ran`);
    if (seen.recordedAtKill.includes(step)) {
      if (after === 0) return { step, before, after, note: "recorded before the kill, not run again" };
      problems.push(`${step} was recorded before the kill and ran again`);
      return { step, before, after, note: "RAN AGAIN" };
    }
    if (before > 0) return { step, before, after, note: "interrupted by the kill, run again" };
    const attempts = seen.attempts[step] ?? 1;
    if (after !== attempts) problems.push(`${step} ran ${after} times, not ${attempts}`);
    return { step, before, after, note: attempts > 1 ? `${attempts} attempts: its code fails ${attempts - 1} times` : "" };
  });
  if (seen.recordedAtKill.length === 0) problems.push("nothing was recorded before the kill");
  if (JSON.stringify(seen.result) !== JSON.stringify(seen.expected)) {
    problems.push(`the result is ${JSON.stringify(seen.result)}, not ${JSON.stringify(seen.expected)}`);
  }
  return { rows, problems };
}

export function formatRows(rows: readonly Row[]): string {
  const width = Math.max(4, ...rows.map(({ step }) => step.length));
  const line = (step: string, before: string, after: string, note: string): string =>
    `  ${step.padEnd(width)}  ${before.padStart(6)}  ${after.padStart(6)}   ${note}`.trimEnd();
  const header = [line("", "runs", "runs", ""), line("step", "before", "after", "")];
  return [...header, ...rows.map(({ step, before, after, note }) => line(step, String(before), String(after), note))].join("\n");
}
