import { OptionInvalid } from "../base/errors.ts";
import { readRecords } from "./json-lines.ts";

const operations = ["start", "signal", "update", "cancel", "terminate", "resume", "result", "status", "history", "list"] as const;
const phases = ["invoke", "ok", "fail", "unknown"] as const;

/**
 * One line of an operation log: what a client asked (`invoke`) and what came of it. A timeout or a broken connection is
 * `unknown`, never `fail`: the operation may have happened.
 */
export interface OperationRecord {
  /** Who recorded it; one clock and one sequence each. */
  readonly process: string;
  /** The same in the invocation and its completion, and no other's. */
  readonly n: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly phase: (typeof phases)[number];
  readonly operation: (typeof operations)[number];
  readonly executionId?: string;
  readonly runId?: string;
  readonly workflow?: string;
  readonly idempotencyKey?: string;
  /** Of a signal or an update. */
  readonly messageId?: string;
  readonly inputHash?: string;
  /** The state that was answered. */
  readonly state?: string;
  /** A hash of the result or failure that was answered. */
  readonly valueHash?: string;
  /** Events in the history that was answered. */
  readonly events?: number;
  /** Code of the error. */
  readonly error?: string;
}

/** An invocation with its completion, fields of both put together. */
export interface ObservedOperation extends Omit<OperationRecord, "phase" | "at"> {
  /** `unknown` too where no completion was recorded. */
  readonly outcome: "ok" | "fail" | "unknown";
  readonly invokedAt: number;
  /** Infinity while it may still be under way. */
  readonly endedAt: number;
}

/** @param source names the text in errors @throws OptionInvalid naming the line */
export function readOperationLog(text: string, source: string): OperationRecord[] {
  return readRecords<OperationRecord>(text, source, {
    process: "text",
    n: "number",
    at: "number",
    phase: phases,
    operation: operations,
    executionId: "text?",
    runId: "text?",
    workflow: "text?",
    idempotencyKey: "text?",
    messageId: "text?",
    inputHash: "text?",
    state: "text?",
    valueHash: "text?",
    events: "number?",
    error: "text?",
  });
}

/** Joins invocations with their completions, in the order of invocation. @throws OptionInvalid where the two do not fit */
export function observedOperations(records: readonly OperationRecord[]): ObservedOperation[] {
  const observed = new Map<string, ObservedOperation>();
  for (const { phase, at, ...record } of records) {
    const key = `${record.process}/${record.n}`;
    const invoked = observed.get(key);
    if (phase === "invoke") {
      if (invoked !== undefined) throw new OptionInvalid("operation log", `has ${key} twice as an invocation`);
      observed.set(key, { ...record, outcome: "unknown", invokedAt: at, endedAt: Infinity });
    } else {
      if (invoked === undefined) throw new OptionInvalid("operation log", `has a completion of ${key} before its invocation`);
      if (invoked.endedAt !== Infinity) throw new OptionInvalid("operation log", `has ${key} completed twice`);
      if (invoked.operation !== record.operation) throw new OptionInvalid("operation log", `has ${key} as ${invoked.operation} and as ${record.operation}`);
      // What is unknown may still happen later.
      observed.set(key, { ...invoked, ...record, outcome: phase, endedAt: phase === "unknown" ? Infinity : at });
    }
  }
  return [...observed.values()].toSorted((a, b) => a.invokedAt - b.invokedAt);
}
