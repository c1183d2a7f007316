import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkId } from "../base/ids.ts";
import type { MergeStart } from "../store/operations.ts";

export interface DebounceOptions {
  readonly key: string;
  /** It begins when no start has come for so long; the 10,000th is the last that it takes. */
  readonly period: Duration;
  /** It begins so long after the first start at the latest (ten times `period`). */
  readonly maxWait?: Duration;
}

export interface BatchOptions {
  readonly key: string;
  /** It begins with the input of so many starts, from 2 to 10,000, */
  readonly size: number;
  /** or so long after the first. */
  readonly window: Duration;
}

const debounceKeys = { key: true, period: true, maxWait: true } satisfies KnownKeys<DebounceOptions>;
const batchKeys = { key: true, size: true, window: true } satisfies KnownKeys<BatchOptions>;

/** How a start is merged with others. */
export interface Merging extends Pick<MergeStart, "periodMs" | "longestMs" | "size"> {
  readonly kind: "debounce" | "batch";
  /** What those have in common that are merged with each other. */
  readonly mergeKey: string;
  /** How long the first of them waits, and how long it may wait. */
  readonly delayMs: number;
  readonly longestDelayMs: number;
}

/** Each start is an event of the history, which must not become too long. */
const mostStarts = 10_000;

interface Options {
  readonly debounce?: DebounceOptions;
  readonly batch?: BatchOptions;
  readonly executionId?: unknown;
  readonly idempotencyKey?: unknown;
  readonly deduplicationId?: unknown;
  readonly delay?: unknown;
}

/** @throws OptionInvalid */
export function mergingOf(options: Options, input: unknown): Merging | undefined {
  const { debounce, batch } = options;
  if (debounce === undefined && batch === undefined) return undefined;
  const path = debounce === undefined ? "batch" : "debounce";
  for (const other of ["executionId", "idempotencyKey", "deduplicationId", "delay", ...(debounce === undefined ? [] : ["batch"])] as const)
    if (options[other as keyof Options] !== undefined) throw new OptionInvalid(path, `cannot be combined with ${other}: several starts become one execution`);
  if (debounce !== undefined) {
    checkKeys(debounce, debounceKeys, "debounce");
    const key = checkId(debounce.key, "debounce.key");
    const periodMs = toMilliseconds(debounce.period, "debounce.period");
    const longestMs = toMilliseconds(debounce.maxWait ?? periodMs * 10, "debounce.maxWait");
    if (periodMs < 1) throw new OptionInvalid("debounce.period", "must be at least 1 ms");
    const delayMs = Math.min(periodMs, longestMs);
    return { kind: "debounce", mergeKey: `debounce:${key}`, periodMs, longestMs, size: mostStarts, delayMs, longestDelayMs: longestMs };
  }
  checkKeys(batch, batchKeys, "batch");
  const { size, window } = batch!;
  const key = checkId(batch!.key, "batch.key");
  if (!Number.isInteger(size) || size < 2 || size > mostStarts)
    throw new OptionInvalid("batch.size", `must be a whole number from 2 to ${mostStarts}, not ${String(size)}`);
  const delayMs = toMilliseconds(window, "batch.window");
  if (delayMs < 1) throw new OptionInvalid("batch.window", "must be at least 1 ms");
  if (!Array.isArray(input)) throw new OptionInvalid("batch", "takes starts whose input is an array: the execution gets their elements in one");
  return { kind: "batch", mergeKey: `batch:${key}`, periodMs: undefined, longestMs: undefined, size, delayMs, longestDelayMs: delayMs };
}
