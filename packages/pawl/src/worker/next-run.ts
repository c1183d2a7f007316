import { limits } from "../base/limits.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import { timeLimits } from "../kernel/deadline.ts";
import type { ExecutionStarted, RecordedEvent } from "../kernel/event.ts";

/** Of the run that ends, what the first event of the next one is made of. */
export interface RunToContinue {
  readonly fromRunId: string;
  readonly history: readonly RecordedEvent[];
  /** Inbox ids of the signals and updates that it has read, in their order. */
  readonly sentIds: ReadonlySet<string>;
  /** Of the next run, encoded. */
  readonly input: string;
}

/** Data of the next run's `ExecutionStarted`. It gets no more time; who started the execution stays; labels and attributes are added from its row. */
export function nextStarted({ fromRunId, history, sentIds, input }: RunToContinue): string {
  const { parent, schedule, continuedFrom, traceparent } = history[0]!.event as ExecutionStarted;
  const { timeoutMs, timeoutFrom, deadline } = timeLimits(history);
  const messages = [...sentIds].slice(-limits.rememberedMessages);
  return encodeEvent({
    type: "ExecutionStarted",
    continuedFrom: { runId: fromRunId, count: (continuedFrom?.count ?? 0) + 1, ...(messages.length === 0 ? {} : { messages }) },
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(parent === undefined ? {} : { parent }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(deadline === undefined ? {} : { deadline }),
    // With a deadline alone too: the error says how long the execution took, not this run.
    ...((timeoutMs ?? deadline) === undefined ? {} : { timeoutFrom }),
    input: { text: input },
  });
}
