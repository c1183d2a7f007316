import { Closed, ExecutionCancelled } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { ChildCall } from "../kernel/call.ts";
import { decodeEvent } from "../kernel/event-codec.ts";
import type { Committer } from "../store/committer.ts";
import type { AppendOutcome, ChildMessage, StartOperation } from "../store/operations.ts";
import { placeOf } from "../store/queue-place.ts";
import type { ClaimedExecution, Inbox, PauseOperation } from "../store/store.ts";
import type { TransactionStore } from "../store/transact.ts";
import { ActiveExecution } from "./active-execution.ts";
import { childOutcomes, type ChildOutcomes } from "./child-outcomes.ts";
import type { ClaimRules } from "./claim-rules.ts";
import { DatabaseClock } from "./database-clock.ts";
import type { EndEvent } from "./end-event.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { HistoryLimit } from "./history-limit.ts";
import { InboxReader } from "./inbox-reader.ts";
import type { QueueClaims } from "./queue-claims.ts";
import { Slots } from "./slots.ts";
import type { TaskPoller } from "./task-poller.ts";
import type { WorkerSettings } from "./worker-options.ts";
import type { WorkerParent } from "./worker-parent.ts";
import type { Worker } from "./worker.ts";

/**
 * The executions that are active in one worker, and all that they know of it.
 *
 * Owns: which they are, their slots, reading their inboxes, the clock they share.
 * Does not own: which tasks are claimed and when (WorkerClaims, TaskPoller), the lease.
 */
export class LocalExecutions implements ExecutionHost {
  readonly slots: Slots;
  readonly historyLimit: HistoryLimit;
  readonly #parent: WorkerParent;
  readonly #worker: Pick<Worker, "workerId" | "mayStartSteps" | "holdsLease" | "reserveSlot" | "giveBackSoon">;
  readonly #registry: WorkerSettings["registry"];
  readonly #rules: ClaimRules;
  readonly #queues: QueueClaims;
  readonly #poller: TaskPoller;
  readonly #onEnded: () => void;
  readonly #clock: DatabaseClock;
  readonly #inboxes: InboxReader;
  readonly #active = new Map<string, ActiveExecution>();
  /** Claimed by the very commit that started them. */
  readonly #startedHere = new Set<string>();
  /** The one execution here that may be killing its workers. */
  #suspect: string | undefined;
  #staleWrites = 0;
  #stopped = false;
  readonly #quiet: (() => void)[] = [];

