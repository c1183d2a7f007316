/** A PostgreSQL server with a data directory of its own that can be killed, stopped and started again. */
import { setTimeout as delay } from "node:timers/promises";
import { openEmbedded, type EmbeddedPostgres } from "pawl/internal";
import { databaseUrl, execute, query } from "../../packages/pawl/test/support/sql.ts";
import { waitFor } from "../../packages/pawl/test/support/wait.ts";

export class DatabaseServer {
  readonly #embedded: EmbeddedPostgres;
  #databases = 0;

  private constructor(embedded: EmbeddedPostgres) {
    this.#embedded = embedded;
  }

  static async open(directory: string): Promise<DatabaseServer> {
    const server = new DatabaseServer(await openEmbedded({ directory }));
    // Several pools of several processes, and the rig's own looks.
    await execute(server.url, "ALTER SYSTEM SET idle_session_timeout = 0");
    return server;
  }

  /** Of the maintenance database. */
  get url(): string {
    return this.#embedded.url;
  }

  get pid(): number {
    return this.#embedded.serverPid;
  }

  async createDatabase(): Promise<string> {
    const name = `faults_${++this.#databases}`;
    await execute(this.url, `CREATE DATABASE ${name}`);
    return databaseUrl(this.url, name);
  }

  async dropDatabase(url: string): Promise<void> {
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
