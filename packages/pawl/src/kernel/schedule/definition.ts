/** What happens to an instant that comes while an execution that the schedule started has not ended. */
export const overlapPolicies = ["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"] as const;
export type OverlapPolicy = (typeof overlapPolicies)[number];

/** Fields of a calendar entry: each is any value of its list. A field that is missing is the default in `calendar.ts`. */
export const calendarFields = ["second", "minute", "hour", "dayOfMonth", "month", "year", "dayOfWeek"] as const;
export type CalendarFieldName = (typeof calendarFields)[number];
export type CalendarEntry = { readonly [Field in CalendarFieldName]?: readonly number[] };

/** When a schedule fires, in the form it is stored in. Times and lengths in milliseconds. */
export type Timing =
  /** Any of the patterns: 5 fields, or 6 with seconds first. */
  | { readonly kind: "cron"; readonly patterns: readonly string[]; readonly timeZone: string }
  /** At every whole multiple of `everyMs` since 1970, `offsetMs` later. */
  | { readonly kind: "interval"; readonly everyMs: number; readonly offsetMs: number }
  /** Wherever any of the entries fits. */
  | { readonly kind: "calendar"; readonly entries: readonly CalendarEntry[]; readonly timeZone: string }
  /** In ascending order. */
  | { readonly kind: "dates"; readonly at: readonly number[] };

/** A schedule as it was defined. Plain JSON, kept for years: new fields are optional. */
export interface ScheduleDefinition {
  readonly timing: Timing;
  readonly overlap: OverlapPolicy;
  /** An instant that nobody fired for so long is missed. */
  readonly catchUpMs: number;
  /** An execution starts up to so long after its instant. */
  readonly jitterMs: number;
  /** First and last possible instant, both included. */
  readonly startAt: number | null;
  readonly endAt: number | null;
  /** After so many started instants it fires no more. */
  readonly maximumRuns: number | null;
}

/** A request to start the instants of a range. Both ends are included; `from` moves on as they are started. */
export interface Backfill {
  readonly from: number;
  readonly to: number;
  readonly overlap: BackfillOverlap;
}

/** One after the other, or all at once. */
export const backfillOverlaps = ["buffer_all", "allow_all"] as const;
export type BackfillOverlap = (typeof backfillOverlaps)[number];

/** An execution that the schedule started. */
export interface ScheduledStart {
  readonly executionId: string;
  /** The instant it was started for. */
  readonly at: number;
}

/** Where a schedule stands. Plain JSON. */
export interface ScheduleState {
  /** Every instant up to this one is dealt with: started, buffered, skipped or missed. */
  readonly cursor: number;
  /** Instants that wait for the execution before them to end, in order. */
  readonly buffered: readonly number[];
  /** Executions that a buffered instant replaces and that nobody has stopped yet. Whoever looks next does so, then starts it. */
  readonly stopping: readonly string[];
  readonly backfills: readonly Backfill[];
  readonly paused: boolean;
  /** Why it was paused or resumed, as somebody wrote it. */
  readonly note: string | null;
  /** Instants that were started or are buffered; what `maximumRuns` counts. Backfills and triggers do not. */
  readonly runs: number;
  /** Instants not started because of the overlap policy, or because the times were changed while they were buffered. */
  readonly skipped: number;
  /** Instants older than the catch-up window when somebody looked; of one outage at most 10,000 are counted. */
  readonly missed: number;
  /** The latest starts, newest first. */
  readonly recent: readonly ScheduledStart[];
}

/** The state of a schedule whose instants count from `now` on. */
export function initialState(now: number): ScheduleState {
  return { cursor: now, buffered: [], stopping: [], backfills: [], paused: false, note: null, runs: 0, skipped: 0, missed: 0, recent: [] };
}
