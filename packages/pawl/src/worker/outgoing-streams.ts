import type { StreamCall } from "../kernel/call.ts";
import type { ClaimedExecution } from "../store/store.ts";
import type { ActiveExecution } from "./active-execution.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { HistoryWriter } from "./history-writer.ts";
import type { StepAttempt, StepOwner } from "./step-attempt.ts";
import type { StepRunner } from "./step-runner.ts";
import { StreamWriter } from "./stream-writer.ts";
import { untilAnswered } from "./until-answered.ts";

/** Above so many characters of chunks on their way, steps wait before they write more. */
const mostWaitingCharacters = 1024 * 1024;

/**
 * What one execution writes to streams: what its code writes becomes an event, what its steps write does not.
 *
 * Owns: which writes of the code are on their way; the steps that wait for room.
 * Does not own: offsets (StreamWriter), chunks that wait to be written (Outbox).
 */
export class OutgoingStreams {
  readonly #execution: ActiveExecution;
  readonly #isFresh: boolean;
  readonly #history: ClaimedExecution["history"];
  readonly #writer: HistoryWriter;
  readonly #steps: StepRunner;
  readonly #host: Pick<ExecutionHost, "streamLength" | "failed" | "runtime">;
  /** Made when something is first written to a stream. */
  #offsets: StreamWriter | undefined;
  /** Positions of writes of the code that have been begun. */
  readonly #begun = new Set<number>();
  /** Steps that wait until there is room for more chunks. */
  #awaitingRoom: (() => void)[] = [];

  constructor(
    execution: ActiveExecution,
    { epoch, history }: ClaimedExecution,
    writer: HistoryWriter,
    steps: StepRunner,
    host: Pick<ExecutionHost, "streamLength" | "failed" | "runtime">,
  ) {
    this.#execution = execution;
    this.#history = history;
    this.#isFresh = epoch === 1 && history.length === 1;
    this.#writer = writer;
    this.#steps = steps;
    this.#host = host;
  }

  /** Whether something waits for what is read of a stream. */
  get isReading(): boolean {
    return this.#offsets?.isReading === true;
  }

  /** Resolves when nothing does any more. */
  idle(): Promise<void> {
    return this.#offsets?.idle() ?? Promise.resolve();
  }

  /** Writes what the code has asked for, once. */
  advance({ position, stream, data }: StreamCall): void {
    if (this.#begun.has(position)) return;
    this.#begun.add(position);
    const offsets = this.#known();
    const written = offsets.whenKnown(stream, () => {
      if (!this.#writer.isOpen) return;
      const chunk = offsets.next(stream, undefined, data);
      const event = { type: "StreamWritten", position, stream, offset: chunk.offset } as const;
      this.#writer.outbox.addWritten(data === null ? { ...event, closed: true } : event, chunk);
      this.#writer.enlist();
    });
    // The store is closing, or another worker owns it; whoever claims it next writes it.
    written?.catch((error: unknown) => this.#host.failed(this.#execution, error));
  }

  /** Takes what a step writes. */
  write(attempt: StepAttempt, stream: string, data: string): ReturnType<StepOwner["write"]> {
    const offsets = this.#known();
    const taken = offsets.whenKnown(stream, () => {
      if (!this.#writer.isOpen) return;
      const chunk = offsets.next(stream, { position: attempt.call.position, attempt: attempt.attempt }, data);
      // Recorded with its first chunk, the attempt's number is never given to another attempt.
      this.#steps.announce(attempt);
      this.#writer.outbox.addChunk(chunk);
      this.#writer.enlist();
    });
    return { taken, room: this.#isFull ? new Promise((resolve) => this.#awaitingRoom.push(resolve)) : undefined };
  }

  /** Chunks have been written, or will not be: steps may go on if there is room now. */
  makeRoom(): void {
    if (this.#awaitingRoom.length === 0 || this.#isFull) return;
    for (const resolve of this.#awaitingRoom.splice(0)) resolve();
  }

  get #isFull(): boolean {
    return this.#writer.outbox.waitingCharacters > mostWaitingCharacters && !this.#writer.isGone;
  }

  #known(): StreamWriter {
    const { executionId } = this.#execution;
    const length = (stream: string): Promise<number> =>
      untilAnswered(() => this.#host.streamLength(executionId, stream), this.#execution, this.#writer, this.#host);
    return (this.#offsets ??= new StreamWriter(executionId, this.#isFresh, closedIn(this.#history), length));
  }
}

function closedIn(history: ClaimedExecution["history"]): ReadonlySet<string> {
  return new Set(history.flatMap(({ event }) => (event.type === "StreamWritten" && event.closed === true ? [event.stream] : [])));
}
