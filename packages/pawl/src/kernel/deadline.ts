import type { ExecutionStarted, RecordedEvent } from "./event.ts";

/** What ends the time of a run; times in milliseconds since 1970. */
export interface TimeLimits {
  /** Of its execution; undefined: it has none of its own. */
  readonly timeoutMs: number | undefined;
  /** From when that counts: the start of the execution and its delay, or the last rollback, retry or fork, which give it its time anew. */
  readonly timeoutFrom: number;
  /** Its parent's; undefined: none, or it was over already when the run was given its time anew. */
  readonly deadline: number | undefined;
}

export function timeLimits(history: readonly RecordedEvent[]): TimeLimits {
  const { event, at } = history[0]!;
  const { timeoutMs, delayMs = 0, timeoutFrom = at + delayMs, deadline } = event as ExecutionStarted;
  if (timeoutMs === undefined && deadline === undefined) return { timeoutMs, timeoutFrom, deadline };
  const anew = history.findLast((recorded) => isGivenAnew(recorded.event))?.at;
  return { timeoutMs, timeoutFrom: anew ?? timeoutFrom, deadline: anew !== undefined && deadline !== undefined && deadline <= anew ? undefined : deadline };
}

/** When the time of a run is over, which may be before it begins; undefined: never. The database computes the same (deadline_of). */
export function deadlineOf(history: readonly RecordedEvent[]): number | undefined {
  const { timeoutMs, timeoutFrom, deadline } = timeLimits(history);
  const own = timeoutMs === undefined ? undefined : timeoutFrom + timeoutMs;
  return own === undefined || deadline === undefined ? (own ?? deadline) : Math.min(own, deadline);
}

/** Whether a run gets its time anew there, and so do its steps. */
export function isGivenAnew(event: RecordedEvent["event"]): boolean {
  return (event.type === "ExecutionResumed" && event.operation !== undefined) || event.type === "ExecutionForked";
}
