import { ExecutionCancelled } from "../base/errors.ts";
import { closeTimeoutMs, within, type Timer } from "../base/runtime.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { StartOperation } from "../store/operations.ts";
import type { Hint } from "../store/store.ts";
import { ClaimRules } from "./claim-rules.ts";
import { installDeterminismGuard } from "./determinism-guard.ts";
import { LocalExecutions } from "./local-executions.ts";
import { Membership } from "./membership.ts";
import { QueueClaims } from "./queue-claims.ts";
import { Reaper } from "./reaper.ts";
import { RetentionRunner } from "./retention-runner.ts";
import { SchedulePoller } from "./schedule-poller.ts";
import { announceAfterMs } from "./step-runner.ts";
import { TaskPoller } from "./task-poller.ts";
import { WorkerClaims } from "./worker-claims.ts";
import { drainOf, workerSettings, type StopOptions, type WorkerOptions, type WorkerSettings } from "./worker-options.ts";
import type { WorkerParent } from "./worker-parent.ts";

/** Checks come once a second; every so many of them, claims that nobody here knows of are looked for. */
const auditEveryChecks = 10;

/** A worker that stops waits so long at most for the last heartbeats of its steps to be recorded. */
const heartbeatsMs = 1000;

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

/** Claims executions and runs them. Made by `pawl.worker()`. */
export class Worker {
  readonly #parent: WorkerParent;
  readonly #settings: WorkerSettings;
  readonly #rules: ClaimRules;
  readonly #queues: QueueClaims;
  readonly #poller: TaskPoller;
  readonly #executions: LocalExecutions;
  readonly #claims: WorkerClaims;
  readonly #schedules: SchedulePoller | undefined;
  readonly #membership: Membership;
  readonly #retention: RetentionRunner;
  readonly #reaper: Reaper;
  #state: WorkerHealth["state"] = "running";
  #tickTimer: Timer | undefined;
  #lastCheck = 0;
  #checks = 0;
  #uninstallGuard: (() => void) | undefined;
  #started: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #removeHintListener: (() => void) | undefined;

