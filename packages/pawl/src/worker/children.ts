import type { Logger } from "../base/logger.ts";
import { ExecutionConflict, ExecutionNotFound, StepNotStarted } from "../base/errors.ts";
import type { QueuePlace } from "../base/queue-place.ts";
import { toFailure } from "../base/values.ts";
import type { ChildCall } from "../kernel/call.ts";
import type { Event, RecordedEvent } from "../kernel/event.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { ChildMessage, Message, StartConflict, StartOperation } from "../store/operations.ts";
import type { ClaimedExecution, InboxMessage } from "../store/store.ts";
import type { ChildOutcomes } from "./child-outcomes.ts";
import { childStart } from "./child-start.ts";
import type { EndEvent } from "./end-event.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { HistoryWriter } from "./history-writer.ts";
import type { KnownMessages } from "./known-messages.ts";
import { OpenChildren } from "./open-children.ts";
import type { OpenCalls } from "./open-calls.ts";
import { untilAnswered } from "./until-answered.ts";
import type { WakeTimer } from "./wake-timer.ts";

/** The execution that has the children. */
export interface ParentExecution {
  readonly executionId: string;
  readonly runId: string;
  readonly traceparent: string | undefined;
  readonly log: Logger;
  /** When its time is over (database time, milliseconds). */
  readonly deadline: number | undefined;
  /** Takes what children would have told it. */
  hear(messages: readonly InboxMessage[]): void;
  /** It knows how its children are: it may wait for them now. */
  rest(): void;
  /** What has to be written now can be written by nobody here. */
  giveUp(error: unknown): void;
}

/**
 * The children of one execution: their starts, how they are where no message says so, and what they are told when their
 * parent is cancelled or ends.
 *
 * Owns: which of them are open and asked to cancel, which starts are on their way into the history, questions to the store.
 * Does not own: the messages of children (KnownMessages), what a call becomes (Replay).
 */
export class Children {
  readonly #parent: ParentExecution;
  readonly #place: QueuePlace;
  readonly #history: readonly RecordedEvent[];
  readonly #calls: OpenCalls;
  readonly #known: KnownMessages;
  readonly #writer: HistoryWriter;
  readonly #timer: WakeTimer;
  readonly #host: ExecutionHost;
  readonly #open: OpenChildren;
  /** Positions whose start is on its way into the history. */
  readonly #started = new Set<number>();
  /** Positions of steps on other queues that should have begun. */
  readonly #overdue = new Set<number>();
  #asking = 0;
  #telling = false;
  #told = false;

  constructor(
    parent: ParentExecution,
    { executionId, place, history }: ClaimedExecution,
    calls: OpenCalls,
    known: KnownMessages,
    writer: HistoryWriter,
    timer: WakeTimer,
    host: ExecutionHost,
  ) {
    this.#parent = parent;
    this.#place = place;
    this.#history = history;
    this.#calls = calls;
    this.#known = known;
    this.#writer = writer;
    this.#timer = timer;
    this.#host = host;
    this.#open = new OpenChildren(executionId);
  }

  /** Whether the store is asked how some are, or told of a cancel request: the execution must not park before that is done. */
  get isAsking(): boolean {
    return this.#asking > 0;
  }

  /** Takes notice of a recorded event. */
  note(event: Event): void {
    this.#open.note(event);
  }

  // Starting

