import type { AnyWorkflow } from "../definition/workflow.ts";
import type { ClaimedExecution } from "../store/store.ts";
import type { ClaimRules } from "./claim-rules.ts";
import type { LocalExecutions } from "./local-executions.ts";
import type { QueueClaims } from "./queue-claims.ts";
import type { WorkerSettings } from "./worker-options.ts";
import type { WorkerParent } from "./worker-parent.ts";
import type { Worker } from "./worker.ts";

/**
 * What one worker claims: by its polls, and by starts made in its process.
 *
 * Owns: giving back what it does not know of.
 * Does not own: when to claim (TaskPoller), by which statement (QueueClaims), what is claimed (LocalExecutions).
 */
export class WorkerClaims {
  readonly #parent: WorkerParent;
  readonly #worker: Pick<Worker, "workerId" | "mayStartSteps" | "health">;
  readonly #settings: WorkerSettings;
  readonly #queues: QueueClaims;
  readonly #rules: ClaimRules;
  readonly #executions: LocalExecutions;
  readonly #onFree: () => void;
  #givingBack: Promise<void> | undefined;
  #isToGiveBack = false;
  #givenBack = Promise.resolve();
  /** Settles with the claim that is under way, if one is. */
  #claiming: Promise<unknown> = Promise.resolve();

  /** @param onFree told when it may claim again */
  constructor(
    parent: WorkerParent,
    worker: Pick<Worker, "workerId" | "mayStartSteps" | "health">,
    settings: WorkerSettings,
    queues: QueueClaims,
    rules: ClaimRules,
    executions: LocalExecutions,
    onFree: () => void,
  ) {
    this.#parent = parent;
    this.#worker = worker;
    this.#settings = settings;
    this.#queues = queues;
    this.#rules = rules;
    this.#executions = executions;
    this.#onFree = onFree;
  }

  /** Keeps a slot for a start and gives this worker's id, if it can run that workflow at once. */
  reserveSlot(runId: string, workflow: Pick<AnyWorkflow, "name" | "version">, taskQueue: string): string | null {
    const { registry, taskQueues, manual } = this.#settings;
    const { slots } = this.#executions;
    if (manual || this.#givingBack !== undefined || slots.free <= 0 || !this.#worker.mayStartSteps()) return null;
    if (!taskQueues.includes(taskQueue) || this.#rules.hasLimits(taskQueue) || registry.get(workflow.name, workflow.version) === undefined) return null;
    if (this.#rules.isPaused({ taskQueue, workflow: workflow.name })) return null;
    slots.reserve(runId, "start");
    return this.#worker.workerId;
  }

  /** How many executions it may claim now. */
  freeSlots(): number {
    return this.#worker.mayStartSteps() && this.#rules.areKnown && this.#givingBack === undefined && !this.#isToGiveBack ? this.#executions.slots.free : 0;
  }

  /** Claims up to `limit` executions, begins them, and gives how many it got. */
  claim(limit: number): Promise<number> {
    const claimed = this.#claim(limit);
    this.#claiming = claimed.catch(() => {});
    return claimed;
  }

  async #claim(limit: number): Promise<number> {
    const { telemetry } = this.#parent;
    const { workerId } = this.#worker;
    const request = { workerId, limit, suspects: !this.#executions.hasSuspect };
    try {
      return await this.#queues.claim(request, async ({ executions, now, repeated }, tookMs) => {
        telemetry?.measured("claim.executions", executions.length);
        telemetry?.measured("claim.duration", tookMs);
        // The lease was lost meanwhile: they will be taken over like everything else under the old id.
        if (workerId !== this.#worker.workerId) return;
        if (now !== undefined) this.#executions.observe(now);
        await this.#adoptAll(executions, workerId);
        // A claim whose reply was lost may have given this worker executions it has never heard of.
        if (repeated) await this.giveBackUnknown();
      });
    } catch (error) {
      // Claimed, but not to be read: better given back than held for ever.
      if (this.#worker.health().state === "running") await this.giveBackUnknown();
      throw error;
    }
  }

  async #adoptAll(executions: readonly ClaimedExecution[], workerId: string): Promise<void> {
    const { slots } = this.#executions;
    const withInbox = executions.filter(({ inboxSeq }) => inboxSeq > 0).map(({ runId }) => runId);
    // The slots are taken while the inboxes are read.
    for (const { runId } of executions) slots.reserve(runId, "claim");
    try {
      const inboxes = withInbox.length === 0 ? [] : await this.#parent.store.readInboxes(withInbox);
      for (const execution of executions) {
        slots.unreserve(execution.runId, "claim");
        if (workerId === this.#worker.workerId)
          this.#executions.adopt(
            execution,
            inboxes.find(({ runId }) => runId === execution.runId),
          );
      }
    } finally {
      for (const { runId } of executions) slots.unreserve(runId, "claim");
    }
  }

  /**
   * Frees whatever the database says this worker owns and it does not know of. Nothing is claimed meanwhile, by a start or
   * otherwise: that would not be in the list of what it knows.
   */
  giveBackUnknown(): Promise<void> {
    this.#givingBack ??= this.#giveBack().finally(() => {
      this.#givingBack = undefined;
      this.#onFree();
    });
    return this.#givingBack;
  }

  /**
   * The same for what leaves in this turn, once it is known what the claim has got that is under way; until then there is no other.
   * Where that fails, the next look for what is unknown here finds it.
   */
  giveBackSoon(): void {
    if (this.#isToGiveBack) return;
    this.#isToGiveBack = true;
    this.#givenBack = new Promise((resolve) => this.#parent.runtime.soon(() => resolve(this.#giveBackAgain())));
  }

  /** Resolves when nothing that has left is to be given back. */
  givenBack(): Promise<void> {
    return this.#givenBack;
  }

  async #giveBackAgain(): Promise<void> {
    await this.#claiming;
    // The one that is under way may keep what has left since.
    await this.#givingBack?.catch(() => {});
    this.#isToGiveBack = false;
    await this.giveBackUnknown().catch(() => {});
  }

  async #giveBack(): Promise<void> {
    const { store, namespace } = this.#parent;
    if ((await store.release(this.#worker.workerId, this.#executions.claimed)) === 0) return;
    for (const taskQueue of this.#settings.taskQueues) store.hint({ kind: "tasks", namespace, taskQueue });
  }
}
