import pg from "pg";
import type { Logger } from "../base/logger.ts";
import { sessionSettings } from "../postgres/pg-connections.ts";
import { migrateDatabase } from "../postgres/open-store.ts";
import type { VerifyReport } from "./report.ts";
import { verifyDatabase, type VerifyOptions } from "./verify-database.ts";

export interface VerifyPostgresOptions extends Omit<VerifyOptions, "schema"> {
  readonly url: string;
  readonly schema: string;
  readonly connectTimeoutMs: number;
  /** No statement may take longer. */
  readonly statementTimeoutMs: number;
  readonly logger: Logger;
}

/**
 * Verifies a database on a PostgreSQL server, over a connection of its own, in one snapshot that can only read. Safe beside
 * live workers: it takes no locks but those of reading. A snapshot keeps dead rows from being vacuumed as long as it lives,
 * so a huge database is better looked at in part (`limit`).
 *
 * @throws DatabaseUnreachable, SchemaOutdated, SchemaTooNew, and what PostgreSQL answers to a statement that takes too long
 */
export async function verifyPostgres(options: VerifyPostgresOptions): Promise<VerifyReport> {
  const { url, statementTimeoutMs } = options;
  await migrateDatabase(options, false);
  const client = new pg.Client({
    connectionString: url,
    application_name: "pawl verify",
    connectionTimeoutMillis: options.connectTimeoutMs,
  });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query(`${sessionSettings}; SET statement_timeout = ${statementTimeoutMs}`);
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    return await verifyDatabase(async (sql, parameters = []) => (await client.query(sql, [...parameters])).rows as Record<string, unknown>[], options);
  } finally {
    await client.end();
  }
}
