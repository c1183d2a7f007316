import type { KnownKeys } from "../base/check-keys.ts";
import type { Duration } from "../base/duration.ts";
import type { Attributes, Labels } from "../base/search-values.ts";
import type { AnyWorkflow, InputOf } from "../definition/workflow.ts";
import type { BackfillOverlap, OverlapPolicy } from "../kernel/schedule/definition.ts";

/** One value, any of several, or every whole number from one to another. */
export type CalendarField = number | readonly number[] | { readonly from: number; readonly to: number };

export type Weekday = "sunday" | "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday";

/** A calendar entry fits where all its fields fit. The time of day defaults to midnight, the date to every day. */
export interface CalendarOptions {
  readonly second?: CalendarField;
  readonly minute?: CalendarField;
  /** 0 to 23. */
  readonly hour?: CalendarField;
  readonly dayOfMonth?: CalendarField;
  /** 1 to 12. */
  readonly month?: CalendarField;
  readonly year?: CalendarField;
  /** 0 (Sunday) to 6, or names. */
  readonly dayOfWeek?: CalendarField | Weekday | readonly Weekday[];
}

/** When a schedule fires: exactly one of `cron`, `interval` and `calendar`. */
export interface TimingOptions {
  /** A pattern of 5 fields, or 6 with seconds first; or several, which fire where any of them does. `L`, `#`, names and `@daily` are understood. */
  readonly cron?: string | readonly string[];
  /** At every multiple of it since 1970-01-01T00:00Z, at least one second; `offset` shifts them. */
  readonly interval?: Duration | { readonly every: Duration; readonly offset?: Duration };
  /** Where any of the entries fits, or at the given dates. */
  readonly calendar?: CalendarOptions | readonly CalendarOptions[] | { readonly dates: readonly (Date | string)[] };
  /** IANA name of the zone that `cron` and `calendar` are read in ("UTC"). */
  readonly timeZone?: string;
}

export interface SchedulePolicies {
  /**
   * What happens to an instant while the execution of an earlier one has not ended ("skip"): `skip` it; `buffer_one` or
   * `buffer_all` until that has ended; `cancel_other` and then start; `terminate_other` and start at once; `allow_all`.
   */
  readonly overlap?: OverlapPolicy;
  /** An instant at which no worker ran is still started for so long (1 day), at least 10 seconds. Older ones are counted as missed. */
  readonly catchUpWindow?: Duration;
  /** Starts each execution up to so long after its instant (0): spread over schedules, always the same for one instant. */
  readonly jitter?: Duration;
  /** No instants before; null: none is too early. */
  readonly startAt?: Date | string | null;
  /** No instants after; null: it has no end. */
  readonly endAt?: Date | string | null;
  /** Starts so many executions and then no more; backfills and triggers do not count. Null: no limit. */
  readonly maximumRuns?: number | null;
}

/** What the executions of a schedule are. */
export interface ScheduledWorkOptions {
  /** Defaults to the workflow's own queue. */
  readonly taskQueue?: string;
  /** Which version, when the workflow is given by name (the highest that a live worker has, in natural order: "10" comes after "9"). A definition has its own. */
  readonly version?: string;
  /** Each ends as timed out so long after it was started (the workflow's own, where its definition is in this process); null: none does. */
  readonly timeout?: Duration | null;
  /** What they belong to, all of it: an update keeps none of the labels before. Null: nothing. */
  readonly labels?: Labels | null;
  /** What they can be found by at their start, all of it; their code may change it. Null: nothing. */
  readonly attributes?: Attributes | null;
  /** Their key within their queue: limits per key, and keys take turns. Has an effect in queues that `pawl.queues.set` knows. Null: none. */
  readonly key?: string | null;
  /** From -1000 to 1000, smaller goes first (0). Has an effect in queues that `pawl.queues.set` knows. Null: 0. */
  readonly priority?: number | null;
}

export interface ScheduleOptions extends TimingOptions, SchedulePolicies, ScheduledWorkOptions {
  /** 1 to 150 characters of `A-Z a-z 0-9 . _ : -`. The execution of an instant has the id `<scheduleId>:<instant>`. */
  readonly scheduleId: string;
  /** What to do where the id is taken: fail (default), keep that schedule as it is, or update it to these options and the defaults of the others. */
  readonly ifExists?: "fail" | "keep" | "update";
}

/** The input of every execution; may be left out where the workflow takes none. */
export type ScheduledInput<W extends AnyWorkflow> = undefined extends InputOf<W> ? { readonly input?: InputOf<W> } : { readonly input: InputOf<W> };

/**
 * What is given is changed, the rest stays, the input too: it has to fit a workflow that is given, and a new one what the
 * schedule starts, where its definition is in this process. New times count from the change.
 */
export interface ScheduleUpdate extends TimingOptions, SchedulePolicies, ScheduledWorkOptions {
  /** Brings its task queue and, where its definition is given or in this process, its timeout. */
  readonly workflow?: AnyWorkflow | string;
  readonly input?: unknown;
}

export interface BackfillOptions {
  /** First and last instant, both included; not in the future, and at most 20,000 instants. */
  readonly from: Date | string;
  readonly to: Date | string;
  /** One after the other ("buffer_all", the default), or all at once. */
  readonly overlap?: BackfillOverlap;
}

export interface ScheduleListOptions {
  /** Rows per page, 1 to 1000 (50). */
  readonly limit?: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string;
}

/** Of a schedule and of its changes. */
const definedKeys = {
  cron: true,
  interval: true,
  calendar: true,
  timeZone: true,
  overlap: true,
  catchUpWindow: true,
  jitter: true,
  startAt: true,
  endAt: true,
  maximumRuns: true,
} satisfies KnownKeys<TimingOptions & SchedulePolicies>;
/** Of its executions, with what they run: where one of these changes, so does what is started. */
export const workKeys = {
  workflow: true,
  input: true,
  taskQueue: true,
  version: true,
  timeout: true,
  labels: true,
  attributes: true,
  key: true,
  priority: true,
} satisfies KnownKeys<ScheduledWorkOptions & Pick<ScheduleUpdate, "workflow" | "input">>;
export const updateKeys = { ...definedKeys, ...workKeys } satisfies KnownKeys<ScheduleUpdate>;
export const createKeys = { ...updateKeys, scheduleId: true, ifExists: true } satisfies KnownKeys<ScheduleOptions & ScheduleUpdate>;
export const backfillKeys = { from: true, to: true, overlap: true } satisfies KnownKeys<BackfillOptions>;
export const scheduleListKeys = { limit: true, cursor: true } satisfies KnownKeys<ScheduleListOptions>;
