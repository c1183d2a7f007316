import type { FaultOutcome } from "./run-fault.ts";

export function table(outcomes: readonly FaultOutcome[]): string {
  const head = ["fault", "operations", "succeeded", "stale writes rejected", "re-claim p50/p99", "repeats per 10,000", "verdict", "injected"];
  const body = outcomes.map((outcome) => [
    `${outcome.id} ${outcome.title}`,
    String(outcome.operations),
    outcome.operations === 0 ? "–" : `${(outcome.succeeded * 100).toFixed(1)} %`,
    String(outcome.staleWritesRejected),
    outcome.reclaimMs === undefined ? "–" : `${outcome.reclaimMs.p50}/${outcome.reclaimMs.p99} ms`,
    outcome.duplicatesPer10000.toFixed(1),
    outcome.verdict,
    injected(outcome),
  ]);
  const widths = head.map((title, column) => Math.max(...[title, ...body.map((cells) => cells[column] ?? "")].map((cell) => cell.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => cell.padEnd(column === head.length - 1 ? 0 : (widths[column] ?? 0))).join("  ");
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(line)].join("\n");
}

/** What one needs to know of a fault that is not ok; at most so many lines. */
export function reasons({ id, seed, verdict, reasons: all }: FaultOutcome): string {
  if (verdict === "ok") return "";
  const most = 15;
  const more = all.length > most ? [`  and ${all.length - most} more`] : [];
  return [`${id} ${verdict} (seed ${seed})`, ...all.slice(0, most).map((reason) => `  ${reason}`), ...more, ""].join("\n");
}

function injected(outcome: FaultOutcome): string {
  return Object.entries(outcome.injected)
    .map(([what, count]) => `${what} ${count}`)
    .join(", ");
}
