import { encodeEvent } from "../kernel/event-codec.ts";
import type { Event } from "../kernel/event.ts";
import type { After, AppendOperation, Message, NewEvent, StartOperation } from "../store/operations.ts";
import type { InboxMessage } from "../store/store.ts";

export interface OutgoingEvent {
  readonly event: Event;
  readonly encoded: NewEvent;
}

/** What one append took along. */
export interface TakenAppend {
  readonly operation: AppendOperation;
  readonly events: readonly OutgoingEvent[];
}

/** What an execution has to write and has not written yet. */
export class Outbox {
  #events: OutgoingEvent[] = [];
  #starts: StartOperation[] = [];
  #messages: Message[] = [];
  #consumed: string[] = [];

  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#starts.length === 0 && this.#messages.length === 0 && this.#consumed.length === 0;
  }

  get hasEvents(): boolean {
    return this.#events.length > 0;
  }

  add(event: Event): void {
    this.#events.push({ event, encoded: { type: event.type, data: encodeEvent(event) } });
  }

  /** A message becomes an event as it came, and leaves the inbox in the same commit. */
  addMessage(message: InboxMessage, event: Event): void {
    this.#events.push({ event, encoded: message });
    this.#consumed.push(message.messageId);
  }

  addStart(start: StartOperation): void {
    this.#starts.push(start);
  }

  send(message: Message): void {
    this.#messages.push(message);
  }

  clear(): void {
    this.#events = [];
    this.#starts = [];
    this.#messages = [];
    this.#consumed = [];
  }

  /** Everything, as one append. Announcements alone are no progress; an append without events (a park) is. */
  take(claim: { readonly runId: string; readonly epoch: number; readonly expectedSeq: number }, after: After): TakenAppend {
    const events = this.#events;
    const operation: AppendOperation = {
      runId: claim.runId,
      epoch: claim.epoch,
      expectedSeq: claim.expectedSeq,
      events: events.map(({ encoded }) => encoded),
      progress: events.length === 0 || events.some(({ event }) => event.type !== "StepStarted"),
      after,
      starts: this.#starts,
      messages: this.#messages,
      consumed: this.#consumed,
    };
    this.clear();
    return { operation, events };
  }
}
