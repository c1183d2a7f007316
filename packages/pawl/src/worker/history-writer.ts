import { encodeEvent } from "../kernel/event-codec.ts";
import type { Event, RecordedEvent } from "../kernel/event.ts";
import type { AppendSource } from "../store/committer.ts";
import type { After, AppendOperation, AppendOutcome, StartOperation } from "../store/operations.ts";
import type { ClaimedExecution } from "../store/store.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { ExecutionSlot } from "./execution-slot.ts";
import { Outbox, type TakenAppend } from "./outbox.ts";
import type { Turn } from "./transaction-runner.ts";

/** The execution whose history is written. */
export interface WriteOwner {
  /** What the next append does besides writing events; undefined: nothing is to be written now. */
  after(): After | undefined;
  /** What was taken is written, or another worker owns the execution. */
  settled(taken: TakenAppend, outcome: AppendOutcome): void;
  /** What was taken can never be written. */
  failed(error: unknown): void;
}

/** What a transaction holds in the place of an append, until it knows what it writes. */
const nothingTaken: TakenAppend = {
  operation: { runId: "", epoch: 0, expectedSeq: 0, events: [], progress: true, after: { kind: "keep" }, starts: [], messages: [], consumed: [] },
  events: [],
};

/**
 * Writes what happens in an execution into its history.
 *
 * Owns: what is to be written; the one append that is on its way; who may write next, the committer or a transaction; where the
 *   history ends, by which the fence knows this claim.
 * Does not own: what an append does besides writing events, and what follows from it (WriteOwner).
 */
export class HistoryWriter implements AppendSource {
  readonly outbox = new Outbox();
  readonly #owner: WriteOwner;
  readonly #slot: ExecutionSlot;
  readonly #host: Pick<ExecutionHost, "committer" | "startsSettled">;
  readonly #runId: string;
  readonly #epoch: number;
  #lastSeq: number;
  #characters: number;
  #inFlight: TakenAppend | undefined;
  #enlisted = false;
  #parkAsked = false;
  #open = true;
  #gone = false;
  /** Transactions that wait until nothing is on its way into the history, by the positions of their steps. */
  readonly #awaitingTurn: { readonly position: number; readonly grant: (granted: boolean) => void }[] = [];
  #turnWasLast = false;

  constructor(
    owner: WriteOwner,
    { runId, epoch, history, characters }: ClaimedExecution,
    slot: ExecutionSlot,
    host: Pick<ExecutionHost, "committer" | "startsSettled">,
  ) {
    this.#owner = owner;
    this.#runId = runId;
    this.#epoch = epoch;
    this.#lastSeq = history.at(-1)!.seq;
    this.#characters = characters;
    this.#slot = slot;
    this.#host = host;
  }

  /** Number of the last event that is recorded. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Of the data of all recorded events, as they are stored. */
  get characters(): number {
    return this.#characters;
  }

