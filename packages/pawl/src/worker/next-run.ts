import { limits } from "../base/limits.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import type { Event, ExecutionStarted, RecordedEvent } from "../kernel/event.ts";

/** Of the run that ends, what the first event of the next one is made of. */
export interface RunToContinue {
  readonly fromRunId: string;
  readonly history: readonly RecordedEvent[];
  /** Of the whole execution, milliseconds since 1970: a next run gets no more time. */
  readonly deadline: number | undefined;
  /** Of the messages that it has read, in their order. */
  readonly messageIds: ReadonlySet<string>;
  /** Of the next run, encoded. */
  readonly input: string;
}

/** Data of the next run's `ExecutionStarted`. Who started the execution stays; labels and attributes are added from its row. */
export function nextStarted({ fromRunId, history, deadline, messageIds, input }: RunToContinue): string {
  const { parent, schedule, continuedFrom, traceparent } = history[0]!.event as ExecutionStarted;
  const messages = [...messageIds].slice(-limits.rememberedMessages);
  return encodeEvent({
    type: "ExecutionStarted",
    continuedFrom: { runId: fromRunId, count: (continuedFrom?.count ?? 0) + 1, ...(messages.length === 0 ? {} : { messages }) },
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(parent === undefined ? {} : { parent }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(deadline === undefined ? {} : { deadline }),
    input: { text: input },
  });
}

/** The id under which a signal or update is remembered; undefined for any other event. */
export function messageIdOf(event: Event): string | undefined {
  return event.type === "SignalReceived" ? event.signalId : event.type === "UpdateReceived" ? event.updateId : undefined;
}
