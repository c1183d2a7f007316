/** A PostgreSQL server with a data directory of its own that can be killed, stopped and started again. */
import { setTimeout as delay } from "node:timers/promises";
import { openEmbedded, type EmbeddedPostgres } from "pawl/internal";
import { databaseUrl, execute, query } from "../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../packages/pawl/test/support/wait.ts";

export class DatabaseServer {
  readonly #embedded: EmbeddedPostgres;
  readonly #databaseOf: "fault" | "server";
  #databases = 0;

  private constructor(embedded: EmbeddedPostgres, databaseOf: "fault" | "server") {
    this.#embedded = embedded;
    this.#databaseOf = databaseOf;
  }

  /** @param databaseOf whether each fault gets a database, or all use the one that processes find in an embedded directory */
  static async open(directory: string, databaseOf: "fault" | "server" = "fault"): Promise<DatabaseServer> {
    return new DatabaseServer(await openEmbedded({ directory }), databaseOf);
  }

  /** Of the maintenance database. */
  get url(): string {
    return this.#embedded.url;
  }

  get pid(): number {
    return this.#embedded.serverPid;
  }

  async createDatabase(): Promise<string> {
    if (this.#databaseOf === "server") return this.url;
    const name = `faults_${++this.#databases}`;
    await execute(this.url, `CREATE DATABASE ${name}`);
    return databaseUrl(this.url, name);
  }

  async dropDatabase(url: string): Promise<void> {
    if (this.#databaseOf === "server") return;
    await execute(this.url, `DROP DATABASE IF EXISTS ${url.match(/faults_\d+/)?.[0] ?? "none"} WITH (FORCE)`);
  }

  /** With SIGKILL, as by the kernel when memory runs out. */
  async kill(): Promise<void> {
    const { pid } = this;
    process.kill(pid, "SIGKILL");
    await waitFor("the server is dead", () => !isAlive(pid));
  }

  /** Starts it again, which recovers first. Gives the milliseconds that took. */
  async restart(): Promise<number> {
    const from = performance.now();
    await this.#embedded.ensureRunning();
    return performance.now() - from;
  }

  /** Changes a setting of the whole server, for sessions that exist too. */
  async configure(setting: string, value: string | undefined): Promise<void> {
    await execute(this.url, value === undefined ? `ALTER SYSTEM RESET ${setting}` : `ALTER SYSTEM SET ${setting} = ${value}`);
    await execute(this.url, "SELECT pg_reload_conf()");
    await delay(50);
  }

  /** Process of a part of the server, such as `walwriter`. */
  async pidOf(backendType: string): Promise<number | undefined> {
    const [row] = await query<{ pid: number }>(this.url, "SELECT pid FROM pg_stat_activity WHERE backend_type = $1", [backendType]);
    return row?.pid;
  }

  close(): Promise<void> {
    return this.#embedded.close();
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
