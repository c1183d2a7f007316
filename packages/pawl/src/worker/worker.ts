import { ExecutionCancelled, OptionInvalid } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { checkName } from "../base/ids.ts";
import type { Logger } from "../base/logger.ts";
import type { Runtime, Timer } from "../base/runtime.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { ReusableStep } from "../definition/remote-step.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { ChildCall } from "../kernel/call.ts";
import { decodeEvent, encodeEvent } from "../kernel/event-codec.ts";
import type { Event } from "../kernel/event.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { Committer } from "../store/committer.ts";
import type { AppendOutcome, ChildMessage, StartOperation } from "../store/operations.ts";
import type { ClaimedExecution, Hint, InboxMessage, PauseOperation, Store } from "../store/store.ts";
import type { StreamEnd } from "../store/streams.ts";
import type { TransactionStore } from "../store/transact.ts";
import { ActiveExecution } from "./active-execution.ts";
import { DatabaseClock } from "./database-clock.ts";
import { installDeterminismGuard } from "./determinism-guard.ts";
import { childEnding, type EndEvent } from "./end-event.ts";
import type { ChildOutcomes, ExecutionHost } from "./execution-host.ts";
import { HistoryLimit, type HistoryLimitOptions } from "./history-limit.ts";
import { InboxReader } from "./inbox-reader.ts";
import { Membership } from "./membership.ts";
import { PauseWatch } from "./pause-watch.ts";
import { QueueClaims } from "./queue-claims.ts";
import { Reaper } from "./reaper.ts";
import { WorkflowRegistry } from "./registry.ts";
import { SchedulePoller } from "./schedule-poller.ts";
import { RetentionRunner } from "./retention-runner.ts";
import { Slots } from "./slots.ts";
import { announceAfterMs } from "./step-runner.ts";
import { TaskPoller } from "./task-poller.ts";

export interface WorkerOptions {
  readonly workflows?: readonly AnyWorkflow[];
  /** Reusable steps that it runs for workflows elsewhere: those made with a `taskQueue`. */
  readonly steps?: readonly ReusableStep[];
  /** Queues to claim from (the queues that the workflows and steps name). */
  readonly taskQueues?: readonly string[];
  /** Executions that run code or steps here at the same time (100). Waiting ones do not count. */
  readonly concurrency?: number;
  /** Others take over so long after this worker was last heard of (10 seconds). */
  readonly lease?: Duration;
  /** The main loop counts as hung after so long without a turn, and the lease is let go (60 seconds). */
  readonly hangTimeout?: Duration;
  /** Kill the process when its main loop hangs, for a supervisor to start it anew (false). */
  readonly killOnHang?: boolean;
  /** Longest time until new work is found when no hint arrives (500 ms). */
  readonly pollInterval?: Duration;
  /** Start the executions of schedules that are due (true). At least one worker of a namespace has to. */
  readonly schedules?: boolean;
  /** How often it looks for executions that no retention policy keeps any longer (1 minute). */
  readonly retentionInterval?: Duration;
  /** How long the history of one run may become: `warnAt` (10,000 events), `events` (51,200), `characters` (52,428,800). */
  readonly historyLimit?: HistoryLimitOptions;
  /** Claim only when `runOnce()` is called; for tests (false). */
  readonly manual?: boolean;
}

/** Checks come once a second; every so many of them, claims that nobody here knows of are looked for. */
const auditEveryChecks = 10;

export interface WorkerHealth {
  readonly workerId: string;
  readonly state: "running" | "stopping" | "stopped";
  /** Whether the lease holds: false means that the database cannot be reached or the process hung. */
  readonly leaseValid: boolean;
  readonly slots: { readonly used: number; readonly total: number };
  /** Claimed executions in memory, waiting ones included. */
  readonly active: number;
  /** Writes that were refused because another worker owned the execution by then. */
  readonly staleWritesRejected: number;
}

/** An execution that ended in this process. */
export interface LocalEnding {
  readonly runId: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly event: Event;
}

/** What a worker tells the Pawl it belongs to. */
export interface WorkerParent {
  readonly store: Store;
  readonly committer: Committer;
  readonly namespace: string;
  readonly logger: Logger;
  readonly runtime: Runtime;
  readonly telemetry: Telemetry | undefined;
  ended(ending: LocalEnding): void;
  workerStopped(worker: Worker): void;
}

