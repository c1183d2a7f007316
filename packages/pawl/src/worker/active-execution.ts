import { Closed, ExecutionCancelled, ExecutionConflict, ExecutionNotFound, StepNotStarted } from "../base/errors.ts";
import { loggerOf, type Logger } from "../base/logger.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { Timer } from "../base/runtime.ts";
import { toFailure } from "../base/values.ts";
import { parseInput } from "../definition/schema.ts";
import type { StepContext } from "../definition/context.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { Call, ChildCall, StepCall, StreamCall, TimerCall, TransactionCall, ValueCall, WaitCall } from "../kernel/call.ts";
import { decodeEvent, encodeEvent } from "../kernel/event-codec.ts";
import { isFromOutside, lineage } from "../kernel/continuation.ts";
import { deadlineOf } from "../kernel/deadline.ts";
import type { ContinuationLink, Event, ExecutionStarted, RecordedEvent } from "../kernel/event.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import { inputOf } from "../kernel/merged-input.ts";
import type { UpdateReply } from "../kernel/mailbox.ts";
import { seedsOf } from "../kernel/seed.ts";
import { Replay, type CodeOutcome, type ReplayHost } from "../kernel/replay.ts";
import type { After, AppendOutcome, ChildMessage, ExistingExecution, StartOperation } from "../store/operations.ts";
import type { ClaimedExecution, Inbox } from "../store/store.ts";
import { childStart } from "./child-start.ts";
import { continuedAsNew, endEvent, terminated, timedOut, type EndEvent } from "./end-event.ts";
import type { ExecutionHost } from "./execution-host.ts";
import { ExecutionSlot } from "./execution-slot.ts";
import { HistoryWriter, type WriteOwner } from "./history-writer.ts";
import { nextStarted } from "./next-run.ts";
import { KnownMessages } from "./known-messages.ts";
import { describeWait, nextWake, waitsForMessage } from "./open-calls.ts";
import { PauseRequest } from "./pause-request.ts";
import { OpenChildren } from "./open-children.ts";
import type { TakenAppend } from "./outbox.ts";
import { deadlineOf as stepDeadlineOf, type StepAttempt, type StepOwner } from "./step-attempt.ts";
import { StepRunner, tooLate, type StepEvent } from "./step-runner.ts";
import { StreamWriter } from "./stream-writer.ts";
import { runTransaction } from "./transaction-runner.ts";

/** Waits shorter than this stay in memory: parking costs a commit, a claim and a replay. */
const lingerForTimerMs = 250;
/** While it waits for children or messages, an execution stays in memory for so long after the last news. */
const lingerForNewsMs = 1000;

/** Above so many characters of chunks on their way, steps wait before they write more. */
const mostWaitingCharacters = 1024 * 1024;

/** Node's timers take no more. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * One execution that this worker has claimed: replays its history, then runs what its code asks for and writes what happens.
 *
 * Owns: the claim (epoch, last seq), the events on their way into the history, running attempts, the wake timer.
 * Does not own: positions and delivery (Replay), batching (Committer), slots (Worker).
 *
 * A1: events reach the code only after they are durable, one at a time, the microtask queue drained after each that settles
 *     a call. Live and replayed code therefore see the same order.
 * A2: nothing is started before the whole known history has been applied.
 * A3: after a rejected write nothing more is written and every attempt is aborted.
 */
export class ActiveExecution implements WriteOwner, ReplayHost, StepOwner {
  readonly runId: string;
  readonly executionId: string;
  readonly epoch: number;
  readonly workflow: string;
  readonly #claimed: ClaimedExecution;
  readonly #host: ExecutionHost;
  readonly #replay: Replay;
  #seenInbox = 0;
  /** Recorded; those from `#applied` on are not yet applied. An array of 50,000 would be moved by every `shift`. */
  readonly #toApply: RecordedEvent[];
  #applied = 0;
  #pumping = false;
  #live = false;
  #codeOutcome: CodeOutcome | undefined;
  /** Whether the code has been called: not before its input is parsed. */
  #started = false;
  readonly #slot: ExecutionSlot;
  readonly #writer: HistoryWriter;
  #tellingChildren = false;
  #childrenTold = false;
  readonly #known: KnownMessages;
  #end: EndEvent | undefined;
  readonly #children: OpenChildren;
  readonly #steps: StepRunner;
  /** Made when something is first written to a stream. */
  #streams: StreamWriter | undefined;
  /** Steps that wait until there is room for more chunks. */
  #awaitingRoom: (() => void)[] = [];
  /** Positions whose start (timer or child) is on its way into the history. */
  readonly #requested = new Set<number>();
  /** Updates whose reply is on its way into the history. */
  readonly #replied = new Set<string>();
  #wakeTimer: Timer | undefined;
  #waking = false;
  #announcingWaits = false;
  /** Asks how children are, so many times: it must not park before it knows. */
  #askingForChildren = 0;
  #lastNews: number;
  readonly #continuedFrom: ContinuationLink | undefined;
  /** When it ends as timed out (database time, milliseconds). */
  readonly #deadline: number | undefined;
  #deadlineTimer: Timer | undefined;
  /** While it is asked to pause, nothing begins and nothing is delivered. */
  readonly #pause = new PauseRequest();

