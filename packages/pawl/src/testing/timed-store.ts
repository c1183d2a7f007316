import type { Logger } from "../base/logger.ts";
import type { HintChannel } from "../postgres/hint-channel.ts";
import { PostgresStore } from "../postgres/postgres-store.ts";
import { TransactionGateway } from "../postgres/gateway.ts";
import type { CommitBatch, CommitOutcome, LeaseKeeper, WorkerRegistration } from "../store/store.ts";
import type { TransactionStore, TransactOutcome, TransactRequest } from "../store/transact.ts";
import type { MemoryDatabase } from "./memory-database.ts";
import type { VirtualProcess } from "./virtual-process.ts";

export interface TimedStoreParts {
  readonly database: MemoryDatabase;
  readonly process: VirtualProcess;
  readonly hints: HintChannel;
  readonly logger: Logger;
  readonly onCommit?: CommitWatch;
}

/** Called around every commit of a process, that of a transactional step included. */
export interface CommitWatch {
  before(batch: CommitBatch): Promise<void>;
  after(batch: CommitBatch): Promise<void>;
}

/** Longer than any test lets time pass: leases shall end because a process is gone, not because a test slept for a month. */
const leaseMs = 1000 * 365 * 86_400_000;

/** The store of one process in virtual time. */
export class TimedStore extends PostgresStore {
  readonly #onCommit: CommitWatch | undefined;

  constructor({ database, process, hints, logger, onCommit }: TimedStoreParts) {
    const gateway = new TransactionGateway(database, { logger, runtime: process, around: process.around });
    super({
      gateway,
      // Not the process's chance, which is the same in all: commits of two processes must not look alike.
      runtime: { random: () => process.identity.pid / 2 ** 24 },
      queries: database.queries,
      hints,
      sessions: database.sessions,
      aroundTransactions: (transactions) => new TimedTransactions(transactions, process, onCommit),
      schema: "pawl",
      startLeaseKeeper: () => keptLease(),
      disconnect: async () => {},
    });
    this.#onCommit = onCommit;
  }

  override registerWorker(registration: WorkerRegistration): Promise<void> {
    return super.registerWorker({ ...registration, leaseMs });
  }

  override async commit(batch: CommitBatch): Promise<CommitOutcome> {
    await this.#onCommit?.before(batch);
    const outcome = await super.commit(batch);
    await this.#onCommit?.after(batch);
    return outcome;
  }
}

/** Users' transactions of one process. When it dies, so does its connection: what is open is rolled back. */
class TimedTransactions implements TransactionStore {
  readonly #transactions: TransactionStore;
  readonly #process: VirtualProcess;
  readonly #onCommit: CommitWatch | undefined;

  constructor(transactions: TransactionStore, process: VirtualProcess, onCommit: CommitWatch | undefined) {
    this.#transactions = transactions;
    this.#process = process;
    this.#onCommit = onCommit;
  }

  get isExclusive(): boolean {
    return this.#transactions.isExclusive;
  }

  async run(request: TransactRequest): Promise<TransactOutcome> {
    let batch: CommitBatch | undefined;
    const work: TransactRequest["work"] = async (client) => {
      const append = await request.work(client);
      if (append === undefined) return undefined;
      batch = { starts: [], appends: [append] };
      await this.#onCommit?.before(batch);
      return append;
    };
    const outcome = await this.#transactions.run({ ...request, work: (client) => this.#process.whileAlive(() => work(client)) });
    await this.#process.goOn();
    if (outcome.outcome === "accepted") await this.#onCommit?.after(batch!);
    return outcome;
  }

  start(...given: Parameters<TransactionStore["start"]>): ReturnType<TransactionStore["start"]> {
    return this.#transactions.start(...given);
  }

  signal(...given: Parameters<TransactionStore["signal"]>): ReturnType<TransactionStore["signal"]> {
    return this.#transactions.signal(...given);
  }
}

function keptLease(): LeaseKeeper {
  let kept = true;
  return {
    isValid: () => kept,
    stop: async () => {
      kept = false;
    },
  };
}
