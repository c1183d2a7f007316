import { setTimeout as wait } from "node:timers/promises";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import { DatabaseUnreachable, OptionInvalid } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { nodeRuntime } from "../base/node-runtime.ts";
import { classifyFault } from "./faults.ts";
import { aroundBy, TransactionGateway, type Interceptor } from "./gateway.ts";
import { LocalHints, PgHintChannel } from "./hint-channel.ts";
import { migrate, type MigrationReport, type MigrationSession } from "./migrate.ts";
import { keepAlive, PgConnections, sessionSettings } from "./pg-connections.ts";
import { PostgresStore } from "./postgres-store.ts";
import { Queries } from "./queries.ts";
import { checkSchemaName, tablesIn } from "./schema.ts";
import { PgSessions } from "./sessions.ts";
import { startThreadLeaseKeeper } from "./thread-lease-keeper.ts";

export interface PostgresOptions {
  readonly url: string;
  readonly schema: string;
  /** Connections for transactions; reads, hints and each worker's lease have their own. */
  readonly poolSize: number;
  /** How long to try to reach the database before giving up. */
  readonly connectTimeoutMs: number;
  /** Bring the schema up to date; false: refuse if it is not. */
  readonly migrate: boolean;
  /** LISTEN/NOTIFY; without, everything is found by polling. */
  readonly hints: boolean;
  readonly logger: Logger;
  readonly intercept?: Interceptor | undefined;
  readonly onOutage?: (() => Promise<void>) | undefined;
}

/** @throws OptionInvalid, DatabaseUnreachable, DatabaseVersionUnsupported, SchemaTooNew, SchemaOutdated */
export async function openPostgresStore(options: PostgresOptions): Promise<PostgresStore> {
  const { url, schema, logger } = options;
  checkSchemaName(schema);
  await migrateDatabase(options, options.migrate);
  const connections = new PgConnections(url, schema, options.poolSize);
  const gateway = new TransactionGateway(connections, {
    logger,
    runtime: nodeRuntime,
    around: options.intercept === undefined ? undefined : aroundBy(options.intercept),
    onOutage: options.onOutage,
  });
  const readPool = new pg.Pool({
    connectionString: url,
    max: Math.max(1, Math.ceil(options.poolSize / 2)),
    connectionTimeoutMillis: 10_000,
    ...keepAlive,
    application_name: "pawl reads",
    // Awaited by the pool, whatever its types say.
    onConnect: (client) => client.query(sessionSettings) as unknown as void,
  });
  readPool.on("error", () => {});
  return new PostgresStore({
    gateway,
    runtime: nodeRuntime,
    queries: new Queries(drizzle(readPool), tablesIn(schema)),
    hints: options.hints ? new PgHintChannel(url, schema, logger) : new LocalHints(nodeRuntime),
    sessions: new PgSessions(url, options.poolSize, connections),
    schema,
    startLeaseKeeper: (lease) => startThreadLeaseKeeper(url, schema, lease),
    disconnect: async () => {
      await Promise.all([connections.close(), readPool.end()]);
    },
  });
}

/** Connects, checks the server and brings the schema up to date or checks it. @throws as `openPostgresStore` */
export async function migrateDatabase(
  options: Pick<PostgresOptions, "url" | "schema" | "connectTimeoutMs" | "logger">,
  apply: boolean,
): Promise<MigrationReport> {
  const client = await connect(options.url, options.connectTimeoutMs, options.logger);
  const session: MigrationSession = {
    exec: async (sql) => void (await client.query(sql)),
    query: async (sql) => (await client.query(sql)).rows as Record<string, unknown>[],
  };
  try {
    return await migrate(session, checkSchemaName(options.schema), apply);
  } finally {
    await client.end().catch(() => {});
  }
}

async function connect(url: string, timeoutMs: number, logger: Logger): Promise<pg.Client> {
  const where = describeUrl(url);
  const startedAt = performance.now();
  for (let attempt = 0; ; attempt++) {
    const client = makeClient(url, timeoutMs);
    client.on("error", () => {});
    try {
      await client.connect();
      await client.query(sessionSettings);
      return client;
    } catch (error) {
      await client.end().catch(() => {});
      const waited = performance.now() - startedAt;
      const { kind } = classifyFault(error);
      // It has never been let in: a password that is wrong now will be wrong in a minute.
      if (kind === "permanent" || kind === "refused" || waited >= timeoutMs) throw new DatabaseUnreachable(where, waited, error);
      if (attempt === 0)
        logger.warn(
          `no database at ${where} yet (${error instanceof Error ? error.message || error.name : String(error)}); trying for ${Math.round(timeoutMs / 1000)} s`,
        );
      await wait(Math.min(1000, 50 * 2 ** attempt, Math.max(1, timeoutMs - waited)));
    }
  }
}

function makeClient(url: string, timeoutMs: number): pg.Client {
  try {
    return new pg.Client({ connectionString: url, connectionTimeoutMillis: Math.min(10_000, Math.max(1000, timeoutMs)), application_name: "pawl" });
  } catch {
    // The error it throws holds the whole text, password included.
    throw new OptionInvalid("url", "is not a connection string that can be read; write postgres://user:password@host:5432/database");
  }
}

/** Without user and password. */
function describeUrl(url: string): string {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new OptionInvalid("url", "must be a PostgreSQL connection string, postgres://user:password@host:5432/database");
  try {
    const parsed = new URL(url);
    return `${parsed.searchParams.get("host") ?? (parsed.host || "localhost")}${parsed.pathname}`;
  } catch {
    return "the given url";
  }
}
