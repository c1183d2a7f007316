/** For Pawl's own programs and tests. Not part of the public interface: it changes without notice. */
export { openPawl } from "./pawl.ts";
export type { Interceptor } from "./postgres/gateway.ts";
export { openEmbedded, type EmbeddedPostgres } from "./embedded/embedded-postgres.ts";
export { migrateDatabase } from "./postgres/open-store.ts";
export type { MigrationReport } from "./postgres/migrate.ts";
export type { Backlog, DatabaseFacts } from "./store/store.ts";
export { decodeEvent } from "./kernel/event-codec.ts";
export { readPayload } from "./kernel/payload.ts";
export { silentLogger, consoleLogger } from "./base/logger.ts";
export { formatDuration, toMilliseconds } from "./base/duration.ts";
