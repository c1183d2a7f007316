import { ExecutionCancelled, ExecutionConflict } from "../base/errors.ts";
import { toFailure } from "../base/failure.ts";
import { newUuid } from "../base/ids.ts";
import { encodeValue } from "../base/values.ts";
import { parseInput } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { Call, ChildCall, StepCall, TimerCall } from "../kernel/call.ts";
import { decodeEvent, encodeEvent } from "../kernel/event-codec.ts";
import type { Event, ExecutionStarted, RecordedEvent } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import { Replay, type CodeOutcome, type ReplayHost } from "../kernel/replay.ts";
import { decideRetry } from "../kernel/retry.ts";
import type { AppendSource } from "../store/committer.ts";
import type { After, AppendOperation, AppendOutcome, Message, NewEvent, StartOperation } from "../store/operations.ts";
import type { ClaimedExecution, Inbox } from "../store/store.ts";
import { endEvent, type EndEvent } from "./end-event.ts";
import type { ExecutionHost } from "./execution-host.ts";
import { StepAttempt, type AttemptOutcome } from "./step-attempt.ts";

/** Waits shorter than this stay in memory: parking costs a commit, a claim and a replay. */
const lingerForTimerMs = 250;
/** While children run, their parent stays in memory for so long after the last news. */
const lingerForChildrenMs = 1000;
/** A step that runs longer than this is announced. */
export const announceAfterMs = 250;

interface OutgoingEvent {
  readonly event: Event;
  readonly encoded: NewEvent;
}

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
export class ActiveExecution implements AppendSource, ReplayHost {
  readonly runId: string;
  readonly executionId: string;
  readonly epoch: number;
  readonly #claimed: ClaimedExecution;
  readonly #host: ExecutionHost;
  readonly #replay: Replay;
  #lastSeq: number;
  #seenInbox = 0;
  /** Recorded, not yet applied. */
  readonly #toApply: RecordedEvent[];
  #pumping = false;
  #live = false;
  #codeOutcome: CodeOutcome | undefined;
  /** Not yet recorded. */
  #outgoing: OutgoingEvent[] = [];
  #starts: StartOperation[] = [];
  #messages: Message[] = [];
  #consumed: string[] = [];
  readonly #knownMessages = new Set<string>();
  #parkRequested = false;
  #inFlight: { readonly operation: AppendOperation; readonly events: readonly OutgoingEvent[] } | undefined;
  #enlisted = false;
  #end: EndEvent | undefined;
  #gone = false;
  readonly #attempts = new Map<number, StepAttempt>();
  /** Positions whose start (timer or child) is on its way into the history. */
  readonly #requested = new Set<number>();
  #wakeTimer: NodeJS.Timeout | undefined;
  #lastNews = performance.now();

  constructor(claimed: ClaimedExecution, workflow: AnyWorkflow, host: ExecutionHost) {
    this.runId = claimed.runId;
    this.executionId = claimed.executionId;
    this.epoch = claimed.epoch;
    this.#claimed = claimed;
    this.#host = host;
    this.#lastSeq = claimed.history.at(-1)!.seq;
    this.#toApply = claimed.history.slice(1);
    // The seed outlives a resume, which changes the run id: a resumed run replays with the numbers of the first.
    this.#replay = new Replay(workflow, claimed, claimed.executionId, this);
  }

