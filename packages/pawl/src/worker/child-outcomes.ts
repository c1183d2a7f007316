import type { ChildCall } from "../kernel/call.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { InboxMessage, Store } from "../store/store.ts";
import { childEnding } from "./end-event.ts";

/** What became of children that a parent asks for. */
export interface ChildOutcomes {
  /** Of those that have ended: the messages they sent or would have sent. */
  readonly messages: readonly InboxMessage[];
  /** Their id belongs to another execution. */
  readonly foreign: readonly ChildCall[];
  /** There is none: their id belonged to one that retention has deleted since, or only their parent's history was imported. */
  readonly missing: readonly ChildCall[];
  /** No worker has begun them, and one may yet. */
  readonly pending: readonly ChildCall[];
}

/** @param runId of their parent @throws Closed */
export async function childOutcomes(store: Pick<Store, "outcomes">, namespace: string, runId: string, children: readonly ChildCall[]): Promise<ChildOutcomes> {
  const outcomes = await store.outcomes(
    namespace,
    children.map((call) => call.executionId),
  );
  const messages: InboxMessage[] = [];
  const foreign: ChildCall[] = [];
  const missing: ChildCall[] = [];
  const pending: ChildCall[] = [];
  for (const call of children) {
    const outcome = outcomes.get(call.executionId);
    if (outcome === undefined) missing.push(call);
    else if (outcome.parentRunId !== runId || outcome.parentPosition !== call.position) foreign.push(call);
    else if (!outcome.hasBegun && !isTerminal(outcome.state)) pending.push(call);
    else if (outcome.last !== undefined && isTerminal(outcome.state)) {
      const event = childEnding(outcome.last.event, call);
      messages.push({ messageId: `child:${call.position}`, ordinal: undefined, type: event.type, data: encodeEvent(event) });
    }
  }
  return { messages, foreign, missing, pending };
}
