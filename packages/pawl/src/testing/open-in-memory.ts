import { PGlite } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { silentLogger, type Logger } from "../base/logger.ts";
import { nodeRuntime } from "../base/node-runtime.ts";
import { Pawl } from "../pawl.ts";
import { TransactionGateway } from "../postgres/gateway.ts";
import { LocalHints } from "../postgres/hint-channel.ts";
import { startInlineLeaseKeeper } from "../postgres/inline-lease-keeper.ts";
import { migrate } from "../postgres/migrate.ts";
import { PostgresStore } from "../postgres/postgres-store.ts";
import { Queries } from "../postgres/queries.ts";
import { tablesIn } from "../postgres/schema.ts";
import { PgliteConnections } from "./pglite-connections.ts";

export interface InMemoryOptions {
  readonly namespace?: string;
  readonly logger?: Logger;
}

/**
 * A Pawl on a PostgreSQL inside this process (PGlite): nothing is started, nothing is kept. For tests; it is one session,
 * blocks the event loop while it works, and loses everything when the process ends. Needs `@electric-sql/pglite` installed.
 */
export async function openInMemory(options: InMemoryOptions = {}): Promise<Pawl> {
  const schema = "pawl";
  const logger = options.logger ?? silentLogger;
  const db = await PGlite.create();
  await migrate({ exec: async (sql) => void (await db.exec(sql)), query: async (sql) => (await db.query<Record<string, unknown>>(sql)).rows }, schema, true);
  const connections = new PgliteConnections(db);
  await connections.prepare(schema);
  const gateway = new TransactionGateway(connections, { logger, runtime: nodeRuntime });
  const store = new PostgresStore({
    gateway,
    runtime: nodeRuntime,
    queries: new Queries(drizzle(db), tablesIn(schema)),
    hints: new LocalHints(nodeRuntime),
    startLeaseKeeper: (lease) => startInlineLeaseKeeper(gateway, nodeRuntime, lease),
    disconnect: () => connections.close(),
  });
  return new Pawl({ store, namespace: options.namespace ?? "default", logger, runtime: nodeRuntime, onClose: async () => {} });
}
