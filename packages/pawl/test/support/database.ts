/** Databases for tests, and what must be true of them after every test. */
import { randomBytes } from "node:crypto";
import { silentLogger, verifyPostgres } from "pawl/internal";
import pg from "pg";
import { inject } from "vitest";
import { terminalGuard } from "./terminal-guard.ts";

export interface FreshDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** A new empty database on the server of this test run. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const server = inject("databaseServerUrl");
  if (server === undefined) throw new Error("Run tests through vitest.config.ts: the globalSetup of its project `system` starts the database server.");
  const name = `test_${randomBytes(6).toString("hex")}`;
  await execute(server, `CREATE DATABASE ${name}`);
  return { url: databaseUrl(server, name), drop: () => drop(server, name) };
}

/** The embedded server goes with all its databases after the run, and dropping one would cost it a checkpoint. */
async function drop(server: string, name: string): Promise<void> {
  if (inject("databaseServerIsOurs")) return;
  await execute(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

/** A copy of a database that nobody is connected to. */
export async function copyDatabase(url: string): Promise<FreshDatabase> {
  const server = inject("databaseServerUrl");
  const name = `test_${randomBytes(6).toString("hex")}`;
  const template = /\/([^/?]+)(?:\?|$)/.exec(url.replace(/^\w+:\/\/[^/]*/, ""))?.[1];
  await execute(server, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return { url: databaseUrl(server, name), drop: () => drop(server, name) };
}

/** The same server, another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  // Not through URL: the host of a Unix socket stands in the query, behind an empty one that URL refuses.
  return serverUrl.replace(/^(postgres(?:ql)?:\/\/[^/]*)(\/[^?]*)?/, `$1/${name}`);
}

export async function execute(url: string, sql: string): Promise<void> {
  await withClient(url, (client) => client.query(sql));
}

/** Rows of one statement, over a connection of its own. */
export async function query<Row extends pg.QueryResultRow>(url: string, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
  return withClient(url, async (client) => (await client.query<Row>(sql, [...parameters])).rows);
}

async function withClient<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url, application_name: "test" });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Makes the database refuse any change of a run that has ended (I1) and any change or removal of an event (I2). Call it
 * after the schema was made (the first `Pawl.open`). What it refuses is also counted where no rollback takes it back, so
 * `checkInvariants` fails even if the writer swallowed the error. A resume, which moves the row to a new run, is allowed; so is
 * pointing a child that has ended to its parent's new run.
 */
export async function installTerminalGuard(url: string): Promise<void> {
  await execute(url, terminalGuard);
}

/**
 * Throws an error that lists everything about the database which must never be so, at any moment, with or without workers:
 * all that `pawl verify` finds, and the writes that the terminal guard refused.
 */
export async function checkInvariants(url: string): Promise<void> {
  const problems: string[] = [];
  const { invariants } = await verifyPostgres({ url, schema: "pawl", connectTimeoutMs: 10_000, statementTimeoutMs: 30_000, logger: silentLogger });
  for (const { invariant, title, evidence, violations } of invariants) {
    for (const { executionId, runId, detail } of evidence) problems.push(`${invariant} (${title}): ${[executionId, runId, detail].filter(Boolean).join(": ")}`);
    if (violations > evidence.length) problems.push(`${invariant}: ${violations} in all`);
  }
  const [guarded] = await query<{ readonly there: boolean }>(url, "SELECT to_regclass('pawl_guard.violations') IS NOT NULL AS there");
  if (guarded?.there === true) {
    const [count] = await query<{ readonly n: number }>(url, "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS n FROM pawl_guard.violations");
    if (count !== undefined && count.n > 0) problems.push(`the terminal guard refused ${count.n} writes`);
  }
  if (problems.length > 0) throw new Error(`invariants broken:\n${problems.join("\n")}`);
}
