import type { KnownKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkId, checkName } from "../base/ids.ts";
import { kindOf } from "../base/kind-of.ts";
import { latestStates, stateProblem, type LatestState } from "../kernel/execution-state.ts";
import type { CountedGroup, ListFilter } from "../store/store.ts";
import type { ExecutionInfo } from "./execution-handle.ts";
import { parseFilter } from "./filter/parse-filter.ts";

/** Which executions are meant: all that every given option allows. */
export interface FilterOptions {
  readonly workflow?: string;
  /** Of their latest runs. */
  readonly state?: LatestState | readonly LatestState[];
  readonly taskQueue?: string;
  /** Only children of this execution. */
  readonly parent?: string;
  readonly createdAfter?: Date;
  readonly createdBefore?: Date;
  /** A condition in CEL, such as `state == "failed" && labels.customer == "acme"`. At most 4000 characters. */
  readonly filter?: string;
}

export interface ListOptions extends FilterOptions {
  /** Rows per page, 1 to 1000 (50). */
  readonly limit?: number;
  /**
   * `nextCursor` of the page before. An execution that goes on as another run meanwhile (it continues as new, is resumed, retried or rolled
   * back) moves to the top, and is on none of the later pages.
   */
  readonly cursor?: string;
}

export interface ExecutionPage {
  /** Newest first. */
  readonly executions: readonly ExecutionInfo[];
  /** Undefined on the last page. */
  readonly nextCursor: string | undefined;
}

export interface CountOptions extends FilterOptions {
  /** A field as filters name it: `state`, `workflow`, `labels.customer`, `attributes.region`. */
  readonly groupBy?: string;
}

export interface ExecutionCount {
  readonly count: number;
  /** The largest first; empty without `groupBy`. `value` is null for executions that have no such label or attribute. */
  readonly groups: readonly CountedGroup[];
  /** Whether these are all groups; at most 1000 are given. */
  readonly complete: boolean;
}

const filterKeys = {
  workflow: true,
  state: true,
  taskQueue: true,
  parent: true,
  createdAfter: true,
  createdBefore: true,
  filter: true,
} satisfies KnownKeys<FilterOptions>;
export const listKeys = { ...filterKeys, limit: true, cursor: true } satisfies KnownKeys<ListOptions>;
export const countKeys = { ...filterKeys, groupBy: true } satisfies KnownKeys<CountOptions>;

/** @throws FilterInvalid, OptionInvalid */
export function listFilter(namespace: string, options: FilterOptions): ListFilter {
  return {
    namespace,
    ...(options.workflow === undefined ? {} : { workflow: checkName(options.workflow, "workflow") }),
    ...(options.state === undefined ? {} : { state: states(options.state) }),
    ...(options.taskQueue === undefined ? {} : { taskQueue: checkName(options.taskQueue, "taskQueue") }),
    ...(options.parent === undefined ? {} : { parentExecutionId: checkId(options.parent, "parent") }),
    ...(options.createdAfter === undefined ? {} : { createdAfter: time(options.createdAfter, "createdAfter") }),
    ...(options.createdBefore === undefined ? {} : { createdBefore: time(options.createdBefore, "createdBefore") }),
    ...(options.filter === undefined ? {} : { filter: parseFilter(options.filter) }),
  };
}

/** @throws OptionInvalid */
export function cursor(value: string): string {
  if (!/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(value)) throw new OptionInvalid("cursor", "is not a nextCursor of list()");
  return value;
}

function states(state: LatestState | readonly LatestState[]): readonly LatestState[] {
  const list: readonly LatestState[] = typeof state === "string" ? [state] : state;
  if (!Array.isArray(list)) throw new OptionInvalid("state", `must be a state or an array of them, not ${kindOf(state)}`);
  for (const one of list) {
    const problem = stateProblem(one, latestStates);
    if (problem !== undefined) throw new OptionInvalid("state", problem);
  }
  return list;
}

function time(value: Date, path: string): number {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw new OptionInvalid(path, "must be a valid Date");
  return value.getTime();
}
