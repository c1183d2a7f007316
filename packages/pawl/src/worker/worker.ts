import { ExecutionCancelled, LeaseLost, OptionInvalid } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { checkName, newUuid } from "../base/ids.ts";
import type { Logger } from "../base/logger.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { ChildCall } from "../kernel/call.ts";
import { decodeEvent, encodeEvent } from "../kernel/event-codec.ts";
import type { Event } from "../kernel/event.ts";
import { isTerminal } from "../kernel/execution-state.ts";
import type { Committer } from "../store/committer.ts";
import type { AppendOutcome, StartOperation } from "../store/operations.ts";
import type { ClaimedExecution, Hint, InboxMessage, LeaseKeeper, Store } from "../store/store.ts";
import { ActiveExecution, announceAfterMs } from "./active-execution.ts";
import { DatabaseClock } from "./database-clock.ts";
import { installDeterminismGuard } from "./determinism-guard.ts";
import { childEnding, type EndEvent } from "./end-event.ts";
import type { ExecutionHost } from "./execution-host.ts";
import { InboxReader } from "./inbox-reader.ts";
import { processIdentity } from "./process-identity.ts";
import { Reaper } from "./reaper.ts";
import { WorkflowRegistry } from "./registry.ts";

export interface WorkerOptions {
  readonly workflows: readonly AnyWorkflow[];
  /** Queues to claim from (the queues that the workflows name). */
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
  /** Claim only when `runOnce()` is called; for tests (false). */
  readonly manual?: boolean;
}

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

/** What a worker tells the Pawl it belongs to. */
export interface WorkerParent {
  readonly store: Store;
  readonly committer: Committer;
  readonly namespace: string;
  readonly logger: Logger;
  ended(runId: string, executionId: string, event: Event): void;
  workerStopped(worker: Worker): void;
}

const largestClaim = 200;

/** Claims executions and runs them. Made by `pawl.worker()`. */
export class Worker implements ExecutionHost {
  readonly #parent: WorkerParent;
  readonly #registry: WorkflowRegistry;
  readonly #taskQueues: readonly string[];
  readonly #concurrency: number;
  readonly #leaseMs: number;
  readonly #hangMs: number;
  readonly #killOnHang: boolean;
  readonly #pollMs: number;
  readonly #manual: boolean;
  readonly #clock = new DatabaseClock();
  readonly #inboxes: InboxReader;
  readonly #reaper: Reaper;
  #workerId = newUuid();
  #state: WorkerHealth["state"] = "running";
  #lease: LeaseKeeper | undefined;
  readonly #active = new Map<string, ActiveExecution>();
  /** Hold a slot: everything active that is not resting, and what is about to be claimed by a start. */
  readonly #busy = new Set<string>();
  readonly #reserved = new Set<string>();
  #staleWrites = 0;
  #claiming: Promise<number> | undefined;
  #claimAgain = false;
  #pollTimer: NodeJS.Timeout | undefined;
  #tickTimer: NodeJS.Timeout | undefined;
  #lastCheck = 0;
  #uninstallGuard: (() => void) | undefined;
  #stopping: Promise<void> | undefined;
  #removeHintListener: (() => void) | undefined;
  readonly #quiet: (() => void)[] = [];

  /** @throws OptionInvalid, WorkflowDuplicate */
  constructor(parent: WorkerParent, options: WorkerOptions) {
    this.#parent = parent;
    this.#registry = new WorkflowRegistry(options.workflows);
    this.#taskQueues = taskQueuesOf(options, this.#registry);
    this.#concurrency = wholeNumber(options.concurrency ?? 100, "concurrency", 1, 100_000);
    this.#leaseMs = duration(options.lease ?? "10s", "lease", 200);
    this.#hangMs = duration(options.hangTimeout ?? "60s", "hangTimeout", 200);
    this.#killOnHang = options.killOnHang ?? false;
    this.#pollMs = duration(options.pollInterval ?? 500, "pollInterval", 5);
    this.#manual = options.manual ?? false;
    this.#inboxes = new InboxReader(parent.store, (runId) => this.#active.get(runId));
    this.#reaper = new Reaper(parent.store, parent.logger, this.#leaseMs, () => this.#wake());
  }

  get workerId(): string {
    return this.#workerId;
  }

