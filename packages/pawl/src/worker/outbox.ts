import { encodeEvent } from "../kernel/event-codec.ts";
import type { LabelChanges, StoredChanges } from "../base/search-values.ts";
import type { Event, StreamWritten } from "../kernel/event.ts";
import type { After, AppendOperation, Message, NewEvent, StartOperation } from "../store/operations.ts";
import { largestStatement } from "../store/statement-size.ts";
import type { InboxMessage } from "../store/store.ts";
import type { NewChunk } from "../store/streams.ts";
import { ChunkQueue } from "./chunk-queue.ts";

/** One event to write, with what must be written together with it. */
export interface OutgoingEvent {
  readonly event: Event;
  readonly encoded: NewEvent;
  /** The child that a `ChildStarted` starts. */
  readonly start?: StartOperation;
  /** The inbox message that became this event. */
  readonly consumes?: string;
  /** What a `StreamWritten` writes. */
  readonly chunk?: NewChunk;
}

/** What one append took along. */
export interface TakenAppend {
  readonly operation: AppendOperation;
  readonly events: readonly OutgoingEvent[];
}

const keep: After = { kind: "keep" };

function goesBefore({ event, consumes }: OutgoingEvent, position: number): boolean {
  if (event.type === "PatchMarked" || (event.type === "ChildFailed" && consumes === undefined)) return true;
  return "position" in event && event.position === position;
}

/** What an execution has to write and has not written yet. */
export class Outbox {
  #events: OutgoingEvent[] = [];
  #messages: Message[] = [];
  readonly #chunks = new ChunkQueue();
  /** Inbox messages to remove without a trace in the history. */
  #discarded: string[] = [];

  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#messages.length === 0 && this.#discarded.length === 0 && this.#chunks.isEmpty;
  }

  /**
   * Whether something waits that must stand before the result of the call at that position: what is about that call; which way a patch
   * went, which the call may hang on; and that a child's id was taken, which whoever claims it next looks for behind its last commit only.
   */
  mustStandBefore(position: number): boolean {
    return this.#chunks.isOf(position) || this.#events.some((outgoing) => goesBefore(outgoing, position));
  }

  /** Characters of chunks that steps have written. */
  get waitingCharacters(): number {
    return this.#chunks.characters;
  }

  add(event: Event, start?: StartOperation): void {
    const encoded = { type: event.type, data: encodeEvent(event) };
    this.#events.push(start === undefined ? { event, encoded } : { event, encoded, start });
  }

  /** Workflow code's write to a stream: the event and the chunk are one. */
  addWritten(event: StreamWritten, chunk: NewChunk): void {
    this.#events.push({ event, encoded: { type: event.type, data: encodeEvent(event) }, chunk });
  }

  /** A step's write to a stream: after the events that are here already, before those that come. */
  addChunk(chunk: NewChunk): void {
    this.#chunks.add(chunk, this.#events.length);
  }

  /** A message becomes an event as it came, and leaves the inbox in the same commit. */
  addMessage(message: InboxMessage, event: Event): void {
    this.#events.push({ event, encoded: { type: message.type, data: message.data }, consumes: message.messageId });
  }

  /** A message that tells what is recorded already leaves the inbox and becomes no event. */
  discard(messageId: string): void {
    this.#discarded.push(messageId);
  }

  send(message: Message): void {
    this.#messages.push(message);
  }

  /** Takes back the start of a child that nobody wants any more; gives it unless it was written or is being written. */
  withdraw(position: number): StartOperation | undefined {
    const index = this.#events.findIndex(({ event }) => event.type === "ChildStarted" && event.position === position);
    return index < 0 ? undefined : this.#events.splice(index, 1)[0]!.start;
  }

  /** Leaves what came from the inbox and is not recorded yet where it is, and gives it. */
  leaveMessages(): readonly Event[] {
    const left = this.#events.filter(({ consumes }) => consumes !== undefined);
    this.#events = this.#events.filter(({ consumes }) => consumes === undefined);
    return left.map(({ event }) => event);
  }

  clear(): readonly OutgoingEvent[] {
    const events = this.#events;
    this.#events = [];
    this.#messages = [];
    this.#discarded = [];
    this.#chunks.clear();
    return events;
  }

  /**
   * As much as one append holds; what is left goes with the next. Messages go with the last events, and only then `after` applies.
   * Announcements and heartbeats alone are no progress; an append without events (a park) is.
   */
  take(claim: { readonly runId: string; readonly epoch: number; readonly expectedSeq: number }, after: After): TakenAppend {
    const count = Math.min(this.#fitting(), this.#chunks.eventsBefore(largestStatement, this.#events.length));
    const isAll = count === this.#events.length && this.#chunks.fits(largestStatement);
    let chunks = this.#chunks.isEmpty ? undefined : this.#chunks.take(largestStatement, count === this.#events.length ? Number.POSITIVE_INFINITY : count);
    const events = isAll ? this.#events : this.#events.splice(0, count);
    const messages = isAll ? this.#messages : [];
    if (isAll) {
      this.#events = [];
      this.#messages = [];
    }
    // One pass and no copies: this runs for every commit of every execution.
    const encoded: NewEvent[] = [];
    const starts: StartOperation[] = [];
    const consumed = this.#discarded;
    this.#discarded = [];
    // A park is progress; what steps write to streams alone is none, as an announcement alone is none.
    let progress = events.length === 0 && chunks === undefined;
    let labels: LabelChanges | undefined;
    let attributes: StoredChanges | undefined;
    for (const outgoing of events) {
      encoded.push(outgoing.encoded);
      if (outgoing.event.type !== "StepStarted" && outgoing.event.type !== "StepHeartbeat") progress = true;
      if (outgoing.event.type === "LabelsSet") labels = { ...labels, ...outgoing.event.labels };
      else if (outgoing.event.type === "AttributesSet") attributes = { ...attributes, ...outgoing.event.attributes };
      if (outgoing.start !== undefined) starts.push(outgoing.start);
      if (outgoing.consumes !== undefined) consumed.push(outgoing.consumes);
      if (outgoing.chunk !== undefined) (chunks ??= []).push(outgoing.chunk);
    }
    const { runId, epoch, expectedSeq } = claim;
    const operation: AppendOperation = { runId, epoch, expectedSeq, events: encoded, progress, after: isAll ? after : keep, starts, messages, consumed };
    if (labels === undefined && attributes === undefined && chunks === undefined) return { operation, events };
    return {
      operation: {
        ...operation,
        ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),
        ...(attributes === undefined ? {} : { attributes: JSON.stringify(attributes) }),
        ...(chunks === undefined ? {} : { chunks }),
      },
      events,
    };
  }

  /** How many events, from the first, fit into one append; at least one if there are any. */
  #fitting(): number {
    let size = 0;
    for (let index = 0; index < this.#events.length; index++) {
      const { encoded, start, chunk } = this.#events[index]!;
      size += encoded.data.length + (start?.started.length ?? 0) + (chunk?.data?.length ?? 0);
      if (size > largestStatement && index > 0) return index;
    }
    return this.#events.length;
  }
}
