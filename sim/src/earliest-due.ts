import type { Event } from "pawl";
import { isCallResult } from "pawl/internal";

/**
 * When the first timer or retry of a run is due, as its history says; undefined if there is none, or only its code knows: after a cancel
 * request some calls are over, and others not.
 */
export function earliestDue(history: readonly { readonly at: number; readonly event: Event }[]): number | undefined {
  const due = new Map<number, number>();
  for (const { at, event } of history) {
    if (event.type === "CancelRequested") return undefined;
    if (event.type === "TimerStarted") due.set(event.position, at + event.durationMs);
    else if (event.type === "StepAttemptFailed") due.set(event.position, at + event.retryInMs);
    else if ("position" in event && (isCallResult(event) || event.type === "StepStarted")) due.delete(event.position);
  }
  return due.size === 0 ? undefined : Math.min(...due.values());
}