  /** Starts the child of a call; has the call fail if nobody has begun it in time. */
  advance(call: ChildCall): void {
    const { position } = call;
    if (call.runId !== undefined) return this.#advanceStarted(call);
    if (this.#started.has(position)) return;
    this.#started.add(position);
    const { executionId, runId, deadline, traceparent } = this.#parent;
    const shielded = call.remote !== undefined && call.shielded ? { shielded: true as const } : {};
    const start = childStart(call, { executionId, runId, position, ...shielded }, this.#place, deadline, traceparent, this.#host);
    const { parentClosePolicy } = start;
    const policy = parentClosePolicy === undefined ? {} : { parentClosePolicy };
    this.#writer.emit({ type: "ChildStarted", position, workflow: start.workflow, executionId: start.executionId, runId: start.runId, ...policy }, start);
  }

  /** A step on another queue that should have begun by now. */
  #advanceStarted(call: ChildCall): void {
    if (call.startBy === undefined || this.#overdue.has(call.position)) return;
    if (call.startBy > this.#host.now()) return this.#timer.arm();
    this.#overdue.add(call.position);
    void this.#beforeParking(() => this.#failUnlessBegun(call));
  }

  async #failUnlessBegun(call: ChildCall): Promise<void> {
    const { pending } = await this.#outcomes([call]);
    call.startBy = undefined;
    if (this.#writer.isGone || call.settled || !pending.includes(call)) return;
    const { position } = call;
    const { name, taskQueue, scheduleToStartMs } = call.remote!;
    if (!this.#known.takesResult(position)) return;
    this.cancel(call.runId!);
    const failure = toFailure(new StepNotStarted(name, taskQueue, scheduleToStartMs!));
    this.#writer.emit({ type: "StepFailed", position, name, attempt: 1, failure });
  }

  /**
   * The ids that some children should have are taken. If one was started by this very call, in an earlier run that got further
   * than this one's prefix, it is the child, and may have ended meanwhile. Otherwise the call fails.
   */
  startsConflicted(conflicts: readonly StartConflict[], starts: readonly StartOperation[]): void {
    for (const { runId, existing } of conflicts) {
      const { parentPosition, executionId } = starts.find((start) => start.runId === runId)!;
      const position = parentPosition!;
      if (existing.parentRunId === this.#parent.runId && existing.parentPosition === position) {
        const call = this.#calls.get(position);
        if (call?.kind === "child" && isTerminal(existing.state)) void this.#beforeParking(() => this.#ask([call]));
      } else this.#isNotMine(position, new ExecutionConflict(executionId, "was not started by this call"));
    }
  }

  #isNotMine(position: number, error: ExecutionConflict | ExecutionNotFound): void {
    // The answer may be late: a child that has ended since has told so itself.
    if (!this.#known.takesResult(position)) return;
    this.#writer.emit({ type: "ChildFailed", position, state: "failed", failure: toFailure(error) });
  }

  // Asking

  /** Asks for children whose end may never be told. */
  askForUnsure(): void {
    const unsure = this.#unsure();
    if (unsure.length > 0) void this.#beforeParking(() => this.#ask(unsure));
  }

  /**
   * Between the end of a run and its resume, messages had nowhere to go. And a start recorded by the very last commit of the
   * claim before may have found its id taken: that was only known afterwards.
   */
  #unsure(): readonly ChildCall[] {
    const children = [...this.#calls.values()].filter((call): call is ChildCall => call.kind === "child" && call.runId !== undefined);
    if (children.length === 0) return children;
    if (this.#history.some(({ event }) => event.type === "ExecutionResumed")) return children;
    const last = this.#history.findLast(({ event, epoch }) => epoch > 0 && event.type !== "WorkerLost");
    const inLast = new Set(this.#history.flatMap(({ event, at }) => (event.type === "ChildStarted" && at === last?.at ? [event.position] : [])));
    return children.filter(({ position }) => inLast.has(position));
  }

  async #ask(children: readonly ChildCall[]): Promise<void> {
    const { messages, foreign, missing } = await this.#outcomes(children);
    if (this.#writer.isGone) return;
    for (const call of foreign) if (!call.settled) this.#isNotMine(call.position, new ExecutionConflict(call.executionId, "was not started by this call"));
    for (const call of missing) if (!call.settled) this.#isNotMine(call.position, new ExecutionNotFound(call.executionId));
    this.#parent.hear(messages);
  }

  #outcomes(children: readonly ChildCall[]): Promise<ChildOutcomes> {
    return this.#untilAnswered(() => this.#host.childOutcomes(this.#parent.runId, children));
  }

  #untilAnswered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return untilAnswered(ask, this.#parent, this.#writer, this.#host);
  }

  /** Has the store say or do something that must be known or done before the execution parks. */
  async #beforeParking(work: () => Promise<void>): Promise<void> {
    this.#asking++;
    try {
      await work();
    } catch (error) {
      // The store is closing, or another worker owns it; whoever claims it next asks again.
      this.#host.failed(this.#parent, error);
    } finally {
      this.#asking--;
    }
    this.#parent.rest();
  }

  // Telling

  /** A cancel request rejected the call, or its parent ends: a child that is not started is not, one that is goes the way of its policy. */
  abandon(call: ChildCall): void {
    if (call.runId !== undefined) return this.cancel(call.runId);
    const start = this.#writer.outbox.withdraw(call.position);
    if (start !== undefined) this.#host.startsSettled([start], "rejected");
  }

  /** Of children that are not on their way into the history, only those are started that may outlive their parent. */
  abandonUnstarted(): void {
    for (const call of this.#calls.values()) {
      if (call.kind === "child" && call.runId === undefined && call.options.parentClosePolicy !== "abandon") this.abandon(call);
    }
  }

  cancel(runId: string): void {
    const message = this.#open.cancelled(runId);
    if (message === undefined) return;
    this.#writer.outbox.send(message);
    this.#writer.enlist();
  }

  /** Messages to children are written. A child may be in another run than the one this history names: a request to cancel follows it there. */
  follow(messages: readonly Message[]): void {
    const cancelled = messages.flatMap(({ toRunId, type }) => (type === "CancelRequested" ? this.#open.cancelledLater(toRunId) : []));
    if (cancelled.length > 0) void this.#beforeParking(() => this.#untilAnswered(() => this.#host.tellChildren(this.#parent.runId, cancelled)));
  }

  /**
   * Whether the children that an end leaves behind were told; if not, they are being told, and the writer asks again. A child
   * may have gone on in another run than the one this history names, where a message to that run does not reach it: they are told by their ids.
   */
  areTold(end: EndEvent): boolean {
    if (this.#telling) return false;
    if (this.#told || end.state === "quarantined" || end.next !== undefined) return true;
    // Only now are all its children known: the last of them may just have been started.
    const messages = this.#open.parentEnded(end.state);
    if (messages.length > 0) void this.#tell(messages);
    return !this.#telling;
  }

  async #tell(messages: readonly ChildMessage[]): Promise<void> {
    this.#telling = true;
    try {
      await this.#host.tellChildren(this.#parent.runId, messages);
      this.#told = true;
    } catch (error) {
      // The store is closing; whoever claims it next tells them.
      return this.#parent.giveUp(error);
    } finally {
      this.#telling = false;
    }
    if (!this.#writer.isGone) this.#writer.enlist();
  }
}