/** Claims executions and runs them. Made by `pawl.worker()`. */
export class Worker implements ExecutionHost {
  readonly #parent: WorkerParent;
  readonly #registry: WorkflowRegistry;
  readonly #taskQueues: readonly string[];
  readonly #queues: QueueClaims;
  readonly #slots: Slots;
  readonly #manual: boolean;
  readonly historyLimit: HistoryLimit;
  readonly #clock: DatabaseClock;
  readonly #inboxes: InboxReader;
  readonly #reaper: Reaper;
  readonly #retention: RetentionRunner;
  readonly #membership: Membership;
  readonly #poller: TaskPoller;
  readonly #pauses: PauseWatch;
  readonly #schedules: SchedulePoller | undefined;
  #state: WorkerHealth["state"] = "running";
  readonly #active = new Map<string, ActiveExecution>();
  /** Claimed by the very commit that started them. */
  readonly #startedHere = new Set<string>();
  /** The one execution here that may be killing its workers. */
  #suspect: string | undefined;
  #staleWrites = 0;
  #givingBack = false;
  #tickTimer: Timer | undefined;
  #lastCheck = 0;
  #checks = 0;
  #uninstallGuard: (() => void) | undefined;
  #started: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #removeHintListener: (() => void) | undefined;
  readonly #quiet: (() => void)[] = [];

