import { ExecutionCancelled, NondeterminismDetected } from "../base/errors.ts";
import { loggerOf, type Logger } from "../base/logger.ts";
import type { Telemetry } from "../base/telemetry.ts";
import { withoutContext } from "../base/without-context.ts";
import { parseInput } from "../definition/schema.ts";
import type { StepContext } from "../definition/context.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { Call, StepCall, TransactionCall } from "../kernel/call.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import { isFromOutside } from "../kernel/continuation.ts";
import { deadlineOf, timeLimits } from "../kernel/deadline.ts";
import type { ContinuationLink, Event, ExecutionStarted, SignalReceived } from "../kernel/event.ts";
import { inputOf } from "../kernel/merged-input.ts";
import type { UpdateReply } from "../kernel/mailbox.ts";
import { seedsOf } from "../kernel/seed.ts";
import { stepKey } from "../kernel/step-key.ts";
import { Replay, type CodeOutcome, type ReplayHost } from "../kernel/replay.ts";
import { isAboutContent } from "../store/about-content.ts";
import type { After, AppendOutcome } from "../store/operations.ts";
import type { ClaimedExecution, Inbox, InboxMessage } from "../store/store.ts";
import { CallStarter } from "./call-starter.ts";
import { Children, type ParentExecution } from "./children.ts";
import { DeadlineWatch } from "./deadline-watch.ts";
import { Delivery, type DeliveryOwner } from "./delivery.ts";
import { continuedAsNew, endEvent, terminated, timedOut, type EndEvent } from "./end-event.ts";
import type { ExecutionHost } from "./execution-host.ts";
import { ExecutionSlot } from "./execution-slot.ts";
import { HistoryWriter, type WriteOwner } from "./history-writer.ts";
import { KnownMessages } from "./known-messages.ts";
import { nextStarted } from "./next-run.ts";
import type { TakenAppend } from "./outbox.ts";
import { OutgoingStreams } from "./outgoing-streams.ts";
import { Parking } from "./parking.ts";
import { PauseRequest } from "./pause-request.ts";
import type { StepAttempt, StepOwner } from "./step-attempt.ts";
import { StepRunner } from "./step-runner.ts";
import { runTransaction } from "./transaction-runner.ts";
import { WakeTimer } from "./wake-timer.ts";

const keep: After = { kind: "keep" };

const stuck =
  "its code waits for something that is no durable call, such as a promise of its own, an import, or I/O outside of a step: it keeps its slot, and a " +
  "replay may not find the same. Put that into a step, or wait with ctx.signal(), ctx.until() or ctx.sleep().";

/** Who started it did not have the schema, or it was another one then. */
const refused =
  "The execution was started with it, and fails. Fork it from 1 with an `input` that fits, or let the schema take this one and retry the execution.";

/** Of these, the last in a history says whether it is paused. */
const aboutPauses: ReadonlySet<Event["type"]> = new Set(["ExecutionPaused", "ExecutionUnpaused", "ExecutionResumed"]);

/**
 * One execution that this worker has claimed: replays its history, then runs what its code asks for and writes what happens.
 *
 * Owns: when it pauses, and how it ends.
 * Does not own: what it was told (KnownMessages), positions (Replay), when events reach the code (Delivery), what is on its way
 *   into the history (HistoryWriter), what its calls ask for (CallStarter), when it parks (Parking), slots (LocalExecutions).
 *
 * A1: events reach the code only after they are durable, one at a time, the microtask queue drained after each that settles
 *     a call. Live and replayed code therefore see the same order.
 * A2: nothing is started before the whole known history has been applied.
 * A3: after a rejected write nothing more is written and every attempt is aborted.
 */
export class ActiveExecution implements ReplayHost, DeliveryOwner, WriteOwner, StepOwner, ParentExecution {
  readonly runId: string;
  readonly executionId: string;
  readonly epoch: number;
  readonly workflow: string;
  readonly #claimed: ClaimedExecution;
  readonly #host: ExecutionHost;
  readonly #continuedFrom: ContinuationLink | undefined;
  readonly #deadline: DeadlineWatch;
  readonly #replay: Replay;
  readonly #delivery: Delivery;
  readonly #slot: ExecutionSlot;
  readonly #writer: HistoryWriter;
  readonly #known: KnownMessages;
  readonly #wakeTimer: WakeTimer;
  readonly #steps: StepRunner;
  readonly #streams: OutgoingStreams;
  readonly #children: Children;
  readonly #starter: CallStarter;
  readonly #parking: Parking;
  readonly #pause = new PauseRequest();
  /** Calls its code. It has not been called while it is held: no code is begun to be paused at once. */
  #code: (() => void) | undefined;
  /** Updates whose reply is on its way into the history. */
  readonly #replied = new Set<string>();
  #end: EndEvent | undefined;

