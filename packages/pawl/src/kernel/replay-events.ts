import { parseInput } from "../definition/schema.ts";
import type { RecordedEvent } from "./event.ts";
import { inputOf } from "./merged-input.ts";
import type { Replay } from "./replay.ts";

/**
 * Runs workflow code against a recorded history from its start, as a worker would, without doing anything that is not recorded.
 *
 * @param turn lets the microtask queue drain: called after every event that let code go on
 * @throws NondeterminismDetected, InputInvalid
 */
export async function replayEvents(replay: Replay, history: readonly RecordedEvent[], turn: () => Promise<void>): Promise<void> {
  const rest = history.slice(1);
  replay.begin(history);
  replay.start(await parseInput(replay.workflow, inputOf(history), "It was recorded so: let the schema take what executions were started with."));
  await turn();
  for (const recorded of rest) {
    while (replay.settleWaits()) await turn();
    if (replay.apply(recorded)) await turn();
  }
  while (replay.settleWaits()) await turn();
}
