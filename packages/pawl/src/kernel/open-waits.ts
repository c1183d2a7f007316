import type { Event } from "./event.ts";

/**
 * The waits that a history shows as open, by position: for a signal by its name, for the state as undefined. A signal ends the
 * first wait for its name. When a wait for the state is over, only its code knows: it stays in the list.
 */
export function openWaits(events: Iterable<Event>): ReadonlyMap<number, string | undefined> {
  const open = new Map<number, string | undefined>();
  for (const event of events) {
    if (event.type === "WaitStarted") open.set(event.position, event.signal);
    else if (event.type === "WaitTimedOut") open.delete(event.position);
    else if (event.type === "CancelRequested") open.clear();
    else if (event.type === "SignalReceived") {
      const first = [...open].filter(([, signal]) => signal === event.name).map(([position]) => position);
      if (first.length > 0) open.delete(Math.min(...first));
    }
  }
  return open;
}
