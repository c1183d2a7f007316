import type { SeedReport } from "./seeds-process.ts";
import type { Outcome } from "./simulate.ts";
import type { Shrunk } from "./shrink.ts";

/** What a run of many seeds did in all. */
export class Totals {
  seeds = 0;
  virtualMs = 0;
  transactions = 0;
  executions = 0;
  staleWritesRejected = 0;
  quarantined = 0;
  readonly counts = new Map<string, number>();
  readonly violations: SeedReport[] = [];

  add(report: SeedReport): void {
    this.seeds++;
    this.virtualMs += report.virtualMs;
    this.transactions += report.transactions;
    this.executions += report.executions;
    this.staleWritesRejected += report.staleWritesRejected;
    this.quarantined += report.quarantined;
    for (const [kind, count] of Object.entries(report.counts)) this.counts.set(kind, (this.counts.get(kind) ?? 0) + count);
    if (report.violation !== undefined) this.violations.push(report);
  }

  print(seconds: number): void {
    const of = (...kinds: readonly string[]): number => kinds.reduce((sum, kind) => sum + (this.counts.get(kind) ?? 0), 0);
    const lines = [
      ["seeds", this.seeds],
      ["simulated hours", (this.virtualMs / 3_600_000).toFixed(1)],
      ["executions", this.executions],
      ["transactions", this.transactions],
      ["crashes", of("crash before", "crash during", "crash after")],
      ["pauses", of("pause before", "pause after")],
      ["lost replies", of("lost reply")],
      ["lost or refused requests", of("lost request", "refused", "conflict")],
      ["late requests and replies", of("late request", "late reply")],
      ["cut off from the database", of("cut off", "silent heart")],
      ["clock steps", of("clock step")],
      ["hints lost, late or repeated", of("lost hint", "late hint", "repeated hint")],
      ["stale writes rejected", this.staleWritesRejected],
      ["quarantined executions resumed", this.quarantined],
      ["violations", this.violations.length],
    ] as const;
    for (const [name, value] of lines) console.log(`${name.padEnd(32)} ${value.toLocaleString("en")}`);
    console.log(`${"seconds".padEnd(32)} ${seconds.toFixed(0)}`);
  }
}

/** A failing seed: what broke, the fewest faults that break it, and what every process did. */
export function printFailure({ outcome, faults }: Shrunk, lastEntries: number): void {
  console.log(`\nseed ${outcome.seed}: ${outcome.violation?.message ?? "no violation"}`);
  console.log(`fault plan (${faults.length}):`);
  for (const { point, kind, ms } of faults) console.log(`  at point ${point}: ${kind}, ${ms} ms`);
  printTimeline(outcome, lastEntries);
  console.log(`fingerprint ${outcome.fingerprint}. Again: npm run sim -- --seed ${outcome.seed}`);
}

/** What happened, in order, with a column for each process. */
export function printTimeline(outcome: Outcome, lastEntries: number): void {
  const entries = outcome.timeline.filter(({ what }) => what.trim() !== "turn" && what.trim() !== "timer" && what.trim() !== "script").slice(-lastEntries);
  console.log(`timeline (the last ${entries.length} entries):`);
  for (const { at, who, what } of entries) console.log(`  ${at.toFixed(0).padStart(8)} ms  ${who.padEnd(12)} ${what}`);
}
