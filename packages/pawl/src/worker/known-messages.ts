import { decodeEvent } from "../kernel/event-codec.ts";
import type { ChildFailed, Event, ExecutionTerminated } from "../kernel/event.ts";
import { inboxIdOf, signalInboxId } from "../kernel/inbox-id.ts";
import type { Inbox, InboxMessage } from "../store/store.ts";
import type { Outbox } from "./outbox.ts";

/**
 * What an execution was told and need not be told again: messages are repeatable, and their events are recorded once.
 *
 * Owns: what has been read from the inbox under this claim; which events from outside are recorded or on their way into the history.
 */
export class KnownMessages {
  /** Read under this claim, by message. */
  readonly #read = new Set<string>();
  /** Inbox ids of signals and updates, in the order in which they came. */
  readonly #sentIds: Set<string>;
  /** Positions of child calls whose result is known. */
  readonly #childResults = new Set<number>();
  #cancel = false;
  #seenInbox = 0;

  /** @param before inbox ids of signals and updates that earlier runs have had */
  constructor(before: readonly string[]) {
    this.#sentIds = new Set(before);
  }

  get isCancelRequested(): boolean {
    return this.#cancel;
  }

  /** Inbox ids of the signals and updates that it has, in their order. */
  get sentIds(): ReadonlySet<string> {
    return this.#sentIds;
  }

  /** The counter of the inbox that covers all that was read of it. */
  get seenInbox(): number {
    return this.#seenInbox;
  }

  /**
   * Puts what is new in the inbox into the outbox, to be recorded, until something ends it at once, which it gives: that its parent
   * has ended, or that the time of a child was over which is also its own, whatever its worker's clock says. What else is in
   * the inbox goes with its own end, but signals. Requests to pause are no news of this kind.
   *
   * @param deadline its own, milliseconds since 1970
   */
  take({ inboxSeq, messages }: Omit<Inbox, "runId">, outbox: Outbox, deadline = Number.POSITIVE_INFINITY): ExecutionTerminated | ChildFailed | undefined {
    this.#seenInbox = Math.max(this.#seenInbox, inboxSeq);
    for (const message of messages) {
      if (message.type === "PauseRequested" || !this.#isNew(message)) continue;
      const event = decodeEvent(message.type, message.data);
      if (event.type === "ExecutionTerminated") return event;
      if (event.type === "ChildFailed" && event.deadline !== undefined && event.deadline >= deadline) return event;
      if (this.tells(event)) outbox.discard(message.messageId);
      else outbox.addMessage(message, event);
    }
    return undefined;
  }

  #isNew({ messageId, ordinal }: InboxMessage): boolean {
    const key = `${messageId}#${ordinal ?? ""}`;
    if (this.#read.has(key)) return false;
    this.#read.add(key);
    return true;
  }

  /**
   * Takes notice of an event. Gives whether it tells what is known already: a second cancel request; a signal or update that was sent
   * again; or the end of a child that was cancelled, resumed on its own and has ended again.
   */
  tells(event: Event): boolean {
    if (event.type === "CancelRequested") {
      const known = this.#cancel;
      this.#cancel = true;
      return known;
    }
    const sentId = inboxIdOf(event);
    if (sentId !== undefined) {
      if (this.#sentIds.has(sentId)) return true;
      this.#sentIds.add(sentId);
      return false;
    }
    // A step on another queue that nobody had begun in time: its late end is of no interest.
    if (event.type !== "ChildCompleted" && event.type !== "ChildFailed" && event.type !== "StepFailed") return false;
    return !this.takesResult(event.position);
  }

  /** Gives whether this is the first result of a child call: it goes into the history, and whatever else tells how the child ends comes too late. */
  takesResult(position: number): boolean {
    if (this.#childResults.has(position)) return false;
    this.#childResults.add(position);
    return true;
  }

  /** An event goes on to the next run as a message: it is to be new there. */
  leave(event: Event): void {
    const sentId = inboxIdOf(event);
    if (sentId !== undefined) this.#sentIds.delete(sentId);
  }

  leaveSignal(signalId: string): void {
    this.#sentIds.delete(signalInboxId(signalId));
  }
}
