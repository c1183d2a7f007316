import type { ExecutionStarted, RecordedEvent } from "./event.ts";
import { readPayload } from "./payload.ts";

/** The input of a run: that of its start or, where starts were merged into it, what they come to. */
export function inputOf(history: readonly RecordedEvent[]): unknown {
  const started = history[0]!.event as ExecutionStarted;
  const first = readPayload(started.input);
  if (started.merge === undefined) return first;
  const inputs = [first];
  for (const { event } of history) if (event.type === "StartMerged") inputs.push(readPayload(event.input));
  return started.merge === "debounce" ? inputs.at(-1) : inputs.flat();
}
