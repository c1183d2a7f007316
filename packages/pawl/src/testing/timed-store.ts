import type { Logger } from "../base/logger.ts";
import type { HintChannel } from "../postgres/hint-channel.ts";
import { PostgresStore } from "../postgres/postgres-store.ts";
import { TransactionGateway } from "../postgres/gateway.ts";
import type { CommitBatch, CommitOutcome, LeaseKeeper, WorkerRegistration } from "../store/store.ts";
import type { MemoryDatabase } from "./memory-database.ts";
import type { VirtualProcess } from "./virtual-process.ts";

export interface TimedStoreParts {
  readonly database: MemoryDatabase;
  readonly process: VirtualProcess;
  readonly hints: HintChannel;
  readonly logger: Logger;
  /** Around every commit of this process. */
  readonly onCommit?: (batch: CommitBatch, commit: () => Promise<CommitOutcome>) => Promise<CommitOutcome>;
}

/** Longer than any test lets time pass: leases shall end because a process is gone, not because a test slept for a month. */
const leaseMs = 1000 * 365 * 86_400_000;

/** The store of one process in virtual time. */
export class TimedStore extends PostgresStore {
  readonly #onCommit: TimedStoreParts["onCommit"];

  constructor({ database, process, hints, logger, onCommit }: TimedStoreParts) {
    const gateway = new TransactionGateway(database, { logger, runtime: process, around: process.around });
    super({
      gateway,
      // Not the process's chance, which is the same in all: commits of two processes must not look alike.
      runtime: { random: () => process.identity.pid / 2 ** 24 },
      queries: database.queries,
      hints,
      sessions: database.sessions,
      schema: "pawl",
      startLeaseKeeper: () => keptLease(),
      disconnect: async () => {},
    });
    this.#onCommit = onCommit;
  }

  override registerWorker(registration: WorkerRegistration): Promise<void> {
    return super.registerWorker({ ...registration, leaseMs });
  }

  override commit(batch: CommitBatch): Promise<CommitOutcome> {
    return this.#onCommit === undefined ? super.commit(batch) : this.#onCommit(batch, () => super.commit(batch));
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
