import type { ClaimRuleNames, PostgresStore } from "pawl/internal";
import { isToBeCancelled, type Monitor } from "./monitor.ts";
import { Violation } from "./violation.ts";
import type { SimProcess } from "./sim-process.ts";

/** What a process has been told of its claims, held against what it does next and against the database. */
export class Claims {
  readonly #monitor: Monitor;
  readonly #workers = new Map<SimProcess, string>();
  readonly #claiming = new Map<SimProcess, number>();
  readonly #claimedAt = new Map<SimProcess, number>();
  /** By process and run: the epoch of the latest claim, and of the latest that was rejected. */
  readonly #epochs = new Map<SimProcess, Map<string, { claimed: number; rejected: number }>>();
  /** Runs of which the process was told, by what it read or wrote, that they are to be cancelled. */
  readonly #cancelled = new Map<SimProcess, Set<string>>();
  /** What the process was told last of paused queues and workflows, and when: virtual time. */
  readonly #pauses = new Map<SimProcess, { readonly names: ClaimRuleNames; readonly at: number }>();

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
  }

  /** Whether the process waits for a reply without which it claims nothing, or has claimed something since that virtual time. */
  isBusySince(process: SimProcess, ms: number): boolean {
    return (this.#claiming.get(process) ?? 0) > 0 || (this.#claimedAt.get(process) ?? -1) >= ms;
  }

  /** Whether this process was told that another owns the run, and has not claimed it since. */
  isFenced(process: SimProcess, runId: string): boolean {
    const epochs = this.#epochs.get(process)?.get(runId);
    return epochs !== undefined && epochs.rejected >= epochs.claimed;
  }

  /** Whether this process knows that the run is to be cancelled. */
  hasHeardOfCancel(process: SimProcess, runId: string): boolean {
    return this.#cancelled.get(process)?.has(runId) === true;
  }

  /** Whether this process knows that the task queue or the workflow is paused: it was told before this moment. */
  knowsOfPause(process: SimProcess, taskQueue: string, workflow: string): boolean {
    const told = this.#pauses.get(process);
    if (told === undefined || told.at >= process.monotonicMs()) return false;
    return told.names.pausedQueues.includes(taskQueue) || told.names.pausedWorkflows.includes(workflow);
  }

  /** The worker of this process, as it has registered last. */
  workerIn(process: SimProcess): string | undefined {
    return this.#workers.get(process);
  }

  /** Puts itself between a process and its store. @param onViolation called with what must never be */
  watch(process: SimProcess, store: PostgresStore, onViolation: (violation: Violation) => void): PostgresStore {
    const epochs = new Map<string, { claimed: number; rejected: number }>();
    this.#epochs.set(process, epochs);
    const cancelled = new Set<string>();
    this.#cancelled.set(process, cancelled);
    const of = (runId: string): { claimed: number; rejected: number } => {
      let known = epochs.get(runId);
      if (known === undefined) epochs.set(runId, (known = { claimed: 0, rejected: -1 }));
      return known;
    };
    const [commit, claim, registerWorker] = [store.commit.bind(store), store.claim.bind(store), store.registerWorker.bind(store)];
    const [nextDue, release, readClaimRules] = [store.nextDue.bind(store), store.release.bind(store), store.readClaimRules.bind(store)];
    store.nextDue = (request) => this.#whileClaiming(process, nextDue(request));
    // Until what it may own is given back, nothing is claimed.
    store.release = (...given) => this.#whileClaiming(process, release(...given));
    // Until it hears that a pause has ended, it leaves alone what was paused.
    store.readClaimRules = async (namespace) => {
      const names = await this.#whileClaiming(process, readClaimRules(namespace));
      this.#pauses.set(process, { names, at: process.monotonicMs() });
      return names;
    };
    store.registerWorker = (registration) => {
      this.#workers.set(process, registration.workerId);
      return registerWorker(registration);
    };
    store.commit = async (batch) => {
      const stale = batch.appends.find((append) => of(append.runId).rejected >= append.epoch);
      if (stale !== undefined) onViolation(new Violation("I4", `${process.name} writes to run ${stale.runId} again, whose epoch ${stale.epoch} was rejected`));
      const outcome = await commit(batch);
      for (const [index, append] of batch.appends.entries()) {
        if (outcome.appends[index]?.outcome !== "rejected") {
          if (append.events.some(({ type }) => type === "CancelRequested")) cancelled.add(append.runId);
          continue;
        }
        of(append.runId).rejected = append.epoch;
        const row = this.#monitor.executions.get(append.runId);
        if (row?.state === "running" && row.worker_id !== null && row.epoch === append.epoch)
          onViolation(new Violation("I4", `${process.name} was told that epoch ${append.epoch} of run ${append.runId} is over, and it is not`));
      }
      return outcome;
    };
    store.claim = async (request) => {
      const outcome = await this.#whileClaiming(process, claim(request));
      if (outcome.executions.length > 0) this.#claimedAt.set(process, process.monotonicMs());
      for (const { runId, epoch, history, workflow, version } of outcome.executions) {
        of(runId).claimed = epoch;
        if (!request.definitions.includes(`${workflow}@${version}`))
          onViolation(new Violation("versions", `${process.name} has claimed run ${runId} of ${workflow}@${version}, whose code it does not have`));
        // By what it was told: a late reply knows less than the database.
        if (isToBeCancelled(history)) cancelled.add(runId);
      }
      return outcome;
    };
    return store;
  }

  #whileClaiming<Result>(process: SimProcess, asked: Promise<Result>): Promise<Result> {
    this.#claiming.set(process, (this.#claiming.get(process) ?? 0) + 1);
    return asked.finally(() => this.#claiming.set(process, this.#claiming.get(process)! - 1));
  }
}
