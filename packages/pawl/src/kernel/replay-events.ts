import { parseInput } from "../definition/schema.ts";
import type { ExecutionStarted, RecordedEvent } from "./event.ts";
import { readPayload } from "./payload.ts";
import type { Replay } from "./replay.ts";

/**
 * Runs workflow code against a recorded history from its start, as a worker would, without doing anything that is not recorded.
 *
 * @param turn lets the microtask queue drain: called after every event that let code go on
 * @throws NondeterminismDetected, InputInvalid
 */
export async function replayEvents(replay: Replay, history: readonly RecordedEvent[], turn: () => Promise<void>): Promise<void> {
  const [first, ...rest] = history;
  replay.begin(history);
  replay.start(await parseInput(replay.workflow, readPayload((first!.event as ExecutionStarted).input)));
  await turn();
  for (const recorded of rest) {
    while (replay.settleWaits()) await turn();
    if (replay.apply(recorded)) await turn();
  }
  while (replay.settleWaits()) await turn();
}
