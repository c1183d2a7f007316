import type { ScheduledStart, ScheduleDefinition, ScheduleState } from "../kernel/schedule/definition.ts";
import type { StartOperation } from "./operations.ts";

/** What the executions of a schedule are. */
export interface ScheduledWork {
  readonly workflow: string;
  readonly version: string;
  readonly taskQueue: string;
  /** What their rows have from it. */
  readonly row: Pick<StartOperation, "labels" | "attributes" | "queueKey" | "priority">;
  /** Null: none. */
  readonly timeoutMs: number | null;
  /** Data of their `ExecutionStarted` event, without the field `schedule`: with labels, attributes and timeout. */
  readonly started: string;
}

/** When somebody has to look at a schedule: what the due query goes by. */
export interface ScheduleWake {
  /** Milliseconds, database clock; null: no instant comes by itself. */
  readonly nextFireAt: number | null;
  /** Also when the executions it waits for have ended. */
  readonly waiting: boolean;
}

export interface NewSchedule extends ScheduledWork, ScheduleWake {
  readonly id: string;
  readonly revision: string;
  readonly namespace: string;
  readonly scheduleId: string;
  readonly definition: ScheduleDefinition;
  readonly state: ScheduleState;
}

/** A schedule as it stands, without the input of its executions. Times in milliseconds, database clock. */
export interface StoredSchedule extends Omit<ScheduledWork, "started">, ScheduleWake {
  readonly id: string;
  readonly revision: string;
  readonly scheduleId: string;
  readonly definition: ScheduleDefinition;
  readonly state: ScheduleState;
  /** Of the executions its overlap policy has to know of, those that have not ended. */
  readonly open: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface DueSchedules {
  /** Database time of the look. */
  readonly now: number;
  readonly due: readonly StoredSchedule[];
  /** When the first of those that are not due yet will be; undefined if there is none. */
  readonly nextFireAt: number | undefined;
  /** Whether some wait for executions to end. */
  readonly waiting: boolean;
}

/** A change by somebody who has read `expected`. */
export interface ScheduleChange extends ScheduleWake {
  readonly expected: string;
  readonly revision: string;
  readonly state: ScheduleState;
}

/** What one schedule does now: accepted as a whole, if its revision is still the expected one. */
export interface Fire extends ScheduleChange {
  readonly id: string;
  readonly open: readonly string[];
  readonly starts: readonly (ScheduledStart & { readonly runId: string; readonly scheduleId: string })[];
}

export interface FireOutcome {
  /** How many schedules were advanced. */
  readonly fired: number;
  /** Where there are tasks now. */
  readonly taskQueues: readonly string[];
}

/** The persistence port of schedules. Each method is one transaction, safe to repeat after an unknown outcome. */
export interface ScheduleStore {
  /** The database's time, milliseconds. */
  now(): Promise<number>;
  /** False: the id is taken. */
  create(schedule: NewSchedule): Promise<boolean>;
  /** With what its executions are started with, and the database's time. */
  read(namespace: string, scheduleId: string): Promise<{ readonly schedule: StoredSchedule & ScheduledWork; readonly now: number } | undefined>;
  /** By id, after `after`. */
  list(namespace: string, after: string, limit: number): Promise<readonly StoredSchedule[]>;
  /** False: somebody has changed or deleted it; read it again. Without `definition` and `work` these stay. */
  change(
    id: string,
    change: ScheduleChange & { readonly definition: ScheduleDefinition | undefined; readonly work: ScheduledWork | undefined },
  ): Promise<boolean>;
  /** False: there is none. Its executions go on. */
  delete(namespace: string, scheduleId: string): Promise<boolean>;
  /** Schedules with something to do, those due longest first. */
  due(namespace: string, limit: number): Promise<DueSchedules>;
  /**
   * Advances schedules and starts their executions, each schedule only if its revision fits; an execution whose id exists is
   * not started again.
   */
  fire(fires: readonly Fire[]): Promise<FireOutcome>;
}
