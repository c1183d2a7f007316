import { checkKeys, type KnownKeys } from "../../base/check-keys.ts";
import { OptionInvalid } from "../../base/errors.ts";
import { checkName } from "../../base/ids.ts";
import { parseFilter } from "../filter/parse-filter.ts";
import { checkReason } from "../reason.ts";
import type { CheckpointChoice } from "../runs.ts";

export const bulkOperations = ["cancel", "terminate", "pause", "resume", "retry", "rollback", "fork", "signal"] as const;

export type BulkOperation = (typeof bulkOperations)[number];

/** A checkpoint that many executions have: their start, the last result of a step, or the last result of any step, wherever each of them stands. */
export type BulkCheckpoint = 1 | { readonly step: string } | "latest";

export interface BulkRequest {
  readonly operation: BulkOperation;
  /** Which executions, as `pawl.list` takes it: in the state in which they are when their turn comes. */
  readonly filter: string;
  /** Kept with each cancel, terminate, pause, retry and rollback. */
  readonly reason?: string;
  /** Of a rollback. */
  readonly to?: BulkCheckpoint;
  /** Of a fork. */
  readonly from?: BulkCheckpoint;
  /** Of a fork: another version of the workflow. */
  readonly version?: string;
  /** What is sent to each. */
  readonly signal?: { readonly name: string; readonly payload?: unknown };
}

export interface BulkOptions extends BulkRequest {
  /** Of the bulk operation itself: asked for again with the same id, it is done once (made). */
  readonly executionId?: string;
}

/** How far a bulk operation is. */
export interface BulkProgress {
  /** Executions that it has come to. */
  readonly matched: number;
  readonly done: number;
  /** Whose state does not allow it, or that are gone. */
  readonly skipped: number;
  readonly failed: number;
  /** The first hundred that failed. */
  readonly failures: readonly BulkFailure[];
}

export interface BulkFailure {
  readonly executionId: string;
  readonly code: string;
  readonly message: string;
}

const bulkKeys = {
  operation: true,
  filter: true,
  reason: true,
  to: true,
  from: true,
  version: true,
  signal: true,
  executionId: true,
} satisfies KnownKeys<BulkOptions>;
const signalKeys = { name: true, payload: true } satisfies KnownKeys<NonNullable<BulkOptions["signal"]>>;

/** The request alone. @throws OptionInvalid, FilterInvalid */
export function checkBulk(options: BulkOptions): BulkRequest {
  checkKeys(options, bulkKeys, "bulk");
  const { operation, filter, reason, to, from, version, signal } = options;
  if (!bulkOperations.includes(operation)) throw new OptionInvalid("operation", `"${operation}" is none of ${bulkOperations.join(", ")}`);
  if (typeof filter !== "string" || filter.trim() === "") throw new OptionInvalid("filter", 'says which executions, such as state == "failed"');
  parseFilter(filter);
  checkReason(reason);
  only(operation, "rollback", "to", to);
  only(operation, "fork", "from", from);
  only(operation, "signal", "signal", signal);
  checkCheckpoint(to, "to");
  checkCheckpoint(from, "from");
  if (signal !== undefined) checkKeys(signal, signalKeys, "signal");
  if (signal !== undefined) checkName(signal.name, "signal.name");
  if (version !== undefined && operation !== "fork") throw new OptionInvalid("version", `is of a fork, not of operation ${operation}`);
  if (version !== undefined) checkName(version, "version");
  return Object.fromEntries(
    Object.entries({ operation, filter, reason, to, from, version, signal }).filter(([, value]) => value !== undefined),
  ) as unknown as BulkRequest;
}

function only(operation: BulkOperation, of: BulkOperation, path: string, value: unknown): void {
  if ((operation === of) !== (value !== undefined))
    throw new OptionInvalid(path, operation === of ? `operation ${of} needs it` : `is of operation ${of}, not of ${operation}`);
}

function checkCheckpoint(choice: CheckpointChoice | undefined, path: string): void {
  const isStep = typeof choice === "object" && choice !== null && "step" in choice && typeof choice.step === "string";
  if (choice !== undefined && choice !== 1 && choice !== "latest" && !isStep)
    throw new OptionInvalid(path, 'is 1 for the start, { step } for the last result of a step, or "latest" for the last result of any step');
}
