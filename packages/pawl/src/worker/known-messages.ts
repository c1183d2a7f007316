import type { Event } from "../kernel/event.ts";
import type { InboxMessage } from "../store/store.ts";

/** The id that a sender gave its signal or update, by which it is known again; undefined for any other event. */
function sentIdOf(event: Event): string | undefined {
  return event.type === "SignalReceived" ? event.signalId : event.type === "UpdateReceived" ? event.updateId : undefined;
}

/**
 * What an execution was told and need not be told again: messages are repeatable, and their events are recorded once.
 *
 * Owns: what has been read from the inbox under this claim; which events from outside are recorded or on their way into the history.
 */
export class KnownMessages {
  /** Read under this claim, by message. */
  readonly #read = new Set<string>();
  /** Ids of signals and updates, in the order in which they came. */
  readonly #sentIds: Set<string>;
  /** Positions of child calls whose result is known. */
  readonly #childResults = new Set<number>();
  #cancel = false;

  /** @param before ids of signals and updates that earlier runs have had */
  constructor(before: readonly string[]) {
    this.#sentIds = new Set(before);
  }

  get isCancelRequested(): boolean {
    return this.#cancel;
  }

  /** Ids of the signals and updates that it has, in their order. */
  get sentIds(): ReadonlySet<string> {
    return this.#sentIds;
  }

  /** Takes notice of a message of the inbox. Gives whether it is the first time. */
  read({ messageId, ordinal }: Pick<InboxMessage, "messageId" | "ordinal">): boolean {
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
    const sentId = sentIdOf(event);
    if (sentId !== undefined) {
      if (this.#sentIds.has(sentId)) return true;
      this.#sentIds.add(sentId);
      return false;
    }
    // A step on another queue that nobody had begun in time: its late end is of no interest.
    if (event.type !== "ChildCompleted" && event.type !== "ChildFailed" && event.type !== "StepFailed") return false;
    if (this.#childResults.has(event.position)) return true;
    this.#childResults.add(event.position);
    return false;
  }

  /** The result of a child call is on its way into the history: whatever else tells how the child ends comes too late. */
  hasResult(position: number): void {
    this.#childResults.add(position);
  }

  /** An event goes on to the next run as a message: it is to be new there. */
  leave(event: Event): void {
    this.leaveSignal(sentIdOf(event));
  }

  leaveSignal(signalId: string | undefined): void {
    if (signalId !== undefined) this.#sentIds.delete(signalId);
  }
}
