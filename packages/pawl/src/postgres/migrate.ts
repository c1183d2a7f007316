import { readdir, readFile } from "node:fs/promises";
import { DatabaseVersionUnsupported, SchemaOutdated, SchemaTooNew } from "../base/errors.ts";
import { searchPath } from "./search-path.ts";

/** Runs plain SQL text, several statements at a time, on one session. */
export interface MigrationSession {
  exec(sql: string): Promise<void>;
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
}

export interface MigrationReport {
  readonly from: number;
  readonly to: number;
}

const migrationsDirectory = new URL("../../migrations/", import.meta.url);
const oldestServer = 140_000;
const newestServer = 190_000;
/** One migration at a time per database, whatever process it comes from. The number has no meaning. */
const migrationLock = 7_295_441;

interface Migration {
  readonly number: number;
  readonly sql: string;
}

/** The numbered migrations this version brings, oldest first. */
export async function knownMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(migrationsDirectory)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).toSorted();
  return Promise.all(names.map(async (name) => ({ number: Number(name.slice(0, 4)), sql: await readFile(new URL(name, migrationsDirectory), "utf8") })));
}

/**
 * Brings the schema up to date, each migration in its own transaction under a lock; processes that come at the same time
 * wait for the first. Forward only.
 *
 * @param apply false: only check
 * @throws DatabaseVersionUnsupported, SchemaTooNew, SchemaOutdated (when not applying)
 */
export async function migrate(session: MigrationSession, schema: string, apply: boolean): Promise<MigrationReport> {
  await checkServerVersion(session);
  const migrations = await knownMigrations();
  const newest = migrations.at(-1)?.number ?? 0;
  const from = await currentMigration(session, schema);
  if (from > newest) throw new SchemaTooNew(from, newest);
  if (from === newest) return { from, to: from };
  if (!apply) throw new SchemaOutdated(from, newest);
  await session.exec(`SELECT pg_advisory_lock(${migrationLock})`);
  try {
    // `IF NOT EXISTS` asks for the right to create schemas in any case, which a role that was given one need not have.
    const [found] = await session.query(`SELECT to_regnamespace('"${schema}"') IS NOT NULL AS yes`);
    if (found?.["yes"] !== true) await session.exec(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    await session.exec(`CREATE TABLE IF NOT EXISTS "${schema}".migrations (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`);
    const locked = await currentMigration(session, schema);
    if (locked > newest) throw new SchemaTooNew(locked, newest);
    for (const { number, sql } of migrations.filter((migration) => migration.number > locked)) {
      await session.exec(
        `BEGIN; SET LOCAL search_path = ${searchPath(schema)}; ${sql}; INSERT INTO "${schema}".migrations (number) VALUES (${number}); COMMIT`,
      );
    }
    return { from: locked, to: newest };
  } finally {
    // After a failed migration the session is inside an aborted transaction.
    await session.exec("ROLLBACK").catch(() => {});
    await session.exec(`SELECT pg_advisory_unlock(${migrationLock})`);
  }
}

/** The number of the newest migration applied, 0 when there is no schema. */
export async function currentMigration(session: MigrationSession, schema: string): Promise<number> {
  const [exists] = await session.query(`SELECT to_regclass('"${schema}".migrations') IS NOT NULL AS yes`);
  if (exists?.["yes"] !== true) return 0;
  const [row] = await session.query(`SELECT coalesce(max(number), 0)::int AS number FROM "${schema}".migrations`);
  return Number(row?.["number"] ?? 0);
}

async function checkServerVersion(session: MigrationSession): Promise<void> {
  const [row] = await session.query("SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version");
  const number = Number(row?.["number"]);
  if (number < oldestServer || number >= newestServer) throw new DatabaseVersionUnsupported(String(row?.["version"]), "version 14 to 18");
}