  constructor(claimed: ClaimedExecution, workflow: AnyWorkflow, host: ExecutionHost) {
    this.runId = claimed.runId;
    this.executionId = claimed.executionId;
    this.epoch = claimed.epoch;
    this.workflow = claimed.workflow;
    this.#claimed = claimed;
    this.#host = host;
    this.#lastNews = host.runtime.monotonicMs();
    this.#slot = new ExecutionSlot(this, host);
    this.#writer = new HistoryWriter(this, claimed, this.#slot, host);
    this.#toApply = claimed.history.slice(1);
    this.#deadline = deadlineOf(claimed.history);
    const started = claimed.history[0]!;
    this.#continuedFrom = (started.event as ExecutionStarted).continuedFrom;
    this.#known = new KnownMessages(this.#continuedFrom?.messages ?? []);
    this.#children = new OpenChildren(claimed.executionId);
    for (const { event } of this.#toApply) {
      this.#known.tells(event);
      this.#children.note(event);
    }
    this.#steps = new StepRunner(this, host.runtime, (event) => this.#stepped(event));
    this.#replay = new Replay(workflow, claimed, seedsOf(host.namespace, claimed.executionId, claimed.history), this);
  }

  get logger(): Logger {
    return this.#host.logger;
  }

  get telemetry(): Telemetry | undefined {
    return this.#host.telemetry;
  }

