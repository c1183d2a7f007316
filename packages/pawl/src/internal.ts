/** For Pawl's own programs and tests. Not part of the public interface: it changes without notice. */
export { openPawl } from "./pawl.ts";
export type { Interceptor } from "./postgres/gateway.ts";
export { openEmbedded, type EmbeddedPostgres } from "./embedded/embedded-postgres.ts";
export { migrateDatabase } from "./postgres/open-store.ts";
export type { MigrationReport } from "./postgres/migrate.ts";
export type { Backlog, DatabaseFacts } from "./store/store.ts";
export { readPayload } from "./kernel/payload.ts";
export { silentLogger, consoleLogger } from "./base/logger.ts";
export { formatDuration, toMilliseconds } from "./base/duration.ts";
// For the simulation, which puts its own surroundings around the real kernel, worker, client and statements.
export { Pawl } from "./pawl.ts";
export type { Runtime, Timer } from "./base/runtime.ts";
export type { ProcessIdentity } from "./base/process-identity.ts";
export { uuidv7 } from "./base/ids.ts";
export type { Logger } from "./base/logger.ts";
export { SeededRandom } from "./kernel/random.ts";
export { decodeEvent } from "./kernel/event-codec.ts";
export { TransactionGateway, type Around } from "./postgres/gateway.ts";
export type { HintChannel } from "./postgres/hint-channel.ts";
export { startInlineLeaseKeeper } from "./postgres/inline-lease-keeper.ts";
export { migrate } from "./postgres/migrate.ts";
export type { Parameter } from "./postgres/parameters.ts";
export { plannerSettings } from "./postgres/pg-connections.ts";
export { PostgresStore } from "./postgres/postgres-store.ts";
export { Queries } from "./postgres/queries.ts";
export { tablesIn } from "./postgres/schema.ts";
export type { Connections, Transaction } from "./postgres/transaction.ts";
export type { Hint } from "./store/store.ts";
