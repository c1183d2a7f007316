/** Databases for tests. */
import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { databaseUrl, execute } from "./sql.ts";

export { checkInvariants, installTerminalGuard } from "./invariants.ts";
export { databaseUrl, execute, query } from "./sql.ts";

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
