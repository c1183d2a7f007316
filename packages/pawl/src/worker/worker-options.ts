import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import type { ReusableStep } from "../definition/remote-step.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { HistoryLimit, type HistoryLimitOptions } from "./history-limit.ts";
import { WorkflowRegistry } from "./registry.ts";

export interface WorkerOptions {
  readonly workflows?: readonly AnyWorkflow[];
  /** Reusable steps that it runs for workflows elsewhere: those made with a `taskQueue`. */
  readonly steps?: readonly ReusableStep[];
  /** Queues to claim from (the queues that the workflows and steps name). */
  readonly taskQueues?: readonly string[];
  /** Executions that run code or steps here at the same time (100). Waiting ones do not count. */
  readonly concurrency?: number;
  /** Others take over so long after this worker was last heard of (10 seconds). */
  readonly lease?: Duration;
  /** The main loop counts as hung after so long without a turn, and the lease is let go (60 seconds). */
  readonly hangTimeout?: Duration;
  /** Kill the process when its main loop hangs, for a supervisor to start it anew (false). */
  readonly killOnHang?: boolean;
  /** Longest time until new work is found when no hint arrives (500 ms). */
  readonly pollInterval?: Duration;
  /** Start the executions of schedules that are due (true). At least one worker of a namespace has to. */
  readonly schedules?: boolean;
  /** How often it looks for executions that no retention policy keeps any longer (1 minute). */
  readonly retentionInterval?: Duration;
  /** How long the history of one run may become: `warnAt` (10,000 events), `events` (51,200), `characters` (52,428,800). */
  readonly historyLimit?: HistoryLimitOptions;
  /** Claim only when `runOnce()` is called; for tests (false). */
  readonly manual?: boolean;
}

const workerKeys = {
  workflows: true,
  steps: true,
  taskQueues: true,
  concurrency: true,
  lease: true,
  hangTimeout: true,
  killOnHang: true,
  pollInterval: true,
  schedules: true,
  retentionInterval: true,
  historyLimit: true,
  manual: true,
} satisfies KnownKeys<WorkerOptions>;

/** How a worker, or a Pawl with its workers, stops. */
export interface StopOptions {
  /** How long what runs may take to finish (10 seconds). */
  readonly drain?: Duration;
}

const stopKeys = { drain: true } satisfies KnownKeys<StopOptions>;

/** The options of a worker, checked and complete. */
export interface WorkerSettings {
  readonly registry: WorkflowRegistry;
  readonly taskQueues: readonly string[];
  readonly concurrency: number;
  readonly historyLimit: HistoryLimit;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly hangMs: number;
  readonly killOnHang: boolean;
  readonly retentionMs: number;
  readonly schedules: boolean;
  readonly manual: boolean;
}

/** @throws OptionInvalid for what is no object, or has an option that there is not */
export function checkWorkerOptions(options: WorkerOptions): void {
  checkKeys(options, workerKeys, "worker");
}

/** Milliseconds. @param call names who stops, in errors @throws OptionInvalid */
export function drainOf(options: StopOptions, call: "stop" | "close"): number {
  checkKeys(options, stopKeys, call);
  return toMilliseconds(options.drain ?? "10s", "drain");
}

/** @throws OptionInvalid, WorkflowDuplicate */
export function workerSettings(options: WorkerOptions): WorkerSettings {
  const registry = new WorkflowRegistry(options.workflows ?? [], options.steps);
  return {
    registry,
    taskQueues: taskQueuesOf(options, registry),
    concurrency: wholeNumber(options.concurrency ?? 100, "concurrency", 1, 100_000),
    historyLimit: new HistoryLimit(options.historyLimit ?? {}),
    leaseMs: duration(options.lease ?? "10s", "lease", 200),
    pollMs: duration(options.pollInterval ?? 500, "pollInterval", 5),
    hangMs: duration(options.hangTimeout ?? "60s", "hangTimeout", 200),
    killOnHang: options.killOnHang ?? false,
    retentionMs: duration(options.retentionInterval ?? "1m", "retentionInterval", 5),
    schedules: options.schedules ?? true,
    manual: options.manual ?? false,
  };
}

function taskQueuesOf(options: WorkerOptions, registry: WorkflowRegistry): readonly string[] {
  if (options.taskQueues === undefined) return [...new Set(registry.all.map((workflow) => workflow.taskQueue))];
  if (!Array.isArray(options.taskQueues) || options.taskQueues.length === 0) throw new OptionInvalid("taskQueues", "must be an array of at least one name");
  return options.taskQueues.map((name, index) => checkName(name, `taskQueues[${index}]`));
}

function wholeNumber(value: number, path: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new OptionInvalid(path, `must be a whole number from ${least} to ${most}, not ${String(value)}`);
  return value;
}

function duration(value: Duration, path: string, leastMs: number): number {
  const ms = toMilliseconds(value, path);
  if (ms < leastMs) throw new OptionInvalid(path, `must be at least ${leastMs} ms`);
  return ms;
}
