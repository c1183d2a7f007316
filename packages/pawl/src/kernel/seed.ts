import { lineage } from "./continuation.ts";
import type { Event } from "./event.ts";

/** Of the random numbers of a run. */
export interface Seeds {
  readonly first: string;
  /** Others that take its place, by the seq of the event before whose delivery they do. */
  readonly later?: ReadonlyMap<number, string>;
}

/**
 * A seed outlives resume, rollback and retry, which change the run id: a prefix replays with the numbers that it was recorded with. So does
 * the prefix of a fork, which is another execution's; with the delivery of its last event begin numbers of its own. A run that continued
 * as new has numbers of its own, too.
 */
export function seedsOf(namespace: string, executionId: string, history: readonly { readonly seq: number; readonly event: Event }[]): Seeds {
  let origin: string | undefined;
  let later: Map<number, string> | undefined;
  let own: string | undefined;
  for (const { seq, event } of history) {
    if (event.type !== "ExecutionForked") continue;
    origin ??= `${namespace}/${event.origin ?? event.fromExecutionId}`;
    // Nothing is delivered before the code is called.
    if (seq === 2) own = `${namespace}/${event.executionId}`;
    else (later ??= new Map()).set(seq - 1, `${namespace}/${event.executionId}`);
  }
  const started = history[0]?.event;
  const continuedFrom = started?.type === "ExecutionStarted" ? started.continuedFrom : undefined;
  const first = own ?? origin ?? `${namespace}/${lineage(executionId, continuedFrom)}`;
  return { first, ...(later === undefined ? {} : { later }) };
}