  /** @param onEnded told when an execution has ended */
  constructor(
    parent: WorkerParent,
    worker: Pick<Worker, "workerId" | "mayStartSteps" | "holdsLease" | "reserveSlot" | "giveBackSoon">,
    { registry, concurrency, historyLimit }: WorkerSettings,
    rules: ClaimRules,
    queues: QueueClaims,
    poller: TaskPoller,
    onEnded: () => void,
  ) {
    this.#parent = parent;
    this.#worker = worker;
    this.#registry = registry;
    this.#rules = rules;
    this.#queues = queues;
    this.#poller = poller;
    this.#onEnded = onEnded;
    this.historyLimit = historyLimit;
    this.slots = new Slots(
      concurrency,
      () => {
        poller.slotFreed();
        this.#checkQuiet();
      },
      // Not at once: the reply that ends one execution here may say of the next that another worker owns it.
      (runId) => queueMicrotask(() => this.#active.get(runId)?.resumeSteps()),
    );
    this.#clock = new DatabaseClock(parent.runtime);
    this.#inboxes = new InboxReader(parent.store, parent.runtime, () => this.#checkQuiet());
  }

  get namespace(): string {
    return this.#parent.namespace;
  }

  get runtime(): Runtime {
    return this.#parent.runtime;
  }

  get telemetry(): Telemetry | undefined {
    return this.#parent.telemetry;
  }

  get logger(): Logger {
    return this.#parent.logger;
  }

  get committer(): Committer {
    return this.#parent.committer;
  }

  get transactions(): TransactionStore {
    return this.#parent.store.transactions;
  }

  // Those that are here

  get size(): number {
    return this.#active.size;
  }

  get staleWrites(): number {
    return this.#staleWrites;
  }

  /** Whether one of them may be killing its workers: then no other such is claimed. */
  get hasSuspect(): boolean {
    return this.#suspect !== undefined;
  }

  /** Run ids of those that are claimed for this worker, or may be. */
  get claimed(): readonly string[] {
    return [...this.#active.keys(), ...this.slots.reserved];
  }

  all(): Iterable<ActiveExecution> {
    return this.#active.values();
  }

  get(runId: string): ActiveExecution | undefined {
    return this.#active.get(runId);
  }

  dropAll(reason: unknown): void {
    for (const execution of this.#active.values()) execution.drop(reason);
  }

  /** What waits only to start its next step may do so now, or finds that it may not. */
  resumeAll(): void {
    for (const execution of this.#active.values()) execution.resumeSteps();
  }

  /** What is paused has changed. */
  heedPauses(): void {
    for (const execution of this.#active.values()) execution.heedPauses();
  }

  /** Begins an execution that was claimed for this worker. One that stops gives back what came too late, with all that it owns. */
  adopt(claimed: ClaimedExecution, inbox?: Inbox): void {
    if (this.#stopped) return;
    const workflow = this.#registry.get(claimed.workflow, claimed.version);
    // Only what the registry has is asked for.
    if (workflow === undefined) throw new TypeError(`claimed ${claimed.workflow}@${claimed.version}, which this worker does not have`);
    // It was freed while it ran here (its parent was resumed): the claim before this one is over.
    this.#active.get(claimed.runId)?.drop(new ExecutionCancelled(claimed.executionId, "it was claimed anew"));
    const execution = new ActiveExecution(claimed, workflow, this);
    this.#active.set(claimed.runId, execution);
    if (claimed.suspect) this.#suspect = claimed.runId;
    // Those that waited here may have taken the slots meanwhile.
    this.working(execution);
    execution.begin(inbox);
  }

  /** The start that a slot was reserved for is durable: begins it. */
  startReserved(start: StartOperation, at: number): void {
    // Without its reservation, it has been claimed once more since: taken over, and then by this worker again.
    if (!this.slots.unreserve(start.runId, "start") || start.claimBy !== this.#worker.workerId) return;
    this.#clock.observe(at);
    this.#startedHere.add(start.runId);
    this.adopt({
      runId: start.runId,
      executionId: start.executionId,
      workflow: start.workflow,
      version: start.version,
      taskQueue: start.taskQueue,
      epoch: 1,
      inboxSeq: 0,
      suspect: false,
      parentRunId: start.parentRunId,
      parentPosition: start.parentPosition,
      place: placeOf(start),
      history: [{ seq: 1, at, epoch: 0, event: decodeEvent("ExecutionStarted", start.started) }],
      characters: start.started.length,
    });
  }

  cancelReservation(runId: string): void {
    if (this.slots.unreserve(runId, "start")) this.slots.freed();
  }

  /** Resolves when no execution here runs code or steps. */
  whenQuiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet.push(resolve);
      this.#checkQuiet();
    });
  }

  #checkQuiet(): void {
    if (!this.slots.isQuiet || this.#inboxes.isReading) return;
    for (const resolve of this.#quiet.splice(0)) resolve();
  }

  /** Has them record what their steps have said last. @returns whether there was something to record */
  recordHeartbeats(): boolean {
    return [...this.#active.values()].filter((execution) => execution.recordHeartbeats()).length > 0;
  }

  /** Drops all of them; none begins here any more. */
  stop(): void {
    this.#stopped = true;
    this.#inboxes.stop();
    for (const execution of this.#active.values()) {
      execution.drop(new ExecutionCancelled(execution.executionId, "its worker is stopping; it goes on elsewhere"));
    }
  }

  // ExecutionHost

  now(): number {
    return this.#clock.now();
  }

  observe(at: number): void {
    this.#clock.observe(at);
  }

  mayStartSteps(): boolean {
    return this.#worker.mayStartSteps();
  }

  isPaused(execution: Pick<ClaimedExecution, "taskQueue" | "workflow">): boolean {
    return this.#rules.isPaused(execution);
  }

  holdsLease(): boolean {
    return this.#worker.holdsLease();
  }

  reserveSlot(runId: string, workflow: AnyWorkflow, taskQueue: string): string | null {
    return this.#worker.reserveSlot(runId, workflow, taskQueue);
  }

  startsSettled(starts: readonly StartOperation[], outcome: AppendOutcome | "rejected"): void {
    let queued = false;
    for (const start of starts) {
      const conflict = outcome === "rejected" || outcome.outcome === "rejected" || outcome.conflicts.some(({ runId }) => runId === start.runId);
      if (start.claimBy === null) {
        if (!conflict) {
          queued = true;
          this.#hintTasks(start.taskQueue);
        }
      } else if (conflict) this.cancelReservation(start.runId);
      else this.startReserved(start, outcome.at);
    }
    if (queued) this.#poller.wake();
  }

  messagesSent(toRunIds: readonly string[]): void {
    const elsewhere: string[] = [];
    for (const runId of new Set(toRunIds)) {
      const execution = this.#active.get(runId);
      if (execution === undefined) elsewhere.push(runId);
      else this.#inboxes.request(execution);
    }
    if (elsewhere.length > 0) this.#parent.store.hint({ kind: "inbox", runIds: elsewhere });
  }

  wantsInbox(execution: ActiveExecution): void {
    this.#inboxes.request(execution);
  }

  resting(execution: ActiveExecution): void {
    this.slots.rest(execution.runId);
  }

  ending(execution: ActiveExecution): void {
    this.slots.ending(execution.runId);
  }

  working(execution: ActiveExecution): void {
    this.slots.take(execution.runId);
  }

  hasSlot(execution: ActiveExecution): boolean {
    return this.slots.has(execution.runId);
  }

  childOutcomes(runId: string, children: readonly ChildCall[]): Promise<ChildOutcomes> {
    return childOutcomes(this.#parent.store, this.namespace, runId, children);
  }

  streamLength(executionId: string, stream: string): Promise<number> {
    return this.#parent.store.streams.length(this.namespace, executionId, stream);
  }

  progressed(execution: ActiveExecution): void {
    if (this.#suspect !== execution.runId) return;
    this.#suspect = undefined;
    this.#poller.wake();
  }

  news(execution: ActiveExecution): void {
    this.#parent.store.hint({ kind: "news", runIds: [execution.runId] });
  }

  rejected(): void {
    this.telemetry?.measured("write.rejected", 1);
    this.#staleWrites++;
  }

  ended(execution: ActiveExecution, end: EndEvent): void {
    this.#onEnded();
    this.#parent.ended({ runId: execution.runId, executionId: execution.executionId, workflow: execution.workflow, event: end.event });
    // Who started it in this process waits in this process; for the others there is a hint.
    if (!this.#startedHere.delete(execution.runId)) this.#parent.store.hint({ kind: "ended", runIds: [execution.runId] });
  }

  async tellChildren(runId: string, messages: readonly ChildMessage[]): Promise<void> {
    const told = await this.#parent.store.tellChildren(this.namespace, runId, messages);
    if (told.length > 0) this.messagesSent(told);
  }

  failed({ log }: Pick<ActiveExecution, "log">, error: unknown): void {
    log.error(`events could not be written: ${error instanceof Error ? error.message : String(error)}`);
  }

  async pause(execution: ActiveExecution, operation: PauseOperation): Promise<"paused" | "not yet" | "failed"> {
    const { store } = this.#parent;
    try {
      if (await store.pauseClaimed(operation)) return "paused";
      const lost = await store.lostClaims([operation]);
      if (lost.length > 0) execution.drop(new ExecutionCancelled(execution.executionId, "another worker owns it now, or it was terminated"));
      return "not yet";
    } catch (error) {
      // When the store is closing, whoever claims it next pauses it.
      if (!(error instanceof Closed)) execution.log.error(`it could not be paused: ${error instanceof Error ? error.message : String(error)}; trying again`);
      return "failed";
    }
  }

  givesBack(execution: ActiveExecution): void {
    execution.drop(new ExecutionCancelled(execution.executionId, "its task queue or workflow is paused"));
    this.#worker.giveBackSoon();
  }

  gone(execution: ActiveExecution): void {
    if (this.#active.get(execution.runId) !== execution) return;
    this.#active.delete(execution.runId);
    this.#startedHere.delete(execution.runId);
    this.progressed(execution);
    this.slots.remove(execution.runId);
    if (!this.#queues.left(execution.runId)) return;
    this.#poller.wakeSoon();
    // What waits for the limit may be claimed elsewhere then.
    if (this.slots.free <= 0) for (const taskQueue of this.#queues.limited) this.#hintTasks(taskQueue);
  }

  /** Others may have something to claim. */
  #hintTasks(taskQueue: string): void {
    this.#parent.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue });
  }
}