  /** @throws OptionInvalid, WorkflowDuplicate */
  constructor(parent: WorkerParent, options: WorkerOptions) {
    const { store, namespace, logger, runtime } = parent;
    const settings = workerSettings(options);
    const { registry, taskQueues, leaseMs, pollMs } = settings;
    const wake = (): void => this.#poller.wake();
    this.#parent = parent;
    this.#settings = settings;
    this.#rules = new ClaimRules(store, namespace, taskQueues, registry.keys);
    this.#queues = new QueueClaims(store, runtime, namespace, this.#rules, settings.manual ? undefined : pollMs);
    this.#poller = new TaskPoller(
      {
        freeSlots: () => this.#claims.freeSlots(),
        claim: (limit) => this.#claims.claim(limit),
        comeAgain: () => this.#queues.comeAgain(),
        claimFailed: (error) => logger.error(`claim: ${error instanceof Error ? error.message : String(error)}`),
      },
      runtime,
      pollMs,
      settings.manual,
    );
    this.#executions = new LocalExecutions(parent, this, settings, this.#rules, this.#queues, this.#poller, () => this.#executionsEnded());
    this.#claims = new WorkerClaims(parent, this, settings, this.#queues, this.#rules, this.#executions, wake);
    if (settings.schedules) this.#schedules = new SchedulePoller(store, namespace, logger, runtime, pollMs, wake);
    this.#membership = new Membership(
      store,
      logger,
      runtime,
      {
        namespace,
        taskQueues,
        definitions: registry.keys,
        definitionQueues: registry.all.map((workflow) => workflow.taskQueue),
        concurrency: settings.concurrency,
        leaseMs,
        hangMs: settings.hangMs,
        killOnHang: settings.killOnHang,
      },
      (error) => {
        parent.telemetry?.measured("lease.lost", 1);
        this.#executions.dropAll(error);
      },
      wake,
    );
    this.#retention = new RetentionRunner(store, namespace, logger, runtime, settings.retentionMs);
    this.#reaper = new Reaper(store, logger, runtime, leaseMs, () => this.workerId, wake);
  }

  get workerId(): string {
    return this.#membership.workerId;
  }

  /** Registers and begins to claim. Called by `pawl.worker()`. */
  start(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    this.#uninstallGuard = installDeterminismGuard();
    await this.#membership.register();
    await this.#rules.refresh();
    this.#removeHintListener = this.#parent.store.onHint((hint) => this.#hinted(hint));
    this.#tickTimer = this.#parent.runtime.startInterval(announceAfterMs, () => this.#tick());
    await this.#reaper.start();
    this.#retention.start();
    this.#poller.wake();
    if (!this.#settings.manual) this.#schedules?.wake();
  }

  health(): WorkerHealth {
    return {
      workerId: this.workerId,
      state: this.#state,
      leaseValid: this.#membership.leaseValid,
      slots: { used: this.#executions.slots.used, total: this.#executions.slots.total },
      active: this.#executions.size,
      staleWritesRejected: this.#executions.staleWrites,
    };
  }

  /**
   * Starts the executions of schedules that are due, claims what is due now, runs it until it ends, waits or parks, and gives the number of executions claimed. For tests
   * with `manual: true`, which need not wait for polls.
   */
  async runOnce(): Promise<number> {
    let claimed = 0;
    if (await this.#rules.refresh()) this.#executions.heedPauses();
    for (;;) {
      await this.#schedules?.fireNow();
      await this.#claims.givenBack();
      const now = await this.#poller.claimNow();
      claimed += now;
      await this.#executions.whenQuiet();
      if (now === 0) return claimed;
    }
  }

  /**
   * Stops: claims nothing more, lets running steps finish for up to `drain` (10 seconds), then gives back what is left,
   * without counting it as a death. Where the database cannot be reached, it gives that up 10 seconds later: what is left then goes on
   * when the lease has ended. Calling it again waits for the same stop.
   */
  stop(options: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(drainOf(options, "stop"));
    return this.#stopping;
  }

  // For the client

  /** Keeps a slot and gives this worker's id, if it can run that workflow at once. */
  reserveSlot(runId: string, workflow: Pick<AnyWorkflow, "name" | "version">, taskQueue: string): string | null {
    return this.#claims.reserveSlot(runId, workflow, taskQueue);
  }

  /** The start that a slot was reserved for is durable: run it. */
  startReserved(start: StartOperation, at: number): void {
    this.#executions.startReserved(start, at);
  }

  cancelReservation(runId: string): void {
    this.#executions.cancelReservation(runId);
  }

  runs(runId: string): boolean {
    return this.#executions.get(runId) !== undefined;
  }

  /**
   * The answer of an execution that runs here; undefined for any other, and without a lease: another worker may be further with it by
   * now. @throws MessageUnknown, and what the workflow's function throws
   */
  query(runId: string, name: string, argument: unknown): { readonly value: unknown } | undefined {
    return this.#membership.leaseValid ? this.#executions.get(runId)?.query(name, argument) : undefined;
  }

  /** The code of a workflow, if this worker has it. */
  definition(workflow: string, version: string): AnyWorkflow | undefined {
    return this.#settings.registry.get(workflow, version);
  }

  // For its parts

  /** False while its lease may have ended, and once it stops: then nothing new is started. */
  mayStartSteps(): boolean {
    return this.#state === "running" && this.holdsLease();
  }

  /** Frees what it does not run any more. */
  giveBackSoon(): void {
    this.#claims.giveBackSoon();
  }

  holdsLease(): boolean {
    return this.#membership.leaseValid;
  }

  // Hints

  #hinted(hint: Hint): void {
    if (hint.kind === "tasks") {
      const mine =
        (hint.namespace === this.#parent.namespace || hint.namespace === "*") && (hint.taskQueue === "*" || this.#settings.taskQueues.includes(hint.taskQueue));
      if (mine) this.#poller.wake();
    } else if (hint.kind === "schedules") {
      if (hint.namespace === this.#parent.namespace && !this.#settings.manual) this.#schedules?.wake();
    } else if (hint.kind === "pauses" || hint.kind === "queues") {
      if (hint.namespace === this.#parent.namespace) void this.#refreshRules();
    } else if (hint.kind === "ended") this.#executionsEnded();
    else if (hint.kind === "inbox") {
      for (const runId of hint.runIds) {
        const execution = this.#executions.get(runId);
        if (execution !== undefined) this.#executions.wantsInbox(execution);
      }
    }
  }

  async #refreshRules(): Promise<void> {
    // It fails when the store is closing; the next check comes in a second.
    const changed = await this.#rules.refresh().catch(() => false);
    if (!changed || this.#state !== "running") return;
    this.#executions.heedPauses();
    this.#poller.wake();
  }

  #executionsEnded(): void {
    if (!this.#settings.manual) this.#schedules?.executionsEnded();
  }

  // Keeping watch

  #tick(): void {
    for (const execution of this.#executions.all()) execution.keepWatch();
    const now = this.#parent.runtime.monotonicMs();
    if (now - this.#lastCheck >= 1000) {
      this.#lastCheck = now;
      void this.#check();
    }
  }

  /** The truth behind the hints: which claims still hold, and whether those that wait have messages. */
  async #check(): Promise<void> {
    const executions = [...this.#executions.all()];
    if (!this.mayStartSteps()) return;
    void this.#refreshRules();
    if (++this.#checks % auditEveryChecks === 0 && !this.#poller.isClaiming) await this.#claims.giveBackUnknown().catch(() => {});
    if (executions.length === 0) return;
    try {
      const lost = await this.#parent.store.lostClaims(executions.map(({ runId, epoch }) => ({ runId, epoch })));
      // The very ones that were asked about: meanwhile a run may have been parked and claimed again.
      const gone = new Set(lost);
      for (const execution of executions) {
        // If it is ending, the reply to that is on its way, and says whether it was written.
        if (gone.has(execution.runId) && !execution.isEnding)
          execution.drop(new ExecutionCancelled(execution.executionId, "another worker owns it now, or it was terminated"));
      }
      for (const execution of executions) if (this.runs(execution.runId)) this.#executions.wantsInbox(execution);
    } catch {
      // The store is closing, or the next check finds out.
    }
    if (this.mayStartSteps()) this.#executions.resumeAll();
  }

  // Stopping

  async #stop(drainMs: number): Promise<void> {
    this.#state = "stopping";
    const { runtime, store, namespace } = this.#parent;
    try {
      await within(runtime, drainMs + closeTimeoutMs, this.#leave(drainMs));
    } finally {
      this.#uninstallGuard?.();
      this.#state = "stopped";
      for (const taskQueue of this.#settings.taskQueues) store.hint({ kind: "tasks", namespace, taskQueue });
      this.#parent.workerStopped(this);
    }
  }

  /** All that waits for the database. Where that cannot be reached, it goes on by itself when it can be, or the store is closed. */
  async #leave(drainMs: number): Promise<void> {
    const ceased = this.#cease();
    if (drainMs > 0) {
      const quiet = ceased.then(() => this.#executions.whenQuiet());
      await within(this.#parent.runtime, drainMs, quiet);
    }
    // Only what is written before they are dropped is not lost. Where the database does not answer, their steps shall stop all the same.
    if (this.#executions.recordHeartbeats()) await within(this.#parent.runtime, heartbeatsMs, this.#parent.committer.drain());
    this.#executions.stop();
    await Promise.all([ceased, this.#reaper.stop(), this.#retention.stop()]);
    this.#tickTimer?.clear();
    await this.#parent.committer.drain();
    await this.#membership.leave();
  }

  /** Resolves when it claims and starts nothing any more. */
  async #cease(): Promise<void> {
    // Those that only wait to start their next step hold nothing up.
    this.#executions.resumeAll();
    // What registers after it has left would look alive to everyone.
    await this.#started?.catch(() => {});
    this.#removeHintListener?.();
    await Promise.all([this.#poller.stop(), this.#schedules?.stop()]);
  }
}
