import type { EffectRecord } from "./effect-ledger.ts";
import type { ObservedOperation } from "./operation-log.ts";
import type { InvariantId, Tally } from "./report.ts";
import type { LiveWorker, QueueView, RunView, ScheduleView, Stray } from "./rows.ts";

/** One promise, and how a database is held against it. */
export interface Invariant {
  readonly id: InvariantId;
  /** The promise in a few words. */
  readonly title: string;
  /** Begins one look at one database. */
  check(tally: Tally, context: VerifyContext): Visitor;
}

/** What is known before the first run is looked at. */
export interface VerifyContext {
  /** The database's time, milliseconds since 1970. */
  readonly now: number;
  readonly workers: readonly LiveWorker[];
  readonly schedules: readonly ScheduleView[];
  readonly queues: readonly QueueView[];
  /** False: nobody works on this database; a copy, or the end of a test. */
  readonly live: boolean;
  readonly idleAfterMs: number;
  /** Whose operations the log holds. */
  readonly namespace: string;
  readonly operations: readonly ObservedOperation[] | undefined;
  readonly effects: readonly EffectRecord[] | undefined;
}

export interface Visitor {
  /** Called for every run, newest execution first, its earlier runs right after it. */
  run?(view: RunView): void;
  finish?(end: End): void;
}

/** What is known after the last run. */
export interface End {
  /** Whether every execution was looked at. */
  readonly complete: boolean;
  readonly strays: readonly Stray[];
}
