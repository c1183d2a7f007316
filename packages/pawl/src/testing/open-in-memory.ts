import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { guardedLogger } from "../base/guarded.ts";
import { silentLogger, type Logger } from "../base/logger.ts";
import { nodeRuntime } from "../base/node-runtime.ts";
import { Pawl } from "../pawl.ts";
import { TransactionGateway } from "../postgres/gateway.ts";
import { LocalHints } from "../postgres/hint-channel.ts";
import { startInlineLeaseKeeper } from "../postgres/inline-lease-keeper.ts";
import { PostgresStore } from "../postgres/postgres-store.ts";
import { MemoryDatabase, type SetUp } from "./memory-database.ts";

export interface InMemoryOptions {
  readonly namespace?: string;
  readonly logger?: Logger;
  /** Makes the tables that your SQL finds (nothing). */
  readonly setUp?: SetUp;
}

const openKeys = { namespace: true, logger: true, setUp: true } satisfies KnownKeys<InMemoryOptions>;

/**
 * A Pawl on a PostgreSQL inside this process (PGlite): nothing is started, nothing is kept. For tests; it is one session,
 * blocks the event loop while it works, and loses everything when the process ends. Time is real; `TestPawl` skips it.
 * Needs `@electric-sql/pglite` installed.
 *
 * @throws OptionInvalid; what `setUp` throws
 */
export async function openInMemory(options: InMemoryOptions = {}): Promise<Pawl> {
  checkKeys(options, openKeys, "openInMemory");
  const logger = guardedLogger(options.logger ?? silentLogger);
  const database = await MemoryDatabase.open(options.setUp);
  const gateway = new TransactionGateway(database, { logger, runtime: nodeRuntime });
  const store = new PostgresStore({
    gateway,
    runtime: nodeRuntime,
    queries: database.queries,
    hints: new LocalHints(nodeRuntime),
    sessions: database.sessions,
    schema: "pawl",
    startLeaseKeeper: (lease) => startInlineLeaseKeeper(gateway, nodeRuntime, lease),
    disconnect: () => database.close(),
  });
  return new Pawl({ store, namespace: options.namespace ?? "default", logger, runtime: nodeRuntime, onClose: async () => {} });
}