  constructor(claimed: ClaimedExecution, workflow: AnyWorkflow, host: ExecutionHost) {
    this.runId = claimed.runId;
    this.executionId = claimed.executionId;
    this.epoch = claimed.epoch;
    this.workflow = claimed.workflow;
    this.#claimed = claimed;
    this.#host = host;
    this.#slot = new ExecutionSlot(this, host);
    this.#writer = new HistoryWriter(this, claimed, this.#slot, host);
    this.#deadline = new DeadlineWatch(deadlineOf(claimed.history), host, () => this.#timeOut());
    this.#continuedFrom = (claimed.history[0]!.event as ExecutionStarted).continuedFrom;
    this.#known = new KnownMessages(this.#continuedFrom?.messages ?? []);
    this.#replay = new Replay(workflow, claimed, seedsOf(host.namespace, claimed.executionId, claimed.history), this);
    const { open } = this.#replay;
    this.#delivery = new Delivery(this.#replay, claimed.history, host.runtime, this);
    this.#wakeTimer = new WakeTimer(open, host, () => this.#wake());
    this.#steps = new StepRunner(this, this.#writer, this.#slot, this.#wakeTimer, host);
    this.#streams = new OutgoingStreams(this, claimed, this.#writer, this.#steps, host);
    this.#children = new Children(this, claimed, open, this.#known, this.#writer, this.#wakeTimer, host);
    const runners = { steps: this.#steps, streams: this.#streams, children: this.#children };
    this.#starter = new CallStarter(open, runners, this.#writer, (call) => this.#mayBegin(call), this.#wakeTimer, host);
    this.#parking = new Parking(open, this.#delivery, this.#writer, this.#starter, this.#slot, this.#wakeTimer, this.#deadline, host);
    for (const { event } of claimed.history) {
      this.#known.tells(event);
      this.#children.note(event);
      // The code may end, or go wrong, before it comes to where an answer stands.
      if (event.type === "UpdateCompleted" || event.type === "UpdateRejected") this.#replied.add(event.updateId);
    }
  }

  get logger(): Logger {
    return this.#host.logger;
  }

  /** Its lines say that they are about this run. */
  get log(): Logger {
    const { executionId, runId, workflow, logger } = this;
    return loggerOf(logger, { executionId, runId, workflow });
  }

  get telemetry(): Telemetry | undefined {
    return this.#host.telemetry;
  }

  get namespace(): string {
    return this.#host.namespace;
  }

  get traceparent(): string | undefined {
    return (this.#claimed.history[0]!.event as ExecutionStarted).traceparent;
  }

  get version(): string {
    return this.#claimed.version;
  }

  get deadline(): number | undefined {
    return this.#deadline.at;
  }

  keyOf(call: StepCall): string {
    return stepKey(this, this.#claimed.history[0]!.event as ExecutionStarted, call);
  }

  begin(inbox: Inbox | undefined): void {
    if (this.#deadline.begin() || this.#isTooLong(this.#writer.lastSeq)) return;
    if (inbox !== undefined) this.receive(inbox);
    if (this.#wasOverWhilePaused()) return this.#timeOut();
    // A fresh execution has nothing to replay: what its code asks for may start at once.
    if (this.#delivery.isDone && this.#writer.outbox.isEmpty) this.#delivery.goLive();
    this.#replay.begin(this.#claimed.history);
    const input = inputOf(this.#claimed.history);
    const { workflow } = this.#replay;
    const start = (parsed: unknown): void => {
      // It may have been held while the schema was asked.
      if (this.#writer.isOpen) this.#beginCode(() => this.#delivery.start(parsed));
    };
    this.#beginCode(() => {
      if (workflow.input === undefined) return this.#delivery.start(input);
      parseInput(workflow, input, refused).then(start, (error: unknown) => this.finish({ outcome: "threw", error }));
    });
  }

  #beginCode(code: () => void): void {
    this.#code = code;
    if (this.#isHeld) this.#tryLeave();
    else this.#callCode();
  }

  #callCode(): void {
    const code = this.#code;
    this.#code = undefined;
    // This may be the caller of a start, whom no replay has again.
    if (code !== undefined) withoutContext(code);
  }

  /** All messages that are in the inbox, with the counter that covers them. */
  receive(inbox: Inbox): void {
    this.#take(inbox, () => this.#heedPause(inbox));
  }

  #take(inbox: Omit<Inbox, "runId">, thenFirst?: () => void): void {
    if (!this.#writer.isOpen) return;
    const wasHeld = this.#isHeld;
    const last = this.#known.take(inbox, this.#writer.outbox, this.deadline);
    if (last?.type === "ExecutionTerminated") return this.#endWith(terminated(this.executionId, last));
    if (last !== undefined) return this.#timeOut();
    // Inboxes are looked into once a second whether or not there is anything: who waits would never park.
    if (inbox.messages.length > 0) this.#parking.heardNews();
    thenFirst?.();
    if (wasHeld) this.heedPauses();
    if (!this.#writer.outbox.isEmpty) this.#writer.enlist();
    else if (this.#delivery.isLive) this.rest();
    else this.#tryLeave();
  }

  // StepOwner

  now(): number {
    return this.#host.now();
  }

  write(attempt: StepAttempt, stream: string, data: string): ReturnType<StepOwner["write"]> {
    return this.#streams.write(attempt, stream, data);
  }

  transact(attempt: StepAttempt, transaction: TransactionCall, context: StepContext): Promise<unknown> {
    const { transactions, runtime } = this.#host;
    const owner = { transactions, runtime, holdsLease: () => this.#host.holdsLease(), takeTurn: () => this.#writer.takeTurn(attempt.call.position) };
    return runTransaction(attempt, transaction, context, owner, () => this.#steps.finish(attempt));
  }

  // ParentExecution

  hear(messages: readonly InboxMessage[]): void {
    this.#take({ inboxSeq: this.#known.seenInbox, messages });
  }

  giveUp(error: unknown): void {
    if (!this.#writer.isGone) this.#host.failed(this, error);
    this.drop(error);
  }

  // Pausing

  /** While it is held, nothing begins and nothing is delivered. Who is to be cancelled is not: it cleans up, whatever is paused. */
  get #isHeld(): boolean {
    if (this.#pause.isUnderWay) return true;
    return !this.#known.isCancelRequested && (this.#pause.isAsked || this.#host.isPaused(this.#claimed));
  }

  /** It is asked to pause, or not any more. Once it is to be cancelled, it is not paused. */
  #heedPause({ messages }: Inbox): void {
    const request = messages.find(({ type }) => type === "PauseRequested");
    if (request !== undefined && this.#known.isCancelRequested) {
      if (this.#pause.refuse()) this.#writer.outbox.discard(request.messageId);
    } else if (request !== undefined) return this.#pause.ask(request.data);
    // While it is being carried out, the request may be gone because that is done.
    if (!this.#pause.isAsked || this.#pause.isUnderWay) return;
    this.#pause.withdraw();
  }

  /** What is paused has changed: it goes on, or leaves as soon as no step of it runs. */
  heedPauses(): void {
    if (!this.#writer.isOpen) return;
    if (this.#isHeld) return this.#tryLeave();
    this.#callCode();
    this.#delivery.schedule();
    if (this.#delivery.isLive) this.#starter.advanceAll();
  }

  /**
   * Nothing begins while the reply to a park is awaited, while it is held, or between a result and the cancel request that is
   * recorded behind it: that rejects whatever the code asks for meanwhile.
   */
  #mayBegin(call: Call): boolean {
    const isCancelled = this.#known.isCancelRequested && this.#replay.cancelRequested === undefined;
    return this.#writer.isOpen && !this.#writer.isParking && !this.#isHeld && (call.shielded || !isCancelled);
  }

  /** Held, it leaves when every attempt that was running has ended and all that happened is recorded: as one that is paused, or back into its queue. */
  #tryLeave(): void {
    if (!this.#isHeld || this.#pause.isUnderWay || !this.#writer.isOpen || !this.#writer.isIdle || this.#starter.isAtWork) return;
    if (this.#pause.isAsked) void this.#carryOutPause({ ...this.#writer.claim, seenInbox: this.#known.seenInbox });
    else this.#host.givesBack(this);
  }

  async #carryOutPause(operation: Parameters<PauseRequest["carryOut"]>[0]): Promise<void> {
    const outcome = await this.#pause.carryOut(operation, (pause) => this.#host.pause(this, pause));
    if (this.#writer.isGone || outcome === "under way") return;
    if (outcome === "paused") return this.#leave();
    // A message came first. What failed may do so for long: it is tried again with the next check.
    if (outcome === "not yet") this.#host.wantsInbox(this);
    // It heard of a cancel request meanwhile.
    if (!this.#isHeld) this.heedPauses();
    if (!this.#writer.outbox.isEmpty || this.#end !== undefined) this.#writer.enlist();
  }

  /** It is parked or paused: nothing of it is left here. */
  #leave(): void {
    this.#writer.leave();
    this.#wakeTimer.clear();
    this.#deadline.clear();
    this.#host.gone(this);
  }

  /** Another claim owns it, or the worker is going: stop at once, write nothing more. */
  drop(reason: unknown): void {
    if (this.#writer.isGone) return;
    this.#writer.leave();
    this.#wakeTimer.clear();
    this.#deadline.clear();
    this.#steps.abortAll(reason);
    this.#writer.forgetOutbox();
    this.#streams.makeRoom();
    this.#writer.refuseTurns();
    this.#host.gone(this);
  }

  /** Whether how it ends is being written. */
  get isEnding(): boolean {
    return this.#end !== undefined;
  }

  /** Announces steps that have been running for a while, and warns of code that waits for something else than a durable call. */
  keepWatch(): void {
    if (this.#writer.isGone) return;
    this.#steps.announceLong();
    if (this.#parking.findsStuck()) this.log.warn(stuck);
  }

  /** Records what its steps have said last, before it is dropped. @returns whether there was something to record */
  recordHeartbeats(): boolean {
    return this.#writer.isOpen && this.#steps.recordHeartbeats();
  }

  /**
   * The answer to a query, from the state as it is now; undefined while the history is still being applied, and while it leaves: somebody
   * else may be further already. @throws what the workflow's function throws
   */
  query(name: string, argument: unknown): { readonly value: unknown } | undefined {
    const isLeaving = this.#writer.isParking || this.#pause.isUnderWay;
    return this.#delivery.isLive && !isLeaving ? { value: this.#replay.mailbox.query(name, argument) } : undefined;
  }

  /** What waited for a valid lease may go on. */
  resumeSteps(): void {
    if (this.#delivery.isLive && !this.#writer.isGone) this.#wake();
  }

  // ReplayHost

  called(call: Call): void {
    if (this.#delivery.isLive) this.#starter.advance(call);
  }

  abandoned(call: Call): void {
    if (call.kind === "step") this.#steps.abort(call.position, new ExecutionCancelled(this.executionId, this.#replay.cancelRequested?.reason));
    else if (call.kind === "child") this.#children.abandon(call);
  }

  orphaned(childRunId: string): void {
    this.#children.cancel(childRunId);
  }

  replied(reply: UpdateReply): void {
    if (this.#delivery.isLive) this.#reply(reply);
  }

  /** What is said before the history that was there has been applied was said before. */
  logged(level: "info" | "warn" | "error", message: string): void {
    if (this.#writer.isGone || this.#replay.historyLength < this.#claimed.history.length) return;
    this.log[level](message);
  }

  /** Said by whoever records it: the sender may not have the definition, and had its acknowledgement. */
  unread({ name, signalId }: SignalReceived, why: string): void {
    if (this.#writer.isGone || this.#replay.historyLength <= this.#claimed.history.length) return;
    this.log.warn(`signal "${name}" (${signalId}): ${why}`);
  }

  patched(patchId: string): void {
    this.#writer.emit({ type: "PatchMarked", patchId });
  }

  ended(outcome: CodeOutcome): void {
    if (this.#writer.isGone) return;
    if (outcome.outcome === "continued" && this.#delivery.isLive) this.#starter.stop();
    this.#delivery.ended(outcome);
  }

  // DeliveryOwner

  mayDeliver(): boolean {
    if (!this.#isHeld) return this.#writer.isOpen;
    this.#tryLeave();
    return false;
  }

  delivered(event: Event): void {
    this.#starter.advanceAfter(event);
  }

  goLive(outcome: CodeOutcome | undefined): boolean {
    // What code that does not fit its history asks for is nothing to go by.
    if (outcome?.outcome === "threw" && outcome.error instanceof NondeterminismDetected) return true;
    // Messages that were waiting come first: a cancel request must reach the code before anything is started.
    if (!this.#writer.isIdle) return false;
    this.#delivery.goLive();
    for (const reply of this.#replay.mailbox.replies.values()) this.#reply(reply);
    if (outcome !== undefined) this.#starter.advanceUnawaited();
    else {
      this.#starter.advanceAll();
      this.#children.askForUnsure();
    }
    return true;
  }

  /** The code has ended, or cannot go on: write how. */
  finish(outcome: CodeOutcome): void {
    if (!this.#writer.isOpen) return;
    if (outcome.outcome === "continued" && !this.#delivery.isLive) this.#recordUnheard();
    // Writes to streams that nobody waited for come before the end.
    if (this.#streams.isReading) return void this.#streams.idle().then(() => this.finish(outcome));
    if (outcome.outcome !== "continued") return this.#endWith(endEvent(outcome, this.executionId, this.#replay.cancelRequested));
    // What it has not read stays in its inbox, which goes to the next run; but what ends a pause stands before what is done then.
    if (!this.#wasClaimedPaused) for (const event of this.#writer.outbox.leaveMessages()) this.#known.leave(event);
    this.#endWith(continuedAsNew(outcome.next, this.#host.runtime.newUuid(), this.#claimed.version));
  }

  /** The code asked for the next run while it was given what was there at first: what it asked for before is recorded, unless that has been done. */
  #recordUnheard(): void {
    const recorded = new Set(this.#delivery.rest.flatMap(({ event }) => ("position" in event ? [event.position] : [])));
    this.#delivery.goLive();
    this.#starter.advanceUnawaited(recorded);
    this.#starter.stop();
  }

  // WriteOwner

  after(): After | undefined {
    if (this.#pause.isUnderWay) return undefined;
    if (this.#end !== undefined) return this.#children.areTold(this.#end) ? this.#afterEnd(this.#end) : undefined;
    if (!this.#writer.outbox.isEmpty) return keep;
    // What is held has not been told all that it would go by: it would park without end.
    return this.#isHeld ? undefined : this.#parking.park(this.#known.seenInbox);
  }

  settled(taken: TakenAppend, outcome: AppendOutcome): void {
    const { operation, events } = taken;
    if (outcome.outcome === "rejected") {
      this.#host.rejected(this);
      return this.drop(new ExecutionCancelled(this.executionId, "another worker owns it now"));
    }
    this.#host.observe(outcome.at);
    this.#parking.heardNews();
    if (operation.progress) this.#host.progressed(this);
    this.#host.startsSettled(operation.starts, outcome);
    if (operation.chunks !== undefined || events.some(({ event }) => somebodyMayWaitFor(event))) this.#host.news(this);
    this.#streams.makeRoom();
    if (operation.messages.length > 0) this.#host.messagesSent(operation.messages.map(({ toRunId }) => toRunId));
    if (this.#writer.isGone) return;
    if (operation.after.kind === "end" || operation.after.kind === "continue") {
      // Whoever waits for something of this run looks at the next one from now on.
      if (operation.after.kind === "continue") this.#host.news(this);
      this.#writer.leave();
      this.#wakeTimer.clear();
      this.#host.telemetry?.ended(this, { state: this.#end!.state, startedAt: this.#claimed.history[0]!.at, endedAt: outcome.at });
      if (operation.after.kind === "end") this.#host.ended(this, this.#end!);
      return this.#host.gone(this);
    }
    if (operation.after.kind === "park") {
      if (outcome.parked) return this.#leave();
      // A message arrived first. What became due meanwhile starts now.
      this.#host.wantsInbox(this);
      this.#wake();
    }
    if (operation.messages.length > 0) this.#children.follow(operation.messages);
    for (const recorded of this.#writer.record(taken, outcome.at)) {
      this.#children.note(recorded.event);
      const { event, at } = recorded;
      if (event.type === "SignalReceived" && event.traceparent !== undefined)
        this.telemetry?.received(this, { name: event.name, sender: event.traceparent, at });
      this.#delivery.add(recorded);
    }
    this.#children.startsConflicted(outcome.conflicts, operation.starts);
    if (this.#isTooLong(operation.expectedSeq)) return;
    this.#writer.goOn();
    // The reply came in a turn of its own: its first event may be applied right here.
    this.#delivery.goOnNow();
  }

  failed(error: unknown): void {
    // What is wrong with the database is no fault of the execution: it is claimed again, and goes on when that is seen to.
    if (this.#end !== undefined || !isAboutContent(error)) {
      this.#host.failed(this, error);
      return this.drop(error);
    }
    // What it wanted to write cannot be stored; that it failed can.
    this.#writer.forgetOutbox();
    this.finish({ outcome: "threw", error });
  }

  /** @param before how many events its history had before the last commit */
  #isTooLong(before: number): boolean {
    const { lastSeq, characters } = this.#writer;
    const error = this.#host.historyLimit.check(this, before, { events: lastSeq, characters });
    if (error === undefined || this.#end !== undefined) return false;
    this.finish({ outcome: "threw", error });
    return true;
  }

  #reply(reply: UpdateReply): void {
    if (this.#replied.has(reply.updateId)) return;
    this.#replied.add(reply.updateId);
    this.#writer.emit(reply);
  }

  // Ending

  #timeOut(): void {
    if (this.#writer.isOpen) this.#endWith(timedOut(this.executionId, this.#deadline.at!, timeLimits(this.#claimed.history).timeoutFrom));
  }

  /** What is paused is claimed only to be cancelled, or when its time is over; the database's clock may have been set back since then. */
  #wasOverWhilePaused(): boolean {
    return this.#deadline.at !== undefined && !this.#known.isCancelRequested && this.#wasClaimedPaused;
  }

  get #wasClaimedPaused(): boolean {
    return this.#claimed.history.findLast(({ event }) => aboutPauses.has(event.type))?.event.type === "ExecutionPaused";
  }

  /** What the last append does. A run that continues is left in an append of its own, when all else is recorded. */
  #afterEnd(end: EndEvent): After {
    if (end.next === undefined) return { kind: "end", state: end.state };
    if (!this.#writer.outbox.isEmpty) return keep;
    this.#writer.outbox.add(end.event);
    const untaken = this.#replay.mailbox.untaken();
    const late = this.#delivery.rest.filter(({ event }) => isFromOutside(event));
    for (const { signalId } of untaken) this.#known.leaveSignal(signalId);
    for (const { event } of late) this.#known.leave(event);
    const received = [...untaken, ...late].map(({ seq }) => seq);
    const started = nextStarted({
      ...end.next,
      history: this.#claimed.history,
      fromRunId: this.runId,
      sentIds: this.#known.sentIds,
    });
    return { kind: "continue", runId: end.next.runId, version: end.next.version, started, received };
  }

  #endWith(end: EndEvent): void {
    this.#end = end;
    this.#writer.close();
    this.#deadline.clear();
    this.#writer.refuseTurns();
    if (this.#steps.running > 0) this.#steps.abortAll(new ExecutionCancelled(this.executionId, "its workflow has ended"));
    if (end.state !== "quarantined") this.#children.abandonUnstarted();
    this.#wakeTimer.clear();
    // Whoever sent an update is answered even if it was the last thing that happened.
    for (const reply of this.#replay.mailbox.replies.values()) if (!this.#replied.has(reply.updateId)) this.#writer.outbox.add(reply);
    if (end.next === undefined) this.#writer.outbox.add(end.event);
    const { parentRunId, parentPosition } = this.#claimed;
    if (parentRunId !== null && end.toParent !== undefined) {
      const event = end.toParent(parentPosition!);
      this.#writer.outbox.send({ toRunId: parentRunId, messageId: `child:${parentPosition}`, type: event.type, data: encodeEvent(event) });
    }
    this.#writer.enlist();
    // Whatever else it was doing needs no slot either.
    this.#slot.end();
  }

  // Waiting

  /** Nothing to do for now: keep waiting in memory for a moment, or park. */
  rest(): void {
    if (this.#isHeld) this.#tryLeave();
    else this.#parking.rest();
  }

  #wake(): void {
    this.#starter.advanceDue();
    this.rest();
  }
}

/** Others than its parent, who ask for it from outside. */
function somebodyMayWaitFor({ type }: Event): boolean {
  return type === "UpdateCompleted" || type === "UpdateRejected" || type === "ValueSet";
}
