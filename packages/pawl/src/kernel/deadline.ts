import type { ExecutionStarted, RecordedEvent } from "./event.ts";

/**
 * When the time of a run is over (milliseconds since 1970), by its own timeout or by the one it was given (its parent's, that of the run
 * before); undefined: never. It may be over before the run begins. After a rollback, a retry or a fork it is given its own time anew, and
 * what it was given only if that is not over. The database computes the same (deadline_of).
 */
export function deadlineOf(history: readonly RecordedEvent[]): number | undefined {
  const [first] = history;
  const { timeoutMs, deadline } = first!.event as ExecutionStarted;
  if (timeoutMs === undefined && deadline === undefined) return undefined;
  const anew = history.findLast(({ event }) => (event.type === "ExecutionResumed" && event.operation !== undefined) || event.type === "ExecutionForked");
  const own = timeoutMs === undefined ? undefined : (anew ?? first!).at + timeoutMs;
  const given = anew !== undefined && deadline !== undefined && deadline <= anew.at ? undefined : deadline;
  return own === undefined || given === undefined ? (own ?? given) : Math.min(own, given);
}
