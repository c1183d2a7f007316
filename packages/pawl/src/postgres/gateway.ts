import { setMaxListeners } from "node:events";
import type { Logger } from "../base/logger.ts";
import { pause, type Runtime } from "../base/runtime.ts";
import { Closed, DatabaseDiskFull } from "../base/errors.ts";
import { classifyFault, isDiskFull, type Fault } from "./faults.ts";
import type { Connections, Transaction } from "./transaction.ts";

/** Wraps every attempt of every named transaction; tests kill, delay or fail here. Production has none. */
export type Around = <Result>(name: string, attempt: () => Promise<Result>) => Promise<Result>;

/** Called before an attempt and after one that succeeded. */
export type Interceptor = (name: string, phase: "before" | "after") => void | Promise<void>;

export function aroundBy(intercept: Interceptor): Around {
  return async (name, attempt) => {
    await intercept(name, "before");
    const result = await attempt();
    await intercept(name, "after");
    return result;
  };
}

export interface GatewayOptions {
  readonly logger: Logger;
  readonly runtime: Runtime;
  readonly around?: Around | undefined;
  /** Tries to bring the database back (embedded server) before the next attempt. */
  readonly onOutage?: (() => Promise<void>) | undefined;
}

export interface Sent<Row> {
  readonly rows: Row[];
  /** Whether an earlier send may have committed already: its reply was lost. */
  readonly repeated: boolean;
}

const firstWaitMs = 10;
const longestWaitMs = 1000;

/**
 * The one choke point: every named transaction goes through `send`, which repeats it after transient faults until it
 * succeeds or the store is closed. A transaction whose reply was lost is repeated too; its statement is idempotent, and
 * `repeated` tells the caller where that matters.
 */
export class TransactionGateway {
  readonly #connections: Connections;
  readonly #logger: Logger;
  readonly #runtime: Runtime;
  readonly #around: Around | undefined;
  readonly #onOutage: (() => Promise<void>) | undefined;
  readonly #closing = new AbortController();
  #lastWarning = 0;

  constructor(connections: Connections, options: GatewayOptions) {
    this.#connections = connections;
    this.#logger = options.logger;
    this.#runtime = options.runtime;
    this.#around = options.around;
    this.#onOutage = options.onOutage;
    // Every transaction that waits out an outage listens, and Node would take more than ten for a leak.
    setMaxListeners(0, this.#closing.signal);
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    return (await this.send(transaction)).rows;
  }

  /**
   * @param whenLocked what to do where it gives up on a lock
   * @throws the database's error when sending again cannot help; `Closed` once the store is closing
   */
  async send<Row>(transaction: Transaction<Row>, whenLocked: "repeat" | "throw" = "repeat"): Promise<Sent<Row>> {
    const final = whenLocked === "throw" ? (["permanent", "locked"] as const) : (["permanent"] as const);
    const { result, repeated } = await this.#repeat(transaction.name, () => this.#connections.run(transaction), final);
    return { rows: result, repeated };
  }

  /** The same care for reads that are not among the prepared statements. One that somebody has cancelled was too slow, and would be again. */
  async read<Result>(name: string, ask: () => Promise<Result>): Promise<Result> {
    return (await this.#repeat(name, ask, ["permanent", "cancelled"])).result;
  }

  /** @param final what it is not repeated after */
  async #repeat<Result>(
    name: string,
    attempt: () => Promise<Result>,
    final: readonly Fault["kind"][],
  ): Promise<{ readonly result: Result; readonly repeated: boolean }> {
    let repeated = false;
    for (let failures = 0; ; failures++) {
      this.#checkOpen();
      try {
        return { result: await (this.#around === undefined ? attempt() : this.#around(name, attempt)), repeated };
      } catch (error) {
        // Whatever the connections say that are being closed: it is why.
        this.#checkOpen();
        const fault = classifyFault(error);
        // It may be the first send that has the lock, and is about to commit: then it is not for the caller to send something else.
        const isFinal = final.includes(fault.kind) && !(fault.kind === "locked" && repeated);
        if (isFinal) throw error;
        if (fault.kind === "unknown") repeated = true;
        if (fault.kind !== "locked") this.#warn(name, error);
        if (fault.kind === "unknown") await this.#onOutage?.().catch((outage: unknown) => this.#warn(name, outage));
        const longest = Math.min(firstWaitMs * 2 ** Math.min(failures, 20), longestWaitMs);
        try {
          await pause(this.#runtime, longest / 2 + (this.#runtime.random() * longest) / 2, this.#closing.signal);
        } catch {
          throw new Closed("The store");
        }
      }
    }
  }

  close(): void {
    this.#closing.abort();
  }

  /** @throws Closed */
  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new Closed("The store");
  }

  /** One line a second at most, however many transactions wait. */
  #warn(name: string, error: unknown): void {
    const now = this.#runtime.monotonicMs();
    if (this.#lastWarning !== 0 && now - this.#lastWarning < 1000) return;
    this.#lastWarning = now;
    const message = isDiskFull(error) ? new DatabaseDiskFull(error).message : error instanceof Error ? error.message || error.name : String(error);
    this.#logger.warn(`database: ${message} (${name}; trying again)`);
  }
}
