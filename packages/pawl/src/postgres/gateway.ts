import { setTimeout as wait } from "node:timers/promises";
import type { Logger } from "../base/logger.ts";
import { Closed, DatabaseDiskFull } from "../base/errors.ts";
import { classifyFault, isDiskFull } from "./faults.ts";
import type { Connections, Transaction } from "./transaction.ts";

/** Called around every transaction; tests kill, delay or fail here. Production has none. */
export type Interceptor = (name: string, phase: "before" | "after") => void | Promise<void>;

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
  readonly #intercept: Interceptor | undefined;
  readonly #onOutage: (() => Promise<void>) | undefined;
  readonly #closing = new AbortController();
  #lastWarning = 0;

  /** @param onOutage tries to bring the database back (embedded server) before the next attempt */
  constructor(connections: Connections, logger: Logger, options: { intercept?: Interceptor | undefined; onOutage?: (() => Promise<void>) | undefined } = {}) {
    this.#connections = connections;
    this.#logger = logger;
    this.#intercept = options.intercept;
    this.#onOutage = options.onOutage;
  }

  async run<Row>(transaction: Transaction<Row>): Promise<Row[]> {
    return (await this.send(transaction)).rows;
  }

  /** @throws the database's error when sending again cannot help; `Closed` once the store is closing */
  async send<Row>(transaction: Transaction<Row>): Promise<Sent<Row>> {
    const { result, repeated } = await this.#repeat(transaction.name, () => this.#connections.run(transaction));
    return { rows: result, repeated };
  }

  /** The same care for reads that are not among the prepared statements. */
  async read<Result>(name: string, ask: () => Promise<Result>): Promise<Result> {
    return (await this.#repeat(name, ask)).result;
  }

  async #repeat<Result>(name: string, attempt: () => Promise<Result>): Promise<{ readonly result: Result; readonly repeated: boolean }> {
    let repeated = false;
    for (let failures = 0; ; failures++) {
      try {
        if (this.#intercept === undefined) return { result: await attempt(), repeated };
        await this.#intercept(name, "before");
        const result = await attempt();
        await this.#intercept(name, "after");
        return { result, repeated };
      } catch (error) {
        const fault = classifyFault(error);
        if (fault.kind === "permanent") throw error;
        if (fault.kind === "unknown") repeated = true;
        if (this.#closing.signal.aborted) throw new Closed("The store");
        this.#warn(name, error);
        if (fault.kind === "unknown") await this.#onOutage?.().catch((outage: unknown) => this.#warn(name, outage));
        const longest = Math.min(firstWaitMs * 2 ** Math.min(failures, 20), longestWaitMs);
        try {
          await wait(longest / 2 + (Math.random() * longest) / 2, undefined, { signal: this.#closing.signal });
        } catch {
          throw new Closed("The store");
        }
      }
    }
  }

  close(): void {
    this.#closing.abort();
  }

  /** One line a second at most, however many transactions wait. */
  #warn(name: string, error: unknown): void {
    const now = performance.now();
    if (this.#lastWarning !== 0 && now - this.#lastWarning < 1000) return;
    this.#lastWarning = now;
    const message = isDiskFull(error) ? new DatabaseDiskFull(error).message : error instanceof Error ? error.message || error.name : String(error);
    this.#logger.warn(`database: ${message} (${name}; trying again)`);
  }
}
