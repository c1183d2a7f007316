import { readRecords } from "./json-lines.ts";

/** One line of an effect ledger: a step's function began or ended. Written by the step itself, outside of the database. */
export interface EffectRecord {
  /** The step's idempotency key: `executionId/name/position`. */
  readonly key: string;
  readonly executionId: string;
  readonly position?: number;
  readonly attempt: number;
  readonly pid: number;
  readonly phase: "begin" | "end";
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** @param source names the text in errors @throws OptionInvalid naming the line */
export function readEffectLedger(text: string, source: string): EffectRecord[] {
  return readRecords<EffectRecord>(text, source, {
    key: "text",
    executionId: "text",
    position: "number?",
    attempt: "number",
    pid: "number",
    phase: ["begin", "end"],
    at: "number",
  });
}
