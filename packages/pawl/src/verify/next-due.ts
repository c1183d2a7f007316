import { deadlineOf } from "../kernel/deadline.ts";
import type { RecordedEvent } from "../kernel/event.ts";

/** Something that a parked execution has to be awake for. */
export interface Due {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly what: string;
}

/** The first of what a history shows as due at a time, past or to come: a sleep, a wait with a timeout, a next attempt, its deadline. */
export function nextDue(history: readonly RecordedEvent[]): Due | undefined {
  const deadline = deadlineOf(history);
  const due = [...openTimers(history), ...(deadline === undefined ? [] : [{ at: deadline, what: "its deadline" }])];
  return due.toSorted((a, b) => a.at - b.at)[0];
}

/**
 * Only what is open for certain. A cancel request ends calls, and a condition waits, without an event of their own. So does a signal a wait
 * that is recorded after it, because the two were on their way at the same time.
 */
function openTimers(history: readonly RecordedEvent[]): Iterable<Due> {
  const open = new Map<number, Due>();
  const waits = new Map<number, string>();
  const keptSignals = new Set<string>();
  for (const { at, event } of history) {
    switch (event.type) {
      case "CancelRequested":
        return [];
      case "TimerStarted":
        open.set(event.position, { at: at + event.durationMs, what: `its sleep (call ${event.position})` });
        break;
      case "StepAttemptFailed":
        open.set(event.position, { at: at + event.retryInMs, what: `the next attempt of step "${event.name}" (call ${event.position})` });
        break;
      case "WaitStarted": {
        const { position, signal, timeoutMs } = event;
        if (signal === undefined || keptSignals.has(signal)) break;
        waits.set(position, signal);
        if (timeoutMs !== undefined) open.set(position, { at: at + timeoutMs, what: `the end of its wait for signal "${signal}" (call ${position})` });
        break;
      }
      case "SignalReceived": {
        const named = [...waits].filter(([, signal]) => signal === event.name).map(([position]) => position);
        if (named.length === 0) keptSignals.add(event.name);
        // The first takes it, unless it has lost a race: of several, only the code knows which.
        for (const position of named) open.delete(position);
        waits.delete(Math.min(...named));
        break;
      }
      default:
        if (!("position" in event)) break;
        waits.delete(event.position);
        open.delete(event.position);
    }
  }
  return open.values();
}
