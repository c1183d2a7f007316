import { Closed, LeaseLost } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { pause, type Runtime } from "../base/runtime.ts";
import type { LeaseKeeper, LeaseOptions, Store, WorkerRegistration } from "../store/store.ts";

export type MembershipOptions = Pick<WorkerRegistration, "namespace" | "taskQueues" | "definitions" | "definitionQueues" | "concurrency" | "leaseMs"> &
  Pick<LeaseOptions, "hangMs" | "killOnHang">;

/** A lease that is lost as soon as it is there (its thread cannot start) is replaced ever later. */
const firstWaitMs = 100;
const longestWaitMs = 5000;

/**
 * A worker's row and lease. An id belongs to one unbroken lease: when that is lost, everything claimed under it is lost too,
 * and the worker goes on under a new id.
 */
export class Membership {
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #runtime: Runtime;
  readonly #options: MembershipOptions;
  readonly #onLost: (error: LeaseLost) => void;
  readonly #onRenewed: () => void;
  #workerId: string;
  #lease: LeaseKeeper | undefined;
  #heldSince = 0;
  #waitMs = 0;
  readonly #leaving = new AbortController();
  /** While a lease that was lost is replaced. */
  #renewing: Promise<void> | undefined;

  /**
   * @param onLost called before the new id is in force
   * @param onRenewed called when the new lease holds
   */
  constructor(store: Store, logger: Logger, runtime: Runtime, options: MembershipOptions, onLost: (error: LeaseLost) => void, onRenewed: () => void) {
    this.#store = store;
    this.#logger = logger;
    this.#runtime = runtime;
    this.#workerId = runtime.newUuid();
    this.#options = options;
    this.#onLost = onLost;
    this.#onRenewed = onRenewed;
  }

  get workerId(): string {
    return this.#workerId;
  }

  /** False as soon as, by this process's clock, others may have taken over. */
  get leaseValid(): boolean {
    return this.#lease?.isValid() ?? false;
  }

  async register(): Promise<void> {
    const { hangMs, killOnHang, ...registration } = this.#options;
    const workerId = this.#workerId;
    const heldSince = this.#runtime.monotonicMs();
    this.#heldSince = heldSince;
    await this.#store.registerWorker({ workerId, ...registration, ...this.#runtime.identity });
    this.#lease = this.#store.keepLease({ workerId, leaseMs: registration.leaseMs, heldSince, hangMs, killOnHang, onLost: () => this.#lost() });
  }

  /** Gives up every claim and the lease. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    // What registers after it has left would look alive to everyone.
    await this.#renewing;
    try {
      await this.#store.release(this.#workerId, []);
      await this.#store.stopWorker(this.#workerId);
    } finally {
      await this.#lease?.stop();
    }
  }

  get #left(): boolean {
    return this.#leaving.signal.aborted;
  }

  #lost(): void {
    if (!this.#left) this.#renewing = this.#renew();
  }

  async #renew(): Promise<void> {
    const error = new LeaseLost(this.#workerId);
    this.#logger.warn(error.message);
    const lease = this.#lease;
    this.#lease = undefined;
    this.#onLost(error);
    this.#workerId = this.#runtime.newUuid();
    await lease?.stop();
    const held = this.#runtime.monotonicMs() - this.#heldSince >= this.#options.leaseMs;
    if (held) this.#waitMs = 0;
    else this.#waitLonger();
    while (!(await this.#tryToRegister())) this.#waitLonger();
  }

  #waitLonger(): void {
    this.#waitMs = Math.min(Math.max(firstWaitMs, this.#waitMs * 2), longestWaitMs);
  }

  /** Gives whether that is done, or is not wanted any more: without a lease it would never claim again. */
  async #tryToRegister(): Promise<boolean> {
    try {
      if (this.#waitMs > 0) await pause(this.#runtime, this.#waitMs, this.#leaving.signal);
      if (this.#left) return true;
      await this.register();
    } catch (failure) {
      if (this.#left || failure instanceof Closed) return true;
      this.#logger.error(`register: ${failure instanceof Error ? failure.message : String(failure)}; trying again`);
      return false;
    }
    this.#onRenewed();
    return true;
  }
}