  /** What the fence compares. */
  get claim(): Pick<AppendOperation, "runId" | "epoch" | "expectedSeq"> {
    return { runId: this.#runId, epoch: this.#epoch, expectedSeq: this.#lastSeq };
  }

  /** Whether anything more may happen: its end is not being written, nor has it left this worker. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether nothing of it will be written here any more. */
  get isGone(): boolean {
    return this.#gone;
  }

  /** Whether nothing is on its way into the history, nor waits for that. */
  get isIdle(): boolean {
    return this.#inFlight === undefined && this.outbox.isEmpty;
  }

  /** Whether a transaction has its turn and has not said yet what it writes: what others write comes after that. */
  get isTurnTaken(): boolean {
    return this.#inFlight === nothingTaken;
  }

  get isParkAsked(): boolean {
    return this.#parkAsked;
  }

  /** Whether the reply to a park is awaited: somebody else may have claimed it already. */
  get isParking(): boolean {
    return this.#inFlight?.operation.after.kind === "park";
  }

  emit(event: Event, start?: StartOperation): void {
    if (!this.#open) return;
    this.outbox.add(event, start);
    this.enlist();
  }

  /** What is in the outbox goes with the next commit. */
  enlist(): void {
    if (this.#enlisted || this.#inFlight !== undefined) return;
    this.#enlisted = true;
    if (this.#open && !this.#parkAsked) this.#slot.work();
    this.#host.committer.enlist(this);
  }

  park(): void {
    this.#parkAsked = true;
    this.enlist();
  }

  /** How it ends is being written: nothing else happens any more. */
  close(): void {
    this.#open = false;
  }

  /** Its end is recorded, or others may write now. */
  leave(): void {
    this.#open = false;
    this.#gone = true;
  }

  /** What was not written never will be; slots kept for children that it would have started are free again. */
  forgetOutbox(): void {
    const starts = this.outbox.clear().flatMap(({ start }) => (start === undefined ? [] : [start]));
    if (starts.length > 0) this.#host.startsSettled(starts, "rejected");
  }

  /** The events of an append that is written, as they stand in the history. */
  record({ events }: TakenAppend, at: number): readonly RecordedEvent[] {
    const recorded: RecordedEvent[] = [];
    for (const { event, encoded } of events) {
      this.#characters += encoded.data.length;
      recorded.push({ seq: ++this.#lastSeq, at, epoch: this.#epoch, event });
    }
    return recorded;
  }

  // AppendSource

  take(): AppendOperation | undefined {
    this.#enlisted = false;
    if (this.#gone || this.#inFlight !== undefined) return undefined;
    const after = this.#owner.after();
    if (after === undefined) return undefined;
    this.#parkAsked = false;
    this.#turnWasLast = false;
    this.#inFlight = this.outbox.take(this.claim, after);
    return this.#inFlight.operation;
  }

  settle(outcome: AppendOutcome): void {
    const taken = this.#inFlight!;
    this.#inFlight = undefined;
    if (outcome.outcome === "rejected") this.#host.startsSettled(taken.operation.starts, "rejected");
    this.#owner.settled(taken, outcome);
  }

  fail(error: unknown): void {
    const taken = this.#inFlight;
    this.#inFlight = undefined;
    if (taken !== undefined) this.#host.startsSettled(taken.operation.starts, "rejected");
    this.#owner.failed(error);
  }

  // Turns

  /** Nothing is on its way now: the committer and transactions write in turns, so that neither waits for long while there is always more of the other. */
  goOn(): void {
    if (this.#inFlight !== undefined) return;
    const [next] = this.#awaitingTurn;
    const isTurn = this.#open && next !== undefined && (this.outbox.isEmpty || (!this.#turnWasLast && !this.outbox.mustStandBefore(next.position)));
    if (!isTurn) return !this.outbox.isEmpty || !this.#open ? this.enlist() : undefined;
    this.#awaitingTurn.shift();
    this.#inFlight = nothingTaken;
    next.grant(true);
  }

  /** For the transaction of the step at that position: waits until nothing is on its way, and keeps it so until the turn ends. Undefined: nothing will be written any more. */
  async takeTurn(position: number): Promise<Turn | undefined> {
    if (!this.#open) return undefined;
    if (this.isIdle) this.#inFlight = nothingTaken;
    else if (!(await new Promise<boolean>((grant) => this.#awaitingTurn.push({ position, grant })))) return undefined;
    this.#turnWasLast = true;
    return {
      append: (event) => {
        const encoded = { type: event.type, data: encodeEvent(event) };
        const operation: AppendOperation = { ...nothingTaken.operation, ...this.claim, events: [encoded] };
        this.#inFlight = { operation, events: [{ event, encoded }] };
        return operation;
      },
      settle: (outcome, before) => {
        if (outcome.outcome === "accepted") before();
        this.settle(outcome);
      },
      giveBack: () => {
        this.#inFlight = undefined;
        if (!this.#gone) this.goOn();
      },
    };
  }

  refuseTurns(): void {
    for (const { grant } of this.#awaitingTurn.splice(0)) grant(false);
  }
}