  /** @throws OptionInvalid, WorkflowDuplicate */
  constructor(parent: WorkerParent, options: WorkerOptions) {
    this.#parent = parent;
    this.#registry = new WorkflowRegistry(options.workflows ?? [], options.steps);
    this.#taskQueues = taskQueuesOf(options, this.#registry);
    this.#slots = new Slots(
      wholeNumber(options.concurrency ?? 100, "concurrency", 1, 100_000),
      () => this.#slotFreed(),
      (runId) => this.#active.get(runId)?.resumeSteps(),
    );
    this.#manual = options.manual ?? false;
    this.historyLimit = new HistoryLimit(options.historyLimit ?? {});
    const { store, logger, runtime } = parent;
    this.#queues = new QueueClaims(store, parent.namespace, this.#taskQueues);
    this.#clock = new DatabaseClock(runtime);
    this.#pauses = new PauseWatch(store, parent.namespace);
    const leaseMs = duration(options.lease ?? "10s", "lease", 200);
    const pollMs = duration(options.pollInterval ?? 500, "pollInterval", 5);
    this.#poller = new TaskPoller(
      {
        freeSlots: () => (this.mayStartSteps() && !this.#givingBack ? this.#slots.free : 0),
        claim: (limit) => this.#claim(limit),
        comeAgain: () => this.#queues.comeAgain(),
        claimFailed: (error) => logger.error(`claim: ${error instanceof Error ? error.message : String(error)}`),
      },
      runtime,
      pollMs,
      this.#manual,
    );
    if (options.schedules ?? true) this.#schedules = new SchedulePoller(store, parent.namespace, logger, runtime, pollMs, () => this.#poller.wake());
    this.#membership = new Membership(
      store,
      logger,
      runtime,
      {
        namespace: parent.namespace,
        taskQueues: this.#taskQueues,
        definitions: this.#registry.keys,
        definitionQueues: this.#registry.all.map((workflow) => workflow.taskQueue),
        concurrency: this.#slots.total,
        leaseMs,
        hangMs: duration(options.hangTimeout ?? "60s", "hangTimeout", 200),
        killOnHang: options.killOnHang ?? false,
      },
      (error) => {
        parent.telemetry?.measured("lease.lost", 1);
        for (const execution of this.#active.values()) execution.drop(error);
      },
      () => this.#poller.wake(),
    );
    this.#inboxes = new InboxReader(store, runtime, () => this.#checkQuiet());
    this.#retention = new RetentionRunner(store, parent.namespace, logger, runtime, duration(options.retentionInterval ?? "1m", "retentionInterval", 5));
    this.#reaper = new Reaper(
      store,
      logger,
      runtime,
      leaseMs,
      () => this.workerId,
      () => this.#poller.wake(),
    );
  }

  get workerId(): string {
    return this.#membership.workerId;
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

  /** Registers and begins to claim. Called by `pawl.worker()`. */
  start(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    this.#uninstallGuard = installDeterminismGuard();
    await this.#queues.refresh(this.runtime.monotonicMs());
    await this.#membership.register();
    await this.#pauses.refresh();
    this.#removeHintListener = this.#parent.store.onHint((hint) => this.#hinted(hint));
    this.#tickTimer = this.runtime.startInterval(announceAfterMs, () => this.#tick());
    await this.#reaper.start();
    this.#retention.start();
    this.#poller.wake();
    if (!this.#manual) this.#schedules?.wake();
  }

  health(): WorkerHealth {
    return {
      workerId: this.workerId,
      state: this.#state,
      leaseValid: this.#membership.leaseValid,
      slots: { used: this.#slots.used, total: this.#slots.total },
      active: this.#active.size,
      staleWritesRejected: this.#staleWrites,
    };
  }

  /**
   * Starts the executions of schedules that are due, claims what is due now, runs it until it ends, waits or parks, and gives the number of executions claimed. For tests
   * with `manual: true`, which need not wait for polls.
   */
  async runOnce(): Promise<number> {
    let claimed = 0;
    await this.#pauses.refresh();
    for (;;) {
      await this.#schedules?.fireNow();
      const now = await this.#poller.claimNow();
      claimed += now;
      await this.#whenQuiet();
      if (now === 0) return claimed;
    }
  }

  /**
   * Stops: claims nothing more, lets running steps finish for up to `drain` (10 seconds), then gives back what is left,
   * without counting it as a death. Calling it again waits for the same stop.
   */
  stop(options: { readonly drain?: Duration } = {}): Promise<void> {
    this.#stopping ??= this.#stop(toMilliseconds(options.drain ?? "10s", "drain"));
    return this.#stopping;
  }

  // For the client: eager start

  /** Keeps a slot and gives this worker's id, if it can run that workflow at once. */
  reserveSlot(runId: string, workflow: Pick<AnyWorkflow, "name" | "version">, taskQueue: string): string | null {
    if (this.#state !== "running" || this.#manual || this.#givingBack || this.#slots.free <= 0 || !this.mayStartSteps()) return null;
    if (!this.#taskQueues.includes(taskQueue) || this.#queues.has(taskQueue) || this.#registry.get(workflow.name, workflow.version) === undefined) return null;
    if (this.#pauses.isPaused(taskQueue, workflow.name)) return null;
    this.#slots.reserve(runId, "start");
    return this.workerId;
  }

  /** The start that a slot was reserved for is durable: run it. */
  startReserved(start: StartOperation, at: number): void {
    // Without its reservation, it has been claimed once more since: taken over, and then by this worker again.
    if (!this.#slots.unreserve(start.runId, "start") || start.claimBy !== this.workerId) return;
    this.#clock.observe(at);
    this.#startedHere.add(start.runId);
    this.#adopt({
      runId: start.runId,
      executionId: start.executionId,
      workflow: start.workflow,
      version: start.version,
      epoch: 1,
      inboxSeq: 0,
      suspect: false,
      parentRunId: start.parentRunId,
      parentPosition: start.parentPosition,
      history: [{ seq: 1, at, epoch: 0, event: decodeEvent("ExecutionStarted", start.started) }],
      characters: start.started.length,
    });
  }

  runs(runId: string): boolean {
    return this.#active.has(runId);
  }

  /** The answer of an execution that runs here; undefined for any other. @throws MessageUnknown, and what the workflow's function throws */
  query(runId: string, name: string, argument: unknown): { readonly value: unknown } | undefined {
    return this.#active.get(runId)?.query(name, argument);
  }

  /** The code of a workflow, if this worker has it. */
  definition(workflow: string, version: string): AnyWorkflow | undefined {
    return this.#registry.get(workflow, version);
  }

  cancelReservation(runId: string): void {
    if (this.#slots.unreserve(runId, "start")) this.#slots.freed();
  }

  // ExecutionHost

  now(): number {
    return this.#clock.now();
  }

  observe(at: number): void {
    this.#clock.observe(at);
  }

  mayStartSteps(): boolean {
    return this.#state === "running" && this.#membership.leaseValid;
  }

  startsSettled(starts: readonly StartOperation[], outcome: AppendOutcome | "rejected"): void {
    let queued = false;
    for (const start of starts) {
      const conflict = outcome === "rejected" || outcome.outcome === "rejected" || outcome.conflicts.some(({ runId }) => runId === start.runId);
      if (start.claimBy === null) {
        if (!conflict) {
          queued = true;
          this.#parent.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue: start.taskQueue });
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
    if (elsewhere.length === 0) return;
    this.#parent.store.hint({ kind: "inbox", runIds: elsewhere });
    // They may be parked, and then have a task now.
    this.#parent.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue: "*" });
    this.#poller.wake();
  }

  wantsInbox(execution: ActiveExecution): void {
    this.#inboxes.request(execution);
  }

  resting(execution: ActiveExecution): void {
    this.#slots.rest(execution.runId);
  }

  ending(execution: ActiveExecution): void {
    this.#slots.ending(execution.runId);
  }

  working(execution: ActiveExecution): void {
    this.#slots.take(execution.runId);
  }

  hasSlot(execution: ActiveExecution): boolean {
    return this.#slots.has(execution.runId);
  }

  async childOutcomes(runId: string, children: readonly ChildCall[]): Promise<ChildOutcomes> {
    const outcomes = await this.#parent.store.outcomes(
      this.namespace,
      children.map((call) => call.executionId),
    );
    const messages: InboxMessage[] = [];
    const foreign: ChildCall[] = [];
    const missing: ChildCall[] = [];
    const pending: ChildCall[] = [];
    for (const call of children) {
      const outcome = outcomes.get(call.executionId);
      if (outcome === undefined) missing.push(call);
      else if (outcome.parentRunId !== runId || outcome.parentPosition !== call.position) foreign.push(call);
      else if (outcome.state === "pending") pending.push(call);
      else if (outcome.last !== undefined && isTerminal(outcome.state)) {
        const event = childEnding(outcome.last.event, call.position);
        messages.push({ messageId: `child:${call.position}`, ordinal: undefined, type: event.type, data: encodeEvent(event) });
      }
    }
    return { messages, foreign, missing, pending };
  }

  get transactions(): TransactionStore {
    return this.#parent.store.transactions;
  }

  streamEnd(executionId: string, stream: string): Promise<StreamEnd> {
    return this.#parent.store.streams.end(this.namespace, executionId, stream);
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
    this.#executionsEnded();
    this.#parent.ended({ runId: execution.runId, executionId: execution.executionId, workflow: execution.workflow, event: end.event });
    // Who started it in this process waits in this process; for the others there is a hint.
    if (!this.#startedHere.delete(execution.runId)) this.#parent.store.hint({ kind: "ended", runIds: [execution.runId] });
  }

  continued(): void {
    this.#parent.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue: "*" });
    this.#poller.wake();
  }

  async tellChildren(runId: string, messages: readonly ChildMessage[]): Promise<void> {
    const told = await this.#parent.store.tellChildren(runId, messages);
    if (told.length > 0) this.messagesSent(told);
  }

  failed(execution: Pick<ActiveExecution, "executionId">, error: unknown): void {
    this.#parent.logger.error(`execution ${execution.executionId}: its events could not be written: ${error instanceof Error ? error.message : String(error)}`);
  }

  async pause(execution: ActiveExecution, operation: PauseOperation): Promise<boolean> {
    const { store } = this.#parent;
    try {
      if (await store.pauseClaimed(operation)) return true;
      const lost = await store.lostClaims([operation]);
      if (lost.length > 0) execution.drop(new ExecutionCancelled(execution.executionId, "another worker owns it now, or it was terminated"));
    } catch {
      // The store is closing: whoever claims it next pauses it.
    }
    return false;
  }

  gone(execution: ActiveExecution): void {
    if (this.#active.get(execution.runId) !== execution) return;
    this.#active.delete(execution.runId);
    this.#startedHere.delete(execution.runId);
    this.progressed(execution);
    this.#slots.remove(execution.runId);
    if (!this.#queues.left(execution.runId)) return;
    this.#poller.wakeSoon();
    // What waits for the limit may be claimed elsewhere then.
    if (this.#slots.free <= 0) this.#parent.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue: "*" });
  }

  // Claiming

  #slotFreed(): void {
    this.#poller.slotFreed();
    this.#checkQuiet();
  }

  async #claim(limit: number): Promise<number> {
    const { workerId } = this;
    const request = {
      workerId,
      namespace: this.namespace,
      definitions: this.#pauses.openDefinitions(this.#registry.keys),
      openQueues: (names: readonly string[]) => this.#pauses.openQueues(names),
      limit,
      suspects: this.#suspect === undefined,
    };
    const began = this.telemetry === undefined ? 0 : this.runtime.monotonicMs();
    try {
      return await this.#queues.claim(request, async ({ executions, now, repeated }) => {
        this.telemetry?.measured("claim.executions", executions.length);
        this.telemetry?.measured("claim.duration", this.runtime.monotonicMs() - began);
        // The lease was lost meanwhile: they will be taken over like everything else under the old id.
        if (workerId !== this.workerId) return;
        if (now !== undefined) this.#clock.observe(now);
        await this.#adoptAll(executions, workerId);
        // A claim whose reply was lost may have given this worker executions it has never heard of.
        if (repeated) await this.#giveBackUnknown();
      });
    } catch (error) {
      // Claimed, but not to be read: better given back than held for ever.
      if (this.#state === "running") await this.#giveBackUnknown();
      throw error;
    }
  }

  async #adoptAll(executions: readonly ClaimedExecution[], workerId: string): Promise<void> {
    const withInbox = executions.filter(({ inboxSeq }) => inboxSeq > 0).map(({ runId }) => runId);
    // The slots are taken while the inboxes are read.
    for (const { runId } of executions) this.#slots.reserve(runId, "claim");
    try {
      const inboxes = withInbox.length === 0 ? [] : await this.#parent.store.readInboxes(withInbox);
      for (const execution of executions) {
        this.#slots.unreserve(execution.runId, "claim");
        if (workerId === this.workerId)
          this.#adopt(
            execution,
            inboxes.find(({ runId }) => runId === execution.runId),
          );
      }
    } finally {
      for (const { runId } of executions) this.#slots.unreserve(runId, "claim");
    }
  }

  /**
   * Frees whatever the database says this worker owns and it does not know of. Nothing is claimed meanwhile, by a start or
   * otherwise: that would not be in the list of what it knows.
   */
  async #giveBackUnknown(): Promise<void> {
    if (this.#givingBack) return;
    this.#givingBack = true;
    try {
      await this.#parent.store.release(this.workerId, [...this.#active.keys(), ...this.#slots.reserved]);
    } finally {
      this.#givingBack = false;
      this.#poller.wake();
    }
  }

  #adopt(claimed: ClaimedExecution, inbox?: Parameters<ActiveExecution["begin"]>[0]): void {
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

  #hinted(hint: Hint): void {
    if (hint.kind === "tasks") {
      const mine = (hint.namespace === this.namespace || hint.namespace === "*") && (hint.taskQueue === "*" || this.#taskQueues.includes(hint.taskQueue));
      if (mine) this.#poller.wake();
    } else if (hint.kind === "schedules") {
      if (hint.namespace === this.namespace && !this.#manual) this.#schedules?.wake();
    } else if (hint.kind === "pauses") {
      if (hint.namespace === this.namespace) void this.#refreshPauses();
    } else if (hint.kind === "ended") this.#executionsEnded();
    else if (hint.kind === "queues") {
      if (hint.namespace === this.namespace) void this.#refreshQueues();
    } else if (hint.kind === "inbox") {
      for (const runId of hint.runIds) {
        const execution = this.#active.get(runId);
        if (execution !== undefined) this.#inboxes.request(execution);
      }
    }
  }

  async #refreshPauses(): Promise<void> {
    try {
      if (await this.#pauses.refresh()) this.#poller.wake();
    } catch {
      // The store is closing, or the next check reads them.
    }
  }

  #executionsEnded(): void {
    if (!this.#manual) this.#schedules?.executionsEnded();
  }

  // Keeping watch

  async #refreshQueues(): Promise<void> {
    // It fails when the store is closing; the next one comes in a second.
    const changed = await this.#queues.refresh(this.runtime.monotonicMs()).catch(() => false);
    if (changed && this.#state === "running") this.#poller.wake();
  }

  #tick(): void {
    for (const execution of this.#active.values()) execution.announceLongSteps();
    const now = this.runtime.monotonicMs();
    if (now - this.#lastCheck >= 1000) {
      this.#lastCheck = now;
      if (this.#queues.isStale(now)) void this.#refreshQueues();
      void this.#check();
    }
  }

  /** The truth behind the hints: which claims still hold, and whether those that wait have messages. */
  async #check(): Promise<void> {
    const executions = [...this.#active.values()];
    if (!this.mayStartSteps()) return;
    void this.#refreshPauses();
    if (++this.#checks % auditEveryChecks === 0 && !this.#poller.isClaiming) await this.#giveBackUnknown().catch(() => {});
    if (executions.length === 0) return;
    try {
      const lost = await this.#parent.store.lostClaims(executions.map(({ runId, epoch }) => ({ runId, epoch })));
      // The very ones that were asked about: meanwhile a run may have been parked and claimed again.
      const gone = new Set(lost);
      for (const execution of executions) {
        if (gone.has(execution.runId)) execution.drop(new ExecutionCancelled(execution.executionId, "another worker owns it now, or it was terminated"));
      }
      for (const execution of executions) if (this.#active.has(execution.runId)) this.#inboxes.request(execution);
    } catch {
      // The store is closing, or the next check finds out.
    }
    if (this.mayStartSteps()) for (const execution of this.#active.values()) execution.resumeSteps();
  }

  // Stopping

  async #stop(drainMs: number): Promise<void> {
    this.#state = "stopping";
    // What registers after it has left would look alive to everyone.
    await this.#started?.catch(() => {});
    // Those that only wait to start their next step hold nothing up.
    for (const execution of this.#active.values()) execution.resumeSteps();
    this.#removeHintListener?.();
    await Promise.all([this.#poller.stop(), this.#schedules?.stop()]);
    if (drainMs > 0) await this.#whenQuiet(drainMs);
    for (const execution of this.#active.values())
      execution.drop(new ExecutionCancelled(execution.executionId, "its worker is stopping; it goes on elsewhere"));
    this.#tickTimer?.clear();
    await Promise.all([this.#reaper.stop(), this.#retention.stop()]);
    this.#inboxes.stop();
    await this.#parent.committer.drain();
    await this.#membership.leave();
    this.#uninstallGuard?.();
    this.#state = "stopped";
    this.#parent.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue: "*" });
    this.#parent.workerStopped(this);
  }

  /** Until no execution here runs code or steps, or the time is over. */
  #whenQuiet(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const done = (): void => {
        timer?.clear();
        resolve();
      };
      if (timeoutMs !== undefined) timer = this.runtime.startTimer(timeoutMs, done);
      this.#quiet.push(done);
      this.#checkQuiet();
    });
  }

  #checkQuiet(): void {
    if (!this.#slots.isQuiet || this.#inboxes.isReading) return;
    for (const resolve of this.#quiet.splice(0)) resolve();
  }
}

function taskQueuesOf(options: WorkerOptions, registry: WorkflowRegistry): readonly string[] {
  if (options.taskQueues === undefined) return [...new Set(registry.all.map((workflow) => workflow.taskQueue))];
  if (!Array.isArray(options.taskQueues) || options.taskQueues.length === 0) throw new OptionInvalid("taskQueues", "must be an array of at least one name");
  return options.taskQueues.map((name, index) => checkName(name, `taskQueues[${index}]`));
}

function wholeNumber(value: number, path: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new OptionInvalid(path, `must be a whole number from ${least} to ${most}, not ${String(value)}`);
  return value;
}

function duration(value: Duration, path: string, leastMs: number): number {
  const ms = toMilliseconds(value, path);
  if (ms < leastMs) throw new OptionInvalid(path, `must be at least ${leastMs} ms`);
  return ms;
}
