import { parseInput } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { ExecutionStarted, RecordedEvent } from "./event.ts";
import { readPayload } from "./payload.ts";
import { Replay, type CodeOutcome, type ReplayHost, type ReplayIdentity } from "./replay.ts";

/** Where replayed code got to. */
export interface Replayed {
  readonly replay: Replay;
  /** How its code ended; undefined: it waits for what is not recorded. */
  readonly outcome: CodeOutcome | undefined;
}

/**
 * Runs workflow code against a recorded history from its start, without doing anything that is not recorded.
 *
 * @param turn lets the microtask queue drain: called after every event that let code go on
 * @throws NondeterminismDetected, InputInvalid
 */
export async function replayHistory(
  workflow: AnyWorkflow,
  history: readonly RecordedEvent[],
  identity: ReplayIdentity & { readonly namespace: string },
  turn: () => Promise<void>,
): Promise<Replayed> {
  let outcome: CodeOutcome | undefined;
  const host: ReplayHost = {
    called: () => {},
    abandoned: () => {},
    orphaned: () => {},
    replied: () => {},
    ended: (end) => {
      outcome = end;
    },
  };
  const [first, ...rest] = history;
  const replay = new Replay(workflow, identity, `${identity.namespace}/${identity.executionId}`, host);
  replay.nowMs = first!.at;
  replay.start(await parseInput(workflow, readPayload((first!.event as ExecutionStarted).input)));
  await turn();
  for (const recorded of rest) {
    while (replay.settleWaits()) await turn();
    if (replay.apply(recorded)) await turn();
  }
  while (replay.settleWaits()) await turn();
  return { replay, outcome };
}
