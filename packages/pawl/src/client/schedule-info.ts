import { readAttributes, type Attributes, type Labels, type StoredAttributes } from "../base/search-values.ts";
import type { BackfillOverlap, OverlapPolicy, Timing } from "../kernel/schedule/definition.ts";
import { Timetable } from "../kernel/schedule/timetable.ts";
import type { StoredSchedule } from "../store/schedules.ts";

/** A schedule as `describe()` and `list()` show it. Lengths in milliseconds. */
export interface ScheduleInfo {
  readonly scheduleId: string;
  /** ended: no instant will come any more. */
  readonly state: "active" | "paused" | "ended";
  /** What was given with the last pause or resume. */
  readonly note: string | null;
  readonly workflow: string;
  readonly version: string;
  readonly taskQueue: string;
  /** So long after its start an execution times out; null: never. */
  readonly timeoutMs: number | null;
  /** What its executions are started with. */
  readonly labels: Labels;
  readonly attributes: Attributes;
  /** Their key and priority within their queue. */
  readonly key: string | null;
  readonly priority: number;
  readonly timing: Timing;
  readonly overlap: OverlapPolicy;
  readonly catchUpMs: number;
  readonly jitterMs: number;
  readonly startAt: Date | null;
  readonly endAt: Date | null;
  readonly maximumRuns: number | null;
  /** The next instants, the first of them perhaps due by now: 10, in a list 1. None while it is paused. */
  readonly nextTimes: readonly Date[];
  /** Executions that the overlap policy counts and that have not ended. */
  readonly open: readonly string[];
  /** Instants that wait for these to end. */
  readonly buffered: readonly Date[];
  readonly backfills: readonly { readonly from: Date; readonly to: Date; readonly overlap: BackfillOverlap }[];
  /** Instants that were started, or are buffered. */
  readonly runs: number;
  /** Instants that were not started because of the overlap policy, or because the times were changed while they were buffered. */
  readonly skipped: number;
  /** Instants that nobody started within the catch-up window; of one outage at most 10,000 are counted. */
  readonly missed: number;
  /** The latest executions, newest first, at most 10; triggered ones are not among them. */
  readonly recent: readonly { readonly executionId: string; readonly at: Date }[];
  readonly createdAt: Date;
  /** When it was defined, paused, resumed or asked for a backfill last. */
  readonly updatedAt: Date;
}

/** @param times how many of the next instants to give */
export function scheduleInfo(schedule: StoredSchedule, times: number): ScheduleInfo {
  const { definition, state, row } = schedule;
  const nextTimes = state.paused ? [] : nextInstants(schedule, times);
  const busy = state.buffered.length > 0 || state.backfills.length > 0;
  return {
    scheduleId: schedule.scheduleId,
    state: state.paused ? "paused" : nextTimes.length > 0 || busy ? "active" : "ended",
    note: state.note,
    workflow: schedule.workflow,
    version: schedule.version,
    taskQueue: schedule.taskQueue,
    timeoutMs: schedule.timeoutMs,
    labels: row.labels === undefined ? {} : (JSON.parse(row.labels) as Labels),
    attributes: row.attributes === undefined ? {} : readAttributes(JSON.parse(row.attributes) as StoredAttributes),
    key: row.queueKey ?? null,
    priority: row.priority ?? 0,
    timing: definition.timing,
    overlap: definition.overlap,
    catchUpMs: definition.catchUpMs,
    jitterMs: definition.jitterMs,
    startAt: date(definition.startAt),
    endAt: date(definition.endAt),
    maximumRuns: definition.maximumRuns,
    nextTimes: nextTimes.map((at) => new Date(at)),
    open: schedule.open,
    buffered: state.buffered.map((at) => new Date(at)),
    backfills: state.backfills.map(({ from, to, overlap }) => ({ from: new Date(from), to: new Date(to), overlap })),
    runs: state.runs,
    skipped: state.skipped,
    missed: state.missed,
    recent: state.recent.map(({ executionId, at }) => ({ executionId, at: new Date(at) })),
    createdAt: new Date(schedule.createdAt),
    updatedAt: new Date(schedule.updatedAt),
  };
}

function nextInstants({ scheduleId, definition, state }: StoredSchedule, times: number): number[] {
  const timetable = new Timetable(definition, scheduleId);
  const left = definition.maximumRuns === null ? times : Math.min(times, definition.maximumRuns - state.runs);
  const instants: number[] = [];
  for (let at = timetable.next(state.cursor); at !== undefined && instants.length < left; at = timetable.next(at)) instants.push(at);
  return instants;
}

function date(at: number | null): Date | null {
  return at === null ? null : new Date(at);
}