  get namespace(): string {
    return this.#parent.namespace;
  }

  get committer(): Committer {
    return this.#parent.committer;
  }

  /** Registers and begins to claim. Called by `pawl.worker()`. */
  async start(): Promise<void> {
    this.#uninstallGuard = installDeterminismGuard();
    await this.#register();
    this.#removeHintListener = this.#parent.store.onHint((hint) => this.#hinted(hint));
    this.#tickTimer = setInterval(() => this.#tick(), announceAfterMs);
    this.#tickTimer.unref();
    await this.#reaper.start(this.#workerId);
    if (!this.#manual) this.#wake();
  }

  health(): WorkerHealth {
    return {
      workerId: this.#workerId,
      state: this.#state,
      leaseValid: this.#lease?.isValid() ?? false,
      slots: { used: this.#usedSlots, total: this.#concurrency },
      active: this.#active.size,
      staleWritesRejected: this.#staleWrites,
    };
  }

  /**
   * Claims what is due now, runs it until it ends, waits or parks, and gives the number of executions claimed. For tests
   * with `manual: true`, which need not wait for polls.
   */
  async runOnce(): Promise<number> {
    let claimed = 0;
    for (;;) {
      const now = await this.#claim();
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
    if (this.#state !== "running" || this.#manual || this.#usedSlots >= this.#concurrency || !this.mayStartSteps()) return null;
    if (!this.#taskQueues.includes(taskQueue) || this.#registry.get(workflow.name, workflow.version) === undefined) return null;
    this.#reserved.add(runId);
    return this.#workerId;
  }

  /** The start that a slot was reserved for is durable: run it. */
  startReserved(start: StartOperation, at: number): void {
    this.#reserved.delete(start.runId);
    if (start.claimBy !== this.#workerId) return;
    this.#adopt(
      {
        runId: start.runId,
        executionId: start.executionId,
        workflow: start.workflow,
        version: start.version,
        epoch: 1,
        inboxSeq: 0,
        parentRunId: start.parentRunId,
        parentPosition: start.parentPosition,
        history: [{ seq: 1, at, epoch: 0, event: decodeEvent("ExecutionStarted", start.started) }],
      },
    );
  }

  runs(runId: string): boolean {
    return this.#active.has(runId);
  }

  cancelReservation(runId: string): void {
    if (this.#reserved.delete(runId)) this.#wake();
  }

  // ExecutionHost

  now(): number {
    return this.#clock.now();
  }

  observe(at: number): void {
    this.#clock.observe(at);
  }

  random(): number {
    return Math.random();
  }

  mayStartSteps(): boolean {
    return this.#lease?.isValid() ?? false;
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
    if (queued) this.#wake();
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
    this.#wake();
  }

  wantsInbox(execution: ActiveExecution): void {
    this.#inboxes.request(execution);
  }

  resting(execution: ActiveExecution): void {
    if (this.#busy.delete(execution.runId)) this.#slotFreed();
  }

  async childOutcomes(children: readonly ChildCall[]): Promise<readonly InboxMessage[]> {
    const outcomes = await this.#parent.store.outcomes(this.namespace, children.map((call) => call.executionId));
    const messages: InboxMessage[] = [];
    for (const call of children) {
      const outcome = outcomes.get(call.executionId);
      if (outcome?.last === undefined || !isTerminal(outcome.state)) continue;
      const event = childEnding(outcome.last.event, call.position);
      messages.push({ messageId: `child:${call.position}`, type: event.type, data: encodeEvent(event) });
    }
    return messages;
  }

  rejected(): void {
    this.#staleWrites++;
  }

  ended(execution: ActiveExecution, end: EndEvent): void {
    this.#parent.ended(execution.runId, execution.executionId, end.event);
  }

  failed(execution: ActiveExecution, error: unknown): void {
    this.#parent.logger.error(`execution ${execution.executionId}: its events could not be written: ${error instanceof Error ? error.message : String(error)}`);
  }

  gone(execution: ActiveExecution): void {
    this.#active.delete(execution.runId);
    this.#busy.delete(execution.runId);
    this.#slotFreed();
  }

  // Claiming

  get #usedSlots(): number {
    return this.#busy.size + this.#reserved.size;
  }

  #slotFreed(): void {
    if (this.#claimAgain) this.#wake();
    this.#checkQuiet();
  }

  /** Looks for work soon. */
  #wake(): void {
    if (this.#manual || this.#state !== "running") return;
    if (this.#claiming !== undefined) {
      this.#claimAgain = true;
      return;
    }
    clearTimeout(this.#pollTimer);
    this.#pollTimer = undefined;
    void this.#poll();
  }

  async #poll(): Promise<void> {
    this.#claimAgain = false;
    let claimed = 0;
    let wanted = 0;
    try {
      wanted = Math.min(this.#concurrency - this.#usedSlots, largestClaim);
      claimed = await this.#claim();
    } catch (error) {
      if (this.#state !== "running") return;
      this.#parent.logger.error(`claim: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (this.#state !== "running") return;
    // A full claim means that there is probably more; without free slots, the next one to be freed asks again.
    if (claimed > 0 && claimed === wanted) this.#claimAgain = true;
    if (this.#claimAgain && this.#usedSlots < this.#concurrency) return void setImmediate(() => this.#wake());
    this.#pollTimer = setTimeout(() => this.#wake(), this.#pollMs * (0.75 + Math.random() / 2));
  }

  #claim(): Promise<number> {
    this.#claiming ??= this.#claimOnce().finally(() => {
      this.#claiming = undefined;
    });
    return this.#claiming;
  }

  async #claimOnce(): Promise<number> {
    const limit = Math.min(this.#concurrency - this.#usedSlots, largestClaim);
    if (limit <= 0 || !this.mayStartSteps()) return 0;
    const workerId = this.#workerId;
    const request = { workerId, namespace: this.namespace, taskQueues: this.#taskQueues, definitions: this.#registry.keys, limit };
    const { executions, now, repeated } = await this.#parent.store.claim(request);
    if (workerId !== this.#workerId) return 0;
    if (now !== undefined) this.#clock.observe(now);
    const withInbox = executions.filter(({ inboxSeq }) => inboxSeq > 0).map(({ runId }) => runId);
    // The slots are taken while the inboxes are read.
    for (const { runId } of executions) this.#reserved.add(runId);
    const inboxes = withInbox.length === 0 ? [] : await this.#parent.store.readInboxes(withInbox);
    for (const execution of executions) {
      this.#reserved.delete(execution.runId);
      if (workerId === this.#workerId) this.#adopt(execution, inboxes.find(({ runId }) => runId === execution.runId));
    }
    // A claim whose reply was lost may have given this worker executions it has never heard of.
    if (repeated) await this.#parent.store.release(workerId, [...this.#active.keys(), ...this.#reserved]);
    return executions.length;
  }

  #adopt(claimed: ClaimedExecution, inbox?: Parameters<ActiveExecution["begin"]>[0]): void {
    const workflow = this.#registry.get(claimed.workflow, claimed.version);
    // Only what the registry has is asked for.
    if (workflow === undefined) throw new TypeError(`claimed ${claimed.workflow}@${claimed.version}, which this worker does not have`);
    const execution = new ActiveExecution(claimed, workflow, this);
    this.#active.set(claimed.runId, execution);
    this.#busy.add(claimed.runId);
    execution.begin(inbox);
  }

  #hinted(hint: Hint): void {
    if (hint.kind === "tasks") {
      const mine = (hint.namespace === this.namespace || hint.namespace === "*") && (hint.taskQueue === "*" || this.#taskQueues.includes(hint.taskQueue));
      if (mine) this.#wake();
    } else if (hint.kind === "inbox") {
      for (const runId of hint.runIds) {
        const execution = this.#active.get(runId);
        if (execution !== undefined) this.#inboxes.request(execution);
      }
    }
  }

  // Keeping watch

  #tick(): void {
    const now = performance.now();
    for (const execution of this.#active.values()) execution.announceLongSteps(now);
    if (now - this.#lastCheck >= 1000) {
      this.#lastCheck = now;
      void this.#check();
    }
  }

  /** The truth behind the hints: which claims still hold, and whether those that wait have messages. */
  async #check(): Promise<void> {
    const executions = [...this.#active.values()];
    if (executions.length === 0 || !this.mayStartSteps()) return;
    try {
      const lost = await this.#parent.store.lostClaims(executions.map(({ runId, epoch }) => ({ runId, epoch })));
      for (const runId of lost) this.#active.get(runId)?.drop(new ExecutionCancelled(runId, "another worker owns it now, or it was terminated"));
      for (const execution of executions) if (this.#active.has(execution.runId)) this.#inboxes.request(execution);
    } catch {
      // The store is closing, or the next check finds out.
    }
    if (this.mayStartSteps()) for (const execution of this.#active.values()) execution.resumeSteps();
  }

  // Lease

  async #register(): Promise<void> {
    const identity = processIdentity();
    await this.#parent.store.registerWorker({
      workerId: this.#workerId,
      namespace: this.namespace,
      taskQueues: this.#taskQueues,
      definitions: this.#registry.keys,
      concurrency: this.#concurrency,
      leaseMs: this.#leaseMs,
      ...identity,
    });
    const workerId = this.#workerId;
    this.#lease = this.#parent.store.keepLease({
      workerId,
      leaseMs: this.#leaseMs,
      hangMs: this.#hangMs,
      killOnHang: this.#killOnHang,
      onLost: () => void this.#leaseLost(workerId),
    });
  }

  /** Everything claimed under the old id is lost; a new id starts afresh. */
  async #leaseLost(workerId: string): Promise<void> {
    if (workerId !== this.#workerId || this.#state === "stopped") return;
    const error = new LeaseLost(workerId);
    this.#parent.logger.warn(error.message);
    const lease = this.#lease;
    this.#workerId = newUuid();
    this.#lease = undefined;
    // Writes under way are answered first: that they are rejected is counted.
    for (const execution of this.#active.values()) execution.drop(error);
    await lease?.stop();
    if (this.#state !== "running") return;
    try {
      await this.#register();
      this.#reaper.workerId = this.#workerId;
      this.#wake();
    } catch (failure) {
      this.#parent.logger.error(`register: ${failure instanceof Error ? failure.message : String(failure)}`);
    }
  }

  // Stopping

  async #stop(drainMs: number): Promise<void> {
    this.#state = "stopping";
    clearTimeout(this.#pollTimer);
    this.#removeHintListener?.();
    await this.#claiming?.catch(() => 0);
    if (drainMs > 0) await this.#whenQuiet(drainMs);
    for (const execution of this.#active.values()) execution.drop(new ExecutionCancelled(execution.executionId, "its worker is stopping; it goes on elsewhere"));
    clearInterval(this.#tickTimer);
    await this.#reaper.stop();
    this.#inboxes.stop();
    await this.#parent.committer.drain();
    await this.#parent.store.release(this.#workerId, []);
    await this.#parent.store.stopWorker(this.#workerId);
    await this.#lease?.stop();
    this.#uninstallGuard?.();
    this.#state = "stopped";
    this.#parent.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue: "*" });
    this.#parent.workerStopped(this);
  }

  /** Until no execution here runs code or steps, or the time is over. */
  #whenQuiet(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const done = (): void => {
        clearTimeout(timer);
        resolve();
      };
      if (timeoutMs !== undefined) timer = setTimeout(done, timeoutMs);
      this.#quiet.push(done);
      this.#checkQuiet();
    });
  }

  #checkQuiet(): void {
    if (this.#usedSlots > 0) return;
    for (const resolve of this.#quiet.splice(0)) resolve();
  }
}

function taskQueuesOf(options: WorkerOptions, registry: WorkflowRegistry): readonly string[] {
  if (options.taskQueues === undefined) return [...new Set(registry.all.map((workflow) => workflow.taskQueue))];
  if (!Array.isArray(options.taskQueues) || options.taskQueues.length === 0) throw new OptionInvalid("taskQueues", "must be an array of at least one name");
  return options.taskQueues.map((name, index) => checkName(name, `taskQueues[${index}]`));
}

function wholeNumber(value: number, path: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) throw new OptionInvalid(path, `must be a whole number from ${least} to ${most}, not ${String(value)}`);
  return value;
}

function duration(value: Duration, path: string, leastMs: number): number {
  const ms = toMilliseconds(value, path);
  if (ms < leastMs) throw new OptionInvalid(path, `must be at least ${leastMs} ms`);
  return ms;
}