  begin(inbox: Inbox | undefined): void {
    if (inbox !== undefined) this.receive(inbox);
    // A fresh execution has nothing to replay: what its code asks for may start at once.
    this.#live = this.#toApply.length === 0 && this.#outgoing.length === 0;
    const started = this.#claimed.history[0]!;
    this.#replay.nowMs = started.at;
    const input = readPayload((started.event as ExecutionStarted).input);
    const { workflow } = this.#replay;
    if (workflow.input === undefined) {
      this.#replay.start(input);
      this.#schedulePump();
      return;
    }
    parseInput(workflow, input).then(
      (parsed) => {
        if (this.#gone) return;
        this.#replay.start(parsed);
        this.#schedulePump();
      },
      (error: unknown) => this.#finish({ outcome: "threw", error }),
    );
  }

  /** Whether it holds a slot: it is running code or steps, or writing. Waiting needs none. */
  get isBusy(): boolean {
    return !this.#isWaiting();
  }

  /** Messages that have arrived, with the counter that covers them. */
  receive(inbox: Inbox): void {
    if (this.#gone || this.#end !== undefined) return;
    this.#seenInbox = Math.max(this.#seenInbox, inbox.inboxSeq);
    for (const message of inbox.messages) {
      if (this.#knownMessages.has(message.messageId)) continue;
      this.#knownMessages.add(message.messageId);
      this.#consumed.push(message.messageId);
      const event = decodeEvent(message.type, message.data);
      this.#outgoing.push({ event, encoded: message });
    }
    this.#lastNews = performance.now();
    if (this.#outgoing.length > 0 || this.#consumed.length > 0) this.#enlist();
    else if (this.#live) this.#rest();
  }

  /** Another claim owns it, or the worker is going: stop at once, write nothing more. */
  drop(reason: unknown): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#wakeTimer);
    for (const attempt of this.#attempts.values()) attempt.abort(reason);
    this.#attempts.clear();
    this.#host.gone(this, "dropped");
  }

  /** Announces attempts that have been running for a while. */
  announceLongSteps(now: number): void {
    if (this.#gone) return;
    for (const attempt of this.#attempts.values()) {
      if (attempt.announced || now - attempt.startedAt < announceAfterMs) continue;
      attempt.announced = true;
      this.#emit({ type: "StepStarted", position: attempt.call.position, name: attempt.call.name, attempt: attempt.attempt });
    }
  }

  /** Steps that waited for a valid lease may go on. */
  resumeSteps(): void {
    if (this.#live && !this.#gone) for (const call of this.#replay.open.values()) this.#advance(call);
  }

  // ReplayHost

  called(call: Call): void {
    if (this.#live) this.#advance(call);
  }

  abandoned(call: Call): void {
    if (call.kind === "step") {
      this.#attempts.get(call.position)?.abort(new ExecutionCancelled(this.executionId, this.#replay.cancelRequested?.reason));
      this.#attempts.delete(call.position);
    } else if (call.kind === "child" && call.runId !== undefined) {
      // Asked in the same way as from outside; the child's own code decides how it ends.
      this.#messages.push({ toRunId: call.runId, messageId: "cancel", type: "CancelRequested", data: JSON.stringify({ reason: `its parent ${this.executionId} was cancelled` }) });
      this.#enlist();
    }
  }

  ended(outcome: CodeOutcome): void {
    if (this.#gone) return;
    this.#codeOutcome = outcome;
    if (this.#live && this.#toApply.length === 0) this.#finish(outcome);
  }

  // AppendSource

  take(): AppendOperation | undefined {
    this.#enlisted = false;
    if (this.#gone || this.#inFlight !== undefined) return undefined;
    const nothing = this.#outgoing.length === 0 && this.#starts.length === 0 && this.#messages.length === 0 && this.#consumed.length === 0;
    if (nothing && this.#parkRequested && !this.#isWaiting()) this.#parkRequested = false;
    if (nothing && this.#end === undefined && !this.#parkRequested) return undefined;
    const events = this.#outgoing;
    let after: After = { kind: "keep" };
    if (this.#end !== undefined) after = { kind: "end", state: this.#end.state };
    else if (nothing) after = { kind: "park", wakeAt: this.#nextWake() ?? null, seenInbox: this.#seenInbox, waitingFor: this.#waitingFor() };
    this.#parkRequested = false;
    const operation: AppendOperation = {
      runId: this.runId,
      epoch: this.epoch,
      expectedSeq: this.#lastSeq,
      events: events.map(({ encoded }) => encoded),
      progress: nothing || events.some(({ event }) => event.type !== "StepStarted"),
      after,
      starts: this.#starts,
      messages: this.#messages,
      consumed: this.#consumed,
    };
    this.#outgoing = [];
    this.#starts = [];
    this.#messages = [];
    this.#consumed = [];
    this.#inFlight = { operation, events };
    return operation;
  }

  settle(outcome: AppendOutcome): void {
    const { operation, events } = this.#inFlight!;
    this.#inFlight = undefined;
    if (outcome.outcome === "rejected") {
      this.#host.startsSettled(operation.starts, "rejected");
      this.#host.rejected(this);
      return this.drop(new ExecutionCancelled(this.executionId, "another worker owns it now"));
    }
    this.#host.observe(outcome.at);
    this.#lastNews = performance.now();
    this.#host.startsSettled(operation.starts, outcome);
    if (operation.messages.length > 0) this.#host.messagesSent(operation.messages.map(({ toRunId }) => toRunId));
    if (this.#gone) return;
    if (operation.after.kind === "end") {
      this.#gone = true;
      clearTimeout(this.#wakeTimer);
      this.#host.ended(this, this.#end!);
      return this.#host.gone(this, "ended");
    }
    if (operation.after.kind === "park") {
      if (outcome.parked) {
        this.#gone = true;
        clearTimeout(this.#wakeTimer);
        return this.#host.gone(this, "parked");
      }
      // A message arrived first.
      this.#host.wantsInbox(this);
    }
    for (const { event } of events) this.#toApply.push({ seq: ++this.#lastSeq, at: outcome.at, epoch: this.epoch, event });
    for (const conflict of outcome.conflicts) this.#childConflict(operation.starts.find(({ runId }) => runId === conflict.runId)!, conflict.existing.parentRunId);
    if (this.#outgoing.length > 0 || this.#end !== undefined || this.#messages.length > 0) this.#enlist();
    // The reply came in a turn of its own: its first event may be applied right here.
    if (!this.#pumping) this.#pump();
  }

  fail(error: unknown): void {
    this.#inFlight = undefined;
    this.#host.failed(this, error);
    this.drop(error);
  }

  // Delivery

  #schedulePump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** Applies events up to the first that settles a call; the rest follow after the microtask queue has drained (A1). */
  #pump(): void {
    if (this.#gone || this.#end !== undefined) return;
    try {
      for (;;) {
        const next = this.#toApply.shift();
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
      if (this.#outgoing.length > 0 || this.#inFlight !== undefined) return;
      this.#live = true;
      for (const call of this.#replay.open.values()) this.#advance(call);
      if (this.#wasResumed()) void this.#recoverChildren();
    }
    this.#rest();
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
    if (call.settled || this.#gone || this.#end !== undefined) return;
    switch (call.kind) {
      case "step":
        return this.#advanceStep(call);
      case "timer":
        return this.#advanceTimer(call);
      case "child":
        return this.#advanceChild(call);
    }
  }

  #advanceStep(call: StepCall): void {
    if (this.#attempts.has(call.position) || this.#requested.has(call.position)) return;
    if (call.retryAt !== undefined && call.retryAt > this.#host.now()) return this.#armWakeTimer();
    // Without a valid lease someone else may be running it; the worker calls again when the lease is back.
    if (!this.#host.mayStartSteps()) return;
    const attempt = new StepAttempt(call, this.executionId, (ended, outcome) => this.#attemptEnded(ended, outcome));
    this.#attempts.set(call.position, attempt);
    attempt.run();
  }

  #attemptEnded(attempt: StepAttempt, outcome: AttemptOutcome): void {
    const { call } = attempt;
    this.#attempts.delete(call.position);
    if (this.#gone || call.settled) return;
    const { position, name } = call;
    let failed = outcome.ok ? undefined : outcome.error;
    if (outcome.ok) {
      try {
        const text = encodeValue(outcome.value, "result");
        this.#requested.add(position);
        return this.#emit({ type: "StepCompleted", position, name, attempt: attempt.attempt, result: { text } });
      } catch (error) {
        failed = error;
      }
    }
    const failure = toFailure(failed);
    const decision = outcome.ok ? ({ retry: false } as const) : decideRetry(call.retry, call.failures + 1, failure, this.#host.random());
    this.#requested.add(position);
    if (!decision.retry) return this.#emit({ type: "StepFailed", position, name, attempt: attempt.attempt, failure });
    this.#emit({ type: "StepAttemptFailed", position, name, attempt: attempt.attempt, failure, retryInMs: decision.inMs, ...heartbeatOf(attempt) });
  }

  #advanceTimer(call: TimerCall): void {
    if (call.fireAt === undefined) {
      if (this.#requested.has(call.position)) return;
      this.#requested.add(call.position);
      return this.#emit({ type: "TimerStarted", position: call.position, durationMs: call.durationMs });
    }
    if (this.#requested.has(-call.position)) return;
    if (call.fireAt > this.#host.now()) return this.#armWakeTimer();
    this.#requested.add(-call.position);
    this.#emit({ type: "TimerFired", position: call.position });
  }

  #advanceChild(call: ChildCall): void {
    if (call.runId !== undefined || this.#requested.has(call.position)) return;
    this.#requested.add(call.position);
    const { workflow, executionId, position } = call;
    const runId = newUuid();
    const taskQueue = call.options.taskQueue ?? workflow.taskQueue;
    const parent = { executionId: this.executionId, runId: this.runId, position };
    this.#starts.push({
      runId,
      namespace: this.#host.namespace,
      executionId,
      workflow: workflow.name,
      version: workflow.version,
      taskQueue,
      idempotencyKey: null,
      parentRunId: this.runId,
      parentPosition: position,
      delayMs: 0,
      claimBy: this.#host.reserveSlot(runId, workflow, taskQueue),
      started: encodeEvent({ type: "ExecutionStarted", parent, input: { text: call.input } }),
    });
    this.#emit({ type: "ChildStarted", position, workflow: workflow.name, executionId, runId });
  }

  /** The id a child should have is taken. If the other one is not ours, the call fails. */
  #childConflict(start: StartOperation, existingParent: string | null): void {
    if (existingParent === this.runId) return;
    const failure = toFailure(new ExecutionConflict(start.executionId, "was not started by this call"));
    this.#emit({ type: "ChildFailed", position: start.parentPosition!, state: "failed", failure });
  }

  #wasResumed(): boolean {
    return this.#claimed.history.some(({ event }) => event.type === "ExecutionResumed");
  }

  /** Between the end of the last run and this one, messages of children had nowhere to go: ask how they ended. */
  async #recoverChildren(): Promise<void> {
    const children = [...this.#replay.open.values()].filter((call): call is ChildCall => call.kind === "child" && call.runId !== undefined);
    if (children.length === 0) return;
    const messages = await this.#host.childOutcomes(children);
    if (messages.length > 0) this.receive({ runId: this.runId, inboxSeq: this.#seenInbox, messages });
  }

  // Writing

  #emit(event: Event): void {
    if (this.#gone || this.#end !== undefined) return;
    this.#outgoing.push({ event, encoded: { type: event.type, data: encodeEvent(event) } });
    this.#enlist();
  }

  #enlist(): void {
    if (this.#enlisted || this.#inFlight !== undefined) return;
    this.#enlisted = true;
    this.#host.committer.enlist(this);
  }

  /** The code has ended, or cannot go on: write how. */
  #finish(outcome: CodeOutcome): void {
    if (this.#gone || this.#end !== undefined) return;
    this.#end = endEvent(outcome, this.executionId, this.#replay.cancelRequested);
    for (const attempt of this.#attempts.values()) attempt.abort(new ExecutionCancelled(this.executionId, "its workflow has ended"));
    this.#attempts.clear();
    clearTimeout(this.#wakeTimer);
    this.#outgoing.push({ event: this.#end.event, encoded: { type: this.#end.event.type, data: encodeEvent(this.#end.event) } });
    const { parentRunId, parentPosition } = this.#claimed;
    if (parentRunId !== null && this.#end.toParent !== undefined) {
      const event = this.#end.toParent(parentPosition!);
      this.#messages.push({ toRunId: parentRunId, messageId: `child:${parentPosition}`, type: event.type, data: encodeEvent(event) });
    }
    this.#enlist();
  }

  // Waiting

  #isWaiting(): boolean {
    return (
      this.#live &&
      this.#end === undefined &&
      this.#attempts.size === 0 &&
      this.#outgoing.length === 0 &&
      this.#inFlight === undefined &&
      this.#toApply.length === 0 &&
      this.#replay.open.size > 0
    );
  }

  /** Nothing to do for now: keep waiting in memory for a moment, or park. */
  #rest(): void {
    if (this.#gone || !this.#isWaiting()) return;
    this.#host.resting(this);
    const wakeAt = this.#nextWake();
    if (wakeAt !== undefined) {
      if (wakeAt - this.#host.now() <= lingerForTimerMs) return this.#armWakeTimer();
    }
    if (!this.#host.mayStartSteps() && [...this.#replay.open.values()].some((call) => call.kind === "step" && call.retryAt === undefined)) return;
    const waitsForChild = [...this.#replay.open.values()].some((call) => call.kind === "child");
    const lingered = performance.now() - this.#lastNews;
    if (waitsForChild && lingered < lingerForChildrenMs) {
      clearTimeout(this.#wakeTimer);
      this.#wakeTimer = setTimeout(() => this.#rest(), Math.min(lingerForChildrenMs - lingered + 1, wakeAt === undefined ? Infinity : Math.max(1, wakeAt - this.#host.now())));
      return;
    }
    this.#parkRequested = true;
    this.#enlist();
  }

  #nextWake(): number | undefined {
    let earliest: number | undefined;
    for (const call of this.#replay.open.values()) {
      const due = call.kind === "timer" ? call.fireAt : call.kind === "step" ? call.retryAt : undefined;
      if (due !== undefined && (earliest === undefined || due < earliest)) earliest = due;
    }
    return earliest;
  }

  #armWakeTimer(): void {
    clearTimeout(this.#wakeTimer);
    const wakeAt = this.#nextWake();
    if (wakeAt === undefined) return;
    const waitMs = Math.min(Math.max(0, Math.ceil(wakeAt - this.#host.now())), 2 ** 31 - 1);
    this.#wakeTimer = setTimeout(() => {
      for (const call of this.#replay.open.values()) if (call.kind !== "child") this.#advance(call);
      this.#rest();
    }, waitMs);
  }

  #waitingFor(): string {
    const open = [...this.#replay.open.values()];
    const parts: string[] = [];
    const timers = open.filter((call) => call.kind === "timer").length;
    const retries = open.filter((call): call is StepCall => call.kind === "step");
    const children = open.filter((call): call is ChildCall => call.kind === "child");
    if (timers > 0) parts.push(timers === 1 ? "a timer" : `${timers} timers`);
    if (retries.length > 0) parts.push(`the next attempt of ${retries.map(({ name }) => `"${name}"`).slice(0, 3).join(", ")}`);
    if (children.length > 0) parts.push(children.length === 1 ? `child ${children[0]!.executionId}` : `${children.length} children`);
    return parts.join(" and ");
  }
}

function heartbeatOf(attempt: StepAttempt): { heartbeat?: { text: string } } {
  if (attempt.lastHeartbeat === undefined) return {};
  try {
    return { heartbeat: { text: encodeValue(attempt.lastHeartbeat.details, "heartbeat") } };
  } catch {
    // Details that cannot be stored are not worth failing a retry for.
    return {};
  }
}