  get traceparent(): string | undefined {
    return (this.#claimed.history[0]!.event as ExecutionStarted).traceparent;
  }

  get version(): string {
    return this.#claimed.version;
  }

  get lineage(): string {
    return lineage(this.executionId, this.#continuedFrom);
  }

  begin(inbox: Inbox | undefined): void {
    if (this.#watchDeadline() || this.#isTooLong(this.#writer.lastSeq)) return;
    if (inbox !== undefined) this.receive(inbox);
    // A fresh execution has nothing to replay: what its code asks for may start at once.
    this.#live = this.#toApply.length === 0 && this.#writer.outbox.isEmpty;
    this.#replay.begin(this.#claimed.history);
    const input = inputOf(this.#claimed.history);
    const { workflow } = this.#replay;
    const start = (parsed: unknown): void => {
      if (!this.#writer.isOpen) return;
      this.#started = true;
      this.#replay.start(parsed);
      this.#schedulePump();
    };
    this.#pause.whenNotAsked(() => {
      if (workflow.input === undefined) return start(input);
      parseInput(workflow, input).then(start, (error: unknown) => this.#finish({ outcome: "threw", error }));
    });
  }

  /** All messages that are in the inbox, with the counter that covers them. */
  receive(inbox: Inbox): void {
    this.#take(inbox, () => this.#heedPause(inbox));
  }

  #take(inbox: Inbox, thenFirst?: () => void): void {
    if (!this.#writer.isOpen) return;
    this.#seenInbox = Math.max(this.#seenInbox, inbox.inboxSeq);
    for (const message of inbox.messages) {
      if (message.type === "PauseRequested") continue;
      if (!this.#known.read(message)) continue;
      const event = decodeEvent(message.type, message.data);
      // Its parent has ended. The inbox goes with its own end.
      if (event.type === "ExecutionTerminated") return this.#endWith(terminated(this.executionId, event));
      if (this.#known.tells(event)) this.#writer.outbox.discard(message.messageId);
      else this.#writer.outbox.addMessage(message, event);
    }
    this.#lastNews = this.#host.runtime.monotonicMs();
    thenFirst?.();
    if (!this.#writer.outbox.isEmpty) this.#writer.enlist();
    else if (this.#live) this.#rest();
    else this.#tryPause();
  }

  // Pausing

  /** It is asked to pause, or not any more. Once it is to be cancelled, it is not paused. */
  #heedPause({ messages }: Inbox): void {
    const request = messages.find(({ type }) => type === "PauseRequested");
    if (request !== undefined && this.#known.isCancelRequested) {
      if (this.#pause.refuse()) this.#writer.outbox.discard(request.messageId);
    } else if (request !== undefined) return this.#pause.ask(request.data);
    if (!this.#pause.isAsked) return;
    this.#pause.withdraw();
    this.#schedulePump();
    if (this.#live) for (const call of this.#replay.open.values()) this.#advance(call);
  }

  /** Pauses when every attempt that was running has ended and all that happened is recorded. */
  #tryPause(): void {
    if (!this.#pause.isAsked || !this.#writer.isOpen || !this.#writer.isIdle || this.#steps.running > 0) return;
    void this.#carryOutPause({ ...this.#writer.claim, seenInbox: this.#seenInbox });
  }

  async #carryOutPause(operation: Parameters<PauseRequest["carryOut"]>[0]): Promise<void> {
    const outcome = await this.#pause.carryOut(operation, (pause) => this.#host.pause(this, pause));
    if (this.#writer.isGone || outcome === "under way") return;
    if (outcome === "paused") return this.#leave();
    // A message came first, or the store is closing.
    this.#host.wantsInbox(this);
    if (!this.#writer.outbox.isEmpty || this.#end !== undefined) this.#writer.enlist();
  }

  /** It is parked or paused: nothing of it is left here. */
  #leave(): void {
    this.#writer.leave();
    this.#wakeTimer?.clear();
    this.#deadlineTimer?.clear();
    this.#host.gone(this);
  }

  /** Another claim owns it, or the worker is going: stop at once, write nothing more. */
  drop(reason: unknown): void {
    if (this.#writer.isGone) return;
    this.#writer.leave();
    this.#wakeTimer?.clear();
    this.#deadlineTimer?.clear();
    this.#steps.abortAll(reason);
    this.#writer.forgetOutbox();
    this.#makeRoom();
    this.#writer.refuseTurns();
    this.#host.gone(this);
  }

  /** Announces steps that have been running for a while. */
  announceLongSteps(): void {
    if (!this.#writer.isGone) this.#steps.announceLong();
  }

  /** The answer to a query, from the state as it is now; undefined while the history is still being applied. @throws what the workflow's function throws */
  query(name: string, argument: unknown): { readonly value: unknown } | undefined {
    return this.#live ? { value: this.#replay.mailbox.query(name, argument) } : undefined;
  }

  /** What waited for a valid lease may go on. */
  resumeSteps(): void {
    if (this.#live && !this.#writer.isGone) this.#wake();
  }

  // ReplayHost

  called(call: Call): void {
    if (this.#live) this.#advance(call);
  }

  abandoned(call: Call): void {
    if (call.kind === "step") this.#steps.abort(call.position, new ExecutionCancelled(this.executionId, this.#replay.cancelRequested?.reason));
    else if (call.kind === "child") this.#abandonChild(call);
  }

  #abandonChild(call: ChildCall): void {
    if (call.runId !== undefined) return this.orphaned(call.runId);
    const start = this.#writer.outbox.withdraw(call.position);
    if (start !== undefined) this.#host.startsSettled([start], "rejected");
  }

  orphaned(childRunId: string): void {
    const message = this.#children.cancelled(childRunId);
    if (message === undefined) return;
    this.#writer.outbox.send(message);
    this.#writer.enlist();
  }

  /**
   * A child may have gone on in another run than the one this history names, where a message to that run does not reach it. So
   * the end waits until every child that it leaves behind was told by its id.
   */
  async #tellChildren(messages: readonly ChildMessage[]): Promise<void> {
    this.#tellingChildren = true;
    try {
      await this.#host.tellChildren(this.runId, messages);
      this.#childrenTold = true;
    } catch (error) {
      // The store is closing; whoever claims it next tells them.
      if (!this.#writer.isGone) this.#host.failed(this, error);
      return this.drop(error);
    } finally {
      this.#tellingChildren = false;
    }
    if (!this.#writer.isGone) this.#writer.enlist();
  }

  replied(reply: UpdateReply): void {
    if (this.#live) this.#reply(reply);
  }

  /** What is said before the history that was there has been applied was said before. */
  logged(level: "info" | "warn" | "error", message: string): void {
    if (this.#writer.isGone || this.#replay.historyLength < this.#claimed.history.length) return;
    const { executionId, runId, workflow } = this;
    loggerOf(this.logger, { executionId, runId, workflow })[level](message);
  }

  patched(patchId: string): void {
    this.#writer.emit({ type: "PatchMarked", patchId });
  }

  ended(outcome: CodeOutcome): void {
    if (this.#writer.isGone) return;
    this.#codeOutcome = outcome;
    if (this.#live && this.#toApply.length === 0) this.#finish(outcome);
    else if (outcome.outcome === "continued") this.#schedulePump();
  }

  // WriteOwner

  after(): After | undefined {
    if (this.#pause.isUnderWay) return undefined;
    if (this.#end !== undefined) {
      if (this.#tellingChildren) return undefined;
      if (!this.#childrenTold && this.#end.state !== "quarantined" && this.#end.next === undefined) {
        // Only now are all its children known: the last of them may just have been started.
        const messages = this.#children.parentEnded(this.#end.state);
        if (messages.length > 0) return void this.#tellChildren(messages);
      }
      return this.#afterEnd(this.#end);
    }
    if (!this.#writer.outbox.isEmpty) return { kind: "keep" };
    if (!this.#writer.isParkAsked || !this.#isWaiting() || this.#pause.isAsked) return undefined;
    return { kind: "park", wakeAt: this.#nextWake() ?? null, seenInbox: this.#seenInbox, waitingFor: describeWait(this.#replay.open) };
  }

  settled(taken: TakenAppend, outcome: AppendOutcome): void {
    const { operation, events } = taken;
    if (outcome.outcome === "rejected") {
      this.#host.rejected(this);
      return this.drop(new ExecutionCancelled(this.executionId, "another worker owns it now"));
    }
    this.#host.observe(outcome.at);
    this.#lastNews = this.#host.runtime.monotonicMs();
    if (operation.progress) this.#host.progressed(this);
    this.#host.startsSettled(operation.starts, outcome);
    if (
      events.some(({ event }) => event.type === "UpdateCompleted" || event.type === "UpdateRejected" || event.type === "ValueSet") ||
      operation.chunks !== undefined
    )
      this.#host.news(this);
    if (this.#awaitingRoom.length > 0) this.#makeRoom();
    if (operation.messages.length > 0) this.#host.messagesSent(operation.messages.map(({ toRunId }) => toRunId));
    if (this.#writer.isGone) return;
    if (operation.after.kind === "end" || operation.after.kind === "continue") {
      this.#writer.leave();
      this.#wakeTimer?.clear();
      this.#host.telemetry?.ended(this, { state: this.#end!.state, startedAt: this.#claimed.history[0]!.at, endedAt: outcome.at });
      if (operation.after.kind === "end") this.#host.ended(this, this.#end!);
      else this.#host.continued(this);
      return this.#host.gone(this);
    }
    if (operation.after.kind === "park") {
      if (outcome.parked) return this.#leave();
      // A message arrived first. What became due meanwhile starts now.
      this.#host.wantsInbox(this);
      this.#wake();
    }
    for (const recorded of this.#writer.record(taken, outcome.at)) {
      this.#children.note(recorded.event);
      this.#toApply.push(recorded);
    }
    for (const { runId, existing } of outcome.conflicts)
      this.#childConflict(
        operation.starts.find((start) => start.runId === runId)!,
        existing,
      );
    if (this.#isTooLong(operation.expectedSeq)) return;
    this.#writer.goOn();
    // The reply came in a turn of its own: its first event may be applied right here.
    if (!this.#pumping) this.#pump();
  }

  failed(error: unknown): void {
    if (error instanceof Closed || this.#end !== undefined) {
      this.#host.failed(this, error);
      return this.drop(error);
    }
    // What it wanted to write cannot be stored; that it failed can.
    this.#writer.forgetOutbox();
    this.#finish({ outcome: "threw", error });
  }

  /** @param before how many events its history had before the last commit */
  #isTooLong(before: number): boolean {
    const { historyLimit, logger } = this.#host;
    const { lastSeq, characters } = this.#writer;
    if (historyLimit.isToWarn(before, lastSeq))
      logger.warn(`execution ${this.executionId}: its history has ${lastSeq} events; let it continue as new (ctx.continueAsNew) before it reaches the limit`);
    if (this.#end !== undefined || !historyLimit.isReached(lastSeq, characters)) return false;
    this.#finish({ outcome: "threw", error: historyLimit.error(this.executionId, lastSeq, characters) });
    return true;
  }

  // Delivery

  #schedulePump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#host.runtime.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Applies events up to the first that settles a call; the rest follow after the microtask queue has drained (A1). */
  #pump(): void {
    if (!this.#writer.isOpen) return;
    if (this.#pause.isAsked) return this.#tryPause();
    if (!this.#started) return;
    // What stands behind that in the history its code had not heard of when it asked for the next run.
    if (this.#codeOutcome?.outcome === "continued") return this.#finish(this.#codeOutcome);
    try {
      for (;;) {
        if (this.#replay.settleWaits()) return this.#schedulePump();
        const next = this.#nextToApply();
        if (next === undefined) break;
        const settled = this.#replay.apply(next);
        if (settled) return this.#schedulePump();
        if (this.#live) this.#advanceFor(next.event);
      }
    } catch (error) {
      return this.#finish({ outcome: "threw", error });
    }
    if (this.#codeOutcome !== undefined) return this.#finish(this.#codeOutcome);
    if (!this.#live) {
      // Messages that were waiting come first: a cancel request must reach the code before anything is started.
      if (!this.#writer.isIdle) return;
      this.#live = true;
      for (const reply of this.#replay.mailbox.replies.values()) this.#reply(reply);
      for (const call of this.#replay.open.values()) this.#advance(call);
      const unsure = this.#unsureChildren();
      if (unsure.length > 0) void this.#askForChildren(unsure);
    }
    this.#rest();
  }

  #nextToApply(): RecordedEvent | undefined {
    const next = this.#toApply[this.#applied];
    if (next === undefined) return undefined;
    if (++this.#applied === this.#toApply.length) {
      this.#toApply.length = 0;
      this.#applied = 0;
    }
    return next;
  }

  // Starting what the code asked for

  #advanceFor(event: Event): void {
    if (!("position" in event)) return;
    if (event.type === "StepAttemptFailed") this.#requested.delete(event.position);
    const call = this.#replay.open.get(event.position);
    if (call !== undefined) this.#advance(call);
  }

  /** Does the next thing for an open call, as far as its record allows; harmless when there is nothing to do. */
  #advance(call: Call): void {
    if (call.settled || !this.#writer.isOpen || this.#writer.isParking || this.#pause.isAsked) return;
    switch (call.kind) {
      case "step":
        return this.#advanceStep(call);
      case "timer":
        return this.#advanceTimer(call);
      case "child":
        return this.#advanceChild(call);
      case "wait":
        return this.#advanceWait(call);
      case "value":
        return this.#advanceValue(call);
      case "attributes":
        if (this.#requested.has(call.position)) return;
        this.#requested.add(call.position);
        return this.#writer.emit({ type: "AttributesSet", position: call.position, attributes: call.changes });
      case "stream":
        return this.#advanceStream(call);
    }
  }

  #advanceStep(call: StepCall): void {
    if (this.#steps.isRunning(call.position) || this.#requested.has(call.position)) return;
    if (call.retryAt !== undefined && call.retryAt > this.#host.now()) return this.#armWakeTimer();
    // Without a valid lease someone else may be running it; the worker calls again when the lease is back.
    if (!this.#host.mayStartSteps()) return;
    this.#slot.work();
    // Others have all the slots; the worker calls when there is one for it.
    if (!this.#slot.isHeld) return;
    const deadline = stepDeadlineOf(call);
    if (deadline !== undefined && deadline <= this.#host.now()) return this.#stepped(tooLate(call, call.lastAttempt + 1));
    // It is no longer waited for: a due time left standing would wake the execution without end.
    call.retryAt = undefined;
    this.#steps.start(call);
  }

  #stepped(event: StepEvent): void {
    if (event.type !== "StepStarted") this.#requested.add(event.position);
    this.#writer.emit(event);
  }

  #advanceTimer(call: TimerCall): void {
    if (call.fireAt === undefined) {
      if (this.#requested.has(call.position)) return;
      this.#requested.add(call.position);
      return this.#writer.emit({ type: "TimerStarted", position: call.position, durationMs: call.durationMs });
    }
    if (this.#requested.has(-call.position)) return;
    if (call.fireAt > this.#host.now()) return this.#armWakeTimer();
    this.#requested.add(-call.position);
    this.#writer.emit({ type: "TimerFired", position: call.position });
  }

  #advanceWait(call: WaitCall): void {
    const { position, signal, timeoutMs } = call;
    if (!call.started) {
      // Without a timeout it is recorded only when there is nothing else to do: most waits are short and leave no trace.
      if (this.#requested.has(position) || (timeoutMs === undefined && !this.#announcingWaits)) return;
      this.#requested.add(position);
      const named = signal === undefined ? {} : { signal };
      return this.#writer.emit({ type: "WaitStarted", position, ...named, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    }
    if (call.fireAt === undefined || this.#requested.has(-position)) return;
    if (call.fireAt > this.#host.now()) return this.#armWakeTimer();
    this.#requested.add(-position);
    this.#writer.emit({ type: "WaitTimedOut", position });
  }

  #advanceValue({ position, key, value }: ValueCall): void {
    if (this.#requested.has(position)) return;
    this.#requested.add(position);
    this.#writer.emit({ type: "ValueSet", position, key, value: { text: value } });
  }

  now(): number {
    return this.#host.now();
  }

  // Streams

  get #streamWriter(): StreamWriter {
    const isFresh = this.epoch === 1 && this.#claimed.history.length === 1;
    return (this.#streams ??= new StreamWriter(this.executionId, isFresh, (stream) => this.#host.streamEnd(this.executionId, stream)));
  }

  #advanceStream({ position, stream, data }: StreamCall): void {
    if (this.#requested.has(position)) return;
    this.#requested.add(position);
    const writer = this.#streamWriter;
    const written = writer.whenKnown(stream, () => {
      if (!this.#writer.isOpen) return;
      const chunk = writer.next(stream, undefined, data);
      const event = { type: "StreamWritten", position, stream, offset: chunk.offset } as const;
      this.#writer.outbox.addWritten(data === null ? { ...event, closed: true } : event, chunk);
      this.#writer.enlist();
    });
    // The store is closing; whoever claims it next writes it.
    written?.catch((error: unknown) => this.#host.failed(this, error));
  }

  write(attempt: StepAttempt, stream: string, data: string): ReturnType<StepOwner["write"]> {
    const writer = this.#streamWriter;
    const taken = writer.whenKnown(stream, () => {
      if (!this.#writer.isOpen) return;
      const chunk = writer.next(stream, { position: attempt.call.position, attempt: attempt.attempt }, data);
      // Recorded with its first chunk, the attempt's number is never given to another attempt.
      this.#steps.announce(attempt);
      this.#writer.outbox.addChunk(chunk);
      this.#writer.enlist();
    });
    const isFull = this.#writer.outbox.waitingCharacters > mostWaitingCharacters && !this.#writer.isGone;
    return { taken, room: isFull ? new Promise((resolve) => this.#awaitingRoom.push(resolve)) : undefined };
  }

  // Transactions

  transact(attempt: StepAttempt, transaction: TransactionCall, context: StepContext): Promise<unknown> {
    const { transactions, runtime } = this.#host;
    const owner = { transactions, runtime, takeTurn: () => this.#writer.takeTurn() };
    return runTransaction(attempt, transaction, context, owner, () => {
      this.#requested.add(attempt.call.position);
      this.#steps.finish(attempt);
    });
  }

  #makeRoom(): void {
    if (this.#writer.outbox.waitingCharacters > mostWaitingCharacters && !this.#writer.isGone) return;
    for (const resolve of this.#awaitingRoom.splice(0)) resolve();
  }

  #reply(reply: UpdateReply): void {
    if (this.#replied.has(reply.updateId)) return;
    this.#replied.add(reply.updateId);
    this.#writer.emit(reply);
  }

  #advanceChild(call: ChildCall): void {
    if (call.runId !== undefined) return this.#advanceStarted(call);
    if (this.#requested.has(call.position)) return;
    this.#requested.add(call.position);
    const { position } = call;
    const start = childStart(call, { executionId: this.executionId, runId: this.runId, position }, this.#deadline, this.traceparent, this.#host);
    const { parentClosePolicy } = start;
    const policy = parentClosePolicy === undefined ? {} : { parentClosePolicy };
    this.#writer.emit({ type: "ChildStarted", position, workflow: start.workflow, executionId: start.executionId, runId: start.runId, ...policy }, start);
  }

  /** A step on another queue that should have begun by now. */
  #advanceStarted(call: ChildCall): void {
    if (call.startBy === undefined || this.#requested.has(-call.position)) return;
    if (call.startBy > this.#host.now()) return this.#armWakeTimer();
    this.#requested.add(-call.position);
    void this.#failUnlessBegun(call);
  }

  async #failUnlessBegun(call: ChildCall): Promise<void> {
    this.#askingForChildren++;
    try {
      const { pending } = await this.#host.childOutcomes(this.runId, [call]);
      call.startBy = undefined;
      if (this.#writer.isGone || call.settled || !pending.includes(call)) return;
      const { position } = call;
      const { name, taskQueue, scheduleToStartMs } = call.remote!;
      this.#known.hasResult(position);
      this.orphaned(call.runId!);
      this.#writer.emit({ type: "StepFailed", position, name, attempt: 1, failure: toFailure(new StepNotStarted(name, taskQueue, scheduleToStartMs!)) });
    } catch (error) {
      // The store is closing; whoever claims it next asks again.
      this.#host.failed(this, error);
    } finally {
      this.#askingForChildren--;
      this.#rest();
    }
  }

  /**
   * The id a child should have is taken. If it was started by this very call, in an earlier run that got further than this
   * one's prefix, it is the child, and may have ended meanwhile. Otherwise the call fails.
   */
  #childConflict(start: StartOperation, existing: ExistingExecution): void {
    const position = start.parentPosition!;
    if (existing.parentRunId === this.runId && existing.parentPosition === position) {
      const call = this.#replay.open.get(position);
      if (call?.kind === "child" && isTerminal(existing.state)) void this.#askForChildren([call]);
      return;
    }
    this.#notMyChild(position, new ExecutionConflict(start.executionId, "was not started by this call"));
  }

  #notMyChild(position: number, error: ExecutionConflict | ExecutionNotFound): void {
    this.#known.hasResult(position);
    this.#writer.emit({ type: "ChildFailed", position, state: "failed", failure: toFailure(error) });
  }

  /**
   * Children whose end may never be told. Between the end of a run and its resume, messages had nowhere to go. And a start
   * recorded by the very last commit of the claim before may have found its id taken: that was only known afterwards.
   */
  #unsureChildren(): readonly ChildCall[] {
    const children = [...this.#replay.open.values()].filter((call): call is ChildCall => call.kind === "child" && call.runId !== undefined);
    if (children.length === 0) return children;
    const { history } = this.#claimed;
    if (history.some(({ event }) => event.type === "ExecutionResumed")) return children;
    const last = history.findLast(({ event, epoch }) => epoch > 0 && event.type !== "WorkerLost");
    const inLast = new Set(history.flatMap(({ event, at }) => (event.type === "ChildStarted" && at === last?.at ? [event.position] : [])));
    return children.filter(({ position }) => inLast.has(position));
  }

  async #askForChildren(children: readonly ChildCall[]): Promise<void> {
    this.#askingForChildren++;
    try {
      const { messages, foreign, missing } = await this.#host.childOutcomes(this.runId, children);
      if (this.#writer.isGone) return;
      for (const call of foreign) if (!call.settled) this.#notMyChild(call.position, new ExecutionConflict(call.executionId, "was not started by this call"));
      for (const call of missing) if (!call.settled) this.#notMyChild(call.position, new ExecutionNotFound(call.executionId));
      this.#take({ runId: this.runId, inboxSeq: this.#seenInbox, messages });
    } catch (error) {
      // The store is closing; whoever claims it next asks again.
      this.#host.failed(this, error);
    } finally {
      this.#askingForChildren--;
    }
    this.#rest();
  }

  /** Ends it as timed out if it is time, or comes again then. Gives whether it has ended it. */
  #watchDeadline(): boolean {
    if (this.#deadline === undefined || !this.#writer.isOpen) return false;
    const leftMs = this.#deadline - this.#host.now();
    if (leftMs <= 0) {
      const started = this.#claimed.history[0]!;
      this.#endWith(timedOut(this.executionId, Math.round(this.#deadline - started.at)));
      return true;
    }
    this.#deadlineTimer = this.#host.runtime.startTimer(Math.min(Math.ceil(leftMs), longestTimerMs), () => this.#watchDeadline());
    return false;
  }

  /** The code has ended, or cannot go on: write how. */
  #finish(outcome: CodeOutcome): void {
    if (!this.#writer.isOpen) return;
    // Writes to streams that nobody waited for come before the end.
    if (this.#streams?.isReading === true) return void this.#streams.idle().then(() => this.#finish(outcome));
    if (outcome.outcome !== "continued") return this.#endWith(endEvent(outcome, this.executionId, this.#replay.cancelRequested));
    // What it has not read stays in its inbox, which goes to the next run.
    for (const event of this.#writer.outbox.leaveMessages()) this.#known.leave(event);
    this.#endWith(continuedAsNew(outcome.next, this.#host.runtime.newUuid(), this.#claimed.version));
  }

  /** What the last append does. A run that continues is left in an append of its own, when all else is recorded. */
  #afterEnd(end: EndEvent): After {
    if (end.next === undefined) return { kind: "end", state: end.state };
    if (!this.#writer.outbox.isEmpty) return { kind: "keep" };
    this.#writer.outbox.add(end.event);
    const untaken = this.#replay.mailbox.untaken();
    const late = this.#toApply.slice(this.#applied).filter(({ event }) => isFromOutside(event));
    for (const { signalId } of untaken) this.#known.leaveSignal(signalId);
    for (const { event } of late) this.#known.leave(event);
    const received = [...untaken, ...late].map(({ seq }) => seq);
    const started = nextStarted({ ...end.next, history: this.#claimed.history, fromRunId: this.runId, deadline: this.#deadline, sentIds: this.#known.sentIds });
    return { kind: "continue", runId: end.next.runId, version: end.next.version, started, received };
  }

  #endWith(end: EndEvent): void {
    this.#end = end;
    this.#writer.close();
    this.#deadlineTimer?.clear();
    this.#writer.refuseTurns();
    if (this.#steps.running > 0) this.#steps.abortAll(new ExecutionCancelled(this.executionId, "its workflow has ended"));
    // Of children that are not on their way into the history, only those are started that may outlive this one.
    if (end.state !== "quarantined") {
      for (const call of this.#replay.open.values()) {
        if (call.kind === "child" && call.runId === undefined && call.options.parentClosePolicy !== "abandon") this.#abandonChild(call);
      }
    }
    this.#wakeTimer?.clear();
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

  #isWaiting(): boolean {
    return (
      this.#live &&
      this.#askingForChildren === 0 &&
      this.#streams?.isReading !== true &&
      this.#end === undefined &&
      this.#steps.running === 0 &&
      this.#writer.isIdle &&
      this.#toApply.length === 0 &&
      this.#replay.open.size > 0 &&
      !this.#hasStepToStart()
    );
  }

  /** One that waits for a slot or for the lease: nothing in the database would wake an execution that parked with it. */
  #hasStepToStart(): boolean {
    const now = this.#host.now();
    for (const call of this.#replay.open.values()) {
      if (call.kind === "step" && (call.retryAt === undefined || call.retryAt <= now) && !this.#requested.has(call.position)) return true;
    }
    return false;
  }

  /** The next timer, retry or wait, or its deadline if that comes first. */
  #nextWake(): number | undefined {
    const next = nextWake(this.#replay.open);
    return next === undefined || this.#deadline === undefined ? (next ?? this.#deadline) : Math.min(next, this.#deadline);
  }

  /** Records what it waits for. Nothing is on its way into the history now that could end a wait meanwhile. */
  #announceWaits(): void {
    this.#announcingWaits = true;
    for (const call of this.#replay.open.values()) if (call.kind === "wait" && !call.started) this.#advance(call);
    this.#announcingWaits = false;
  }

  /** Nothing to do for now: keep waiting in memory for a moment, or park. */
  #rest(): void {
    if (this.#pause.isAsked) return this.#tryPause();
    if (this.#writer.isGone || !this.#isWaiting()) return;
    this.#announceWaits();
    if (!this.#writer.outbox.isEmpty) return;
    // It does not wait for anything but a slot.
    if (!this.#slot.rest()) return;
    // Without a lease, or while the worker stops, nothing may be started; the worker calls when that has changed.
    if (!this.#host.mayStartSteps()) return;
    const { open } = this.#replay;
    const wakeAt = nextWake(open);
    const wakeInMs = wakeAt === undefined ? Number.POSITIVE_INFINITY : wakeAt - this.#host.now();
    if (wakeInMs <= lingerForTimerMs) return this.#armWakeTimer();
    const lingerMs = waitsForMessage(open) ? lingerForNewsMs - (this.#host.runtime.monotonicMs() - this.#lastNews) : 0;
    if (lingerMs > 0) {
      this.#wakeTimer?.clear();
      this.#wakeTimer = this.#host.runtime.startTimer(Math.max(1, Math.min(lingerMs, wakeInMs)), () => this.#wake());
      return;
    }
    this.#writer.park();
  }

  #armWakeTimer(after?: number): void {
    if (this.#waking) return;
    this.#wakeTimer?.clear();
    const wakeAt = nextWake(this.#replay.open, after);
    if (wakeAt === undefined) return;
    const waitMs = Math.max(0, Math.ceil(wakeAt - this.#host.now()));
    this.#wakeTimer = this.#host.runtime.startTimer(waitMs, () => this.#wake());
  }

  #wake(): void {
    const now = this.#host.now();
    this.#waking = true;
    for (const call of this.#replay.open.values()) if (call.kind !== "child" || call.startBy !== undefined) this.#advance(call);
    this.#waking = false;
    // What is due and could not be started waits for a slot or the lease, and the worker calls then: no timer is of use to it.
    this.#armWakeTimer(now);
    this.#rest();
  }
}
