import type { ExecutionStarted, RecordedEvent } from "./event.ts";

/**
 * When the time of a run is over (milliseconds since 1970), by its own timeout or its parent's; undefined: never. After a rollback, a
 * retry or a fork it is given its own time anew, and its parent's only if that is not over. The database computes the same (deadline_of).
 */
export function deadlineOf(history: readonly RecordedEvent[]): number | undefined {
  const [first] = history;
  const { timeoutMs, deadline } = first!.event as ExecutionStarted;
  if (timeoutMs === undefined && deadline === undefined) return undefined;
  const anew = history.findLast(({ event }) => (event.type === "ExecutionResumed" && event.operation !== undefined) || event.type === "ExecutionForked");
  const from = (anew ?? first!).at;
  const own = timeoutMs === undefined ? undefined : from + timeoutMs;
  const inherited = deadline === undefined || deadline <= from ? undefined : deadline;
  return own === undefined || inherited === undefined ? (own ?? inherited) : Math.min(own, inherited);
}
