import { metricsOf, type Case } from "./case.ts";
import type { System } from "./engine.ts";
import { median } from "./measure.ts";
import type { Values } from "./messages.ts";
import type { RawLimits } from "./raw-limit.ts";

/** One line of the table and one element of the JSON. `ratio` > 1 always means that Pawl is better. */
export interface Row {
  readonly case: string;
  readonly unit: string;
  readonly pawl: number | null;
  readonly peer: string;
  readonly peerValue: number | null;
  readonly ratio: number | null;
  readonly rawLimit: number | null;
  /** How much of the raw limit Pawl reaches, from 0 to 1. */
  readonly share: number | null;
}

/** All rounds of one case with one system; undefined is a round that failed. */
export type Rounds = readonly (Values | undefined)[];

export const peerName = "DBOS 5.3.0";

/** Null where one round failed or has no such figure: a median of the rounds that went well would flatter. */
function medianOf(rounds: Rounds, key: string): number | null {
  const values = rounds.map((round) => round?.[key]).filter((value) => value !== undefined);
  return values.length === 0 || values.length < rounds.length ? null : median(values);
}

/** The best that was seen: a limit is what the machine can do when nothing else wants it. */
export function bestLimits(measured: readonly RawLimits[]): RawLimits | null {
  if (measured.length === 0) return null;
  const least = (key: keyof RawLimits): number => Math.min(...measured.map((limits) => limits[key]));
  const most = (key: keyof RawLimits): number => Math.max(...measured.map((limits) => limits[key]));
  return {
    commitMs: least("commitMs"),
    commitP99Ms: least("commitP99Ms"),
    commitsPerSecond: most("commitsPerSecond"),
    steps100: most("steps100"),
    steps500: most("steps500"),
    workflows100: most("workflows100"),
    workflows500: most("workflows500"),
  };
}

function advantage(ours: number | null, other: number | null, better: "higher" | "lower"): number | null {
  if (ours === null || other === null || ours <= 0 || other <= 0) return null;
  return better === "higher" ? ours / other : other / ours;
}

function rounded(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(4));
}

export function rowsOf(definition: Case, results: Readonly<Record<System, Rounds>>, raw: RawLimits | null): Row[] {
  return metricsOf(definition).map((metric) => {
    const pawl = medianOf(results.pawl, metric.key);
    const peerValue = medianOf(results.dbos, metric.key);
    const rawLimit = raw === null || metric.rawLimit === undefined ? null : metric.rawLimit(raw);
    return {
      case: metric.label === "" ? definition.title : `${definition.title}: ${metric.label}`,
      unit: metric.unit,
      pawl: rounded(pawl),
      peer: peerName,
      peerValue: rounded(peerValue),
      ratio: rounded(advantage(pawl, peerValue, metric.better)),
      rawLimit: rounded(rawLimit),
      share: rounded(advantage(pawl, rawLimit, metric.better)),
    };
  });
}

function number(value: number | null): string {
  if (value === null) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function table(rows: readonly Row[]): string {
  const head = ["case", "unit", "Pawl", peerName, "ratio", "raw limit", "share"];
  const body = rows.map((row) => [
    row.case,
    row.unit,
    number(row.pawl),
    number(row.peerValue),
    row.ratio === null ? "–" : `${number(row.ratio)}x`,
    number(row.rawLimit),
    row.share === null ? "–" : `${Math.round(row.share * 100)} %`,
  ]);
  const widths = head.map((title, column) => Math.max(...[title, ...body.map((cells) => cells[column] ?? "")].map((cell) => cell.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ");
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(line)].join("\n");
}

export function rawLines(raw: RawLimits): string {
  return [
    "Raw limit of this machine (a bare loop over pg that writes the same rows; the better of one and two connections):",
    `  one durable commit after the other   ${number(raw.commitsPerSecond)}/s, p50 ${number(raw.commitMs)} ms, p99 ${number(raw.commitP99Ms)} ms`,
    `  steps, 100 and 500 in flight         ${number(raw.steps100)} and ${number(raw.steps500)}/s`,
    `  workflows, 100 and 500 in flight     ${number(raw.workflows100)} and ${number(raw.workflows500)}/s`,
  ].join("\n");
}
