import type { Labels, StoredAttributes } from "../base/search-values.ts";
import type { Event } from "../kernel/event.ts";

/** Rows as the checks see them: times in milliseconds since 1970, with fractions, as the database has them. */

/** What the rows of current and earlier runs have in common. */
export interface Run {
  readonly runId: string;
  readonly namespace: string;
  readonly executionId: string;
  readonly runNumber: number;
  readonly workflow: string;
  readonly version: string;
  readonly state: string;
  readonly lastSeq: number;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** A row of `executions`, with the task, worker, messages and parent that belong to it. */
export interface CurrentRun extends Run {
  readonly epoch: number;
  readonly claims: number;
  /** Whether an owner has written to this run here: never to one that was imported. */
  readonly isCommitted: boolean;
  readonly notBefore: number | null;
  readonly taskQueue: string;
  readonly idempotencyKey: string | null;
  /** Null: it has no key, and was never claimed from a queue with limits. */
  readonly queueKey: string | null;
  readonly parentRunId: string | null;
  readonly parentPosition: number | null;
  /** Null: the row that `parentRunId` names does not exist. */
  readonly parentExecutionId: string | null;
  readonly parentNamespace: string | null;
  readonly task: TaskRow | undefined;
  readonly claim: ClaimRow | undefined;
  readonly labels: Labels | null;
  readonly attributes: StoredAttributes | null;
  /** Ids of the messages in its inbox. */
  readonly messages: readonly string[];
}

export interface TaskRow {
  readonly visibleAt: number;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly definition: string;
  readonly suspect: boolean;
}

export interface ClaimRow {
  readonly workerId: string;
  /** Null: there is no such worker. */
  readonly worker: {
    readonly namespace: string;
    readonly taskQueues: readonly string[];
    readonly definitions: readonly string[];
    /** Of one that was stopped or declared dead, when that was. */
    readonly leaseEndsAt: number;
  } | null;
}

/** A row of `past_runs`. */
export type PastRun = Run;

/** An event without its payloads. */
export interface HistoryEntry {
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly type: string;
  /** Bytes of the stored data. */
  readonly bytes: number;
  /** Payloads read as null; undefined if it cannot be read. */
  readonly event: Event | undefined;
  /** Why it cannot be read. */
  readonly problem: string | undefined;
}

export interface Child {
  readonly runId: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly state: string;
  readonly position: number;
  readonly createdAt: number;
  readonly finishedAt: number | null;
  /** Of one that is open although its parent has ended: whether it has what its policy says, or has read it. Null: nothing to judge. */
  readonly told: boolean | null;
}

/** One stream of an execution. */
export interface StreamView {
  readonly runId: string;
  readonly stream: string;
  readonly chunks: number;
  readonly first: number;
  readonly last: number;
  /** Chunks that were written under an older epoch than the one before them. */
  readonly fallen: number;
  /** Offsets that workflow code wrote in the latest run, ascending. */
  readonly written: readonly number[];
}

/** One run with its history. */
export type RunView = CurrentView | PastView;

export interface CurrentView {
  readonly kind: "current";
  readonly run: CurrentRun;
  readonly events: readonly HistoryEntry[];
  readonly children: readonly Child[];
  readonly streams: readonly StreamView[];
  /** Its earlier runs, oldest first. */
  readonly past: readonly PastRun[];
}

export interface PastView {
  readonly kind: "past";
  readonly run: PastRun;
  readonly events: readonly HistoryEntry[];
}

export interface LiveWorker {
  readonly workerId: string;
  readonly namespace: string;
  /** Without those that are paused. */
  readonly taskQueues: readonly string[];
  /** With them. */
  readonly queuesTaken: readonly string[];
  readonly definitions: readonly string[];
  readonly concurrency: number;
  readonly startedAt: number;
  /** Executions it has claimed, waiting ones included: an upper bound of the slots in use. */
  readonly claimed: number;
}

/** A row of `schedules`. */
export interface ScheduleView {
  readonly namespace: string;
  readonly scheduleId: string;
  /** JSON, as stored. */
  readonly definition: string;
  readonly state: string;
  readonly nextFireAt: number | null;
  readonly waiting: boolean;
  readonly open: readonly string[];
}

/** A row of `queues`. */
export interface QueueView {
  readonly namespace: string;
  readonly name: string;
  readonly concurrency: number | null;
  readonly rate: { readonly limit: number; readonly perMs: number } | null;
  readonly keyConcurrency: number | null;
  readonly keyRate: { readonly limit: number; readonly perMs: number } | null;
  readonly updatedAt: number;
}

/** A row that belongs to nothing, or that there may be only one of. */
export interface Stray {
  readonly kind: "task" | "inbox" | "history" | "chunks" | "past run" | "two runs" | "same id" | "same idempotency key";
  /** A run id, or the id of an execution. */
  readonly subject: string;
  /** How many of this kind there are in all. */
  readonly total: number;
}

/** For evidence. */
export function about(view: RunView): { readonly executionId: string; readonly runId: string } {
  return { executionId: view.run.executionId, runId: view.run.runId };
}

/** Whether a rollback or a retry began this run: what was seen of the runs before it is no longer so. */
export function wasTakenBack({ events }: RunView): boolean {
  return events.some(({ event }) => event?.type === "ExecutionResumed" && event.operation !== undefined);
}

/** Seq of the event by which a run began as a fork: what is before it happened to another execution. 0: it did not. */
export function forkedAt(events: readonly HistoryEntry[]): number {
  return events.findLast(({ type }) => type === "ExecutionForked")?.seq ?? 0;
}

/** Seq of the event by which the run began to go on from an earlier one, or as a fork; 0 for any other. */
export function resumedAt(events: readonly HistoryEntry[]): { readonly seq: number; readonly at: number } {
  const resumed = events.findLast(({ type }) => type === "ExecutionResumed" || type === "ExecutionForked");
  return resumed === undefined ? { seq: 0, at: 0 } : { seq: resumed.seq, at: resumed.at };
}
