/** Everything one fault is run on: a database, workers, clients, the effect server, and the folder with their logs. */
import { writeFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { PawlOptions, WorkerOptions } from "pawl";
import { openPawl, silentLogger } from "pawl/internal";
import { installTerminalGuard } from "../../packages/pawl/test/support/invariants.ts";
import { Program } from "../../packages/pawl/test/support/program.ts";
import { query } from "../../packages/pawl/test/support/sql.ts";
import { TcpProxy } from "../../packages/pawl/test/support/tcp-proxy.ts";
import { installAudit } from "./audit.ts";
import type { DatabaseServer } from "./database-server.ts";
import { EffectServer } from "./effect-server.ts";
import { Fleet, type Placement } from "./fleet.ts";
import { JsonLines } from "./json-lines.ts";
import { Random } from "./random.ts";

export interface RigOptions {
  readonly folder: string;
  readonly seed: number;
  readonly seconds: number;
  /** How often F12 runs each of its races; undefined: as often as it can in `seconds`. */
  readonly races: number | undefined;
  readonly workers: number;
  /** Starts per second of the base load. */
  readonly perSecond: number;
  readonly worker: Omit<WorkerOptions, "workflows">;
  readonly placement: Placement;
  readonly clientNodeOptions: readonly string[];
  readonly pawl: PawlOptions;
  readonly blockMs: number;
  readonly drainMs: number;
}

/** Where every process waits long for its turn, leases that nobody disturbs must not run out. */
const slowness = Math.min(4, Math.max(1, Math.round((loadavg()[0] ?? 0) / (2 * availableParallelism()))));
export const leaseMs = 2000 * slowness;
const settleMs = 120_000;

export const usualOptions = {
  workers: 4,
  perSecond: 10,
  worker: { lease: leaseMs, pollInterval: 250 },
  placement: {},
  clientNodeOptions: [],
  pawl: { poolSize: 3 },
  blockMs: 3 * leaseMs,
  drainMs: 5000,
} satisfies Partial<RigOptions>;

export class Rig {
  readonly options: RigOptions;
  readonly server: DatabaseServer;
  /** The database, with no proxy before it. */
  readonly url: string;
  readonly random: Random;
  readonly fleet: Fleet;
  readonly effects: EffectServer;
  /** Between the two clients and the database. */
  readonly clientProxies: readonly TcpProxy[];
  readonly log: string;
  /** For operations of the rig itself. */
  readonly ownLog: JsonLines;
  readonly #client: Program;
  readonly #counts = new Map<string, number>();
  readonly #notes: JsonLines;

  private constructor(options: RigOptions, server: DatabaseServer, url: string, effects: EffectServer, clientProxies: readonly TcpProxy[], client: Program) {
    this.options = options;
    this.server = server;
    this.url = url;
    this.effects = effects;
    this.clientProxies = clientProxies;
    this.random = new Random(options.seed);
    this.log = join(options.folder, "operations.jsonl");
    this.ownLog = new JsonLines(this.log);
    this.#notes = new JsonLines(join(options.folder, "faults.jsonl"));
    this.#client = client;
    const { worker, pawl, blockMs, drainMs, placement } = options;
    this.fleet = new Fleet(url, { pawl, worker, effects: effects.url, blockMs, drainMs }, placement);
  }

  static async open(options: RigOptions, server: DatabaseServer): Promise<Rig> {
    await writeFile(join(options.folder, "config.json"), `${JSON.stringify({ ...options, node: process.version }, null, 2)}\n`);
    const url = await server.createDatabase();
    await (await openPawl({ url, logger: silentLogger })).close();
    await installTerminalGuard(url);
    await installAudit(url);
    const effects = await EffectServer.open(join(options.folder, "effects.jsonl"));
    const proxies = [await TcpProxy.open(url), await TcpProxy.open(url)];
    const client = new Program(
      new URL("./client-process.js", import.meta.url),
      { pawls: proxies.map((proxy) => ({ ...options.pawl, url: proxy.url })), log: join(options.folder, "operations.jsonl"), seed: options.seed },
      options.clientNodeOptions,
    );
    const rig = new Rig(options, server, url, effects, proxies, client);
    await client.report("ready", 1, 120_000);
    await rig.fleet.startAll(options.workers);
    return rig;
  }

  get seconds(): number {
    return this.options.seconds;
  }

  /** All the ways to the database. */
  get proxies(): readonly TcpProxy[] {
    return [...this.clientProxies, ...this.fleet.running.map(({ proxy }) => proxy)];
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  counted(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  /** Notes that a fault was injected. */
  count(what: string, by = 1): void {
    this.#counts.set(what, this.counted(what) + by);
    this.#notes.write({ at: performance.timeOrigin + performance.now(), what, by });
  }

  /** Notes the largest of several measurements. */
  most(what: string, value: number): void {
    this.#counts.set(what, Math.max(this.counted(what), value));
  }

  /** Asks the client process. */
  ask(command: string, fields: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return this.#client.ask(command, fields, settleMs);
  }

  get clientPid(): number {
    return this.#client.pid;
  }

  /** Calls `harm` again and again until the time is over. */
  async during(everyMs: number, harm: () => Promise<void> | void, seconds = this.seconds): Promise<void> {
    const until = performance.now() + seconds * 1000;
    while (performance.now() < until) {
      await harm();
      await delay(everyMs);
    }
  }

  async stateOf(executionId: string): Promise<string | undefined> {
    const [row] = await query<{ state: string }>(this.url, "SELECT state FROM pawl.executions WHERE execution_id = $1", [executionId]);
    return row?.state;
  }

  /**
   * Until all that was started has ended. Gives what has not. An execution that was under way in three workers when they were killed is
   * held, and its parent waits for it: both are as they should be.
   */
  async settle(): Promise<string[]> {
    await this.ask("settle");
    const until = performance.now() + settleMs;
    for (;;) {
      const left = await query<{ execution_id: string; state: string }>(
        this.url,
        `SELECT e.execution_id, e.state FROM pawl.executions e WHERE e.state IN ('pending', 'running', 'paused')
 AND NOT EXISTS (SELECT FROM pawl.executions k WHERE k.parent_run_id = e.run_id AND k.state = 'quarantined') LIMIT 20`,
      );
      if (left.length === 0) return [];
      if (performance.now() > until)
        return left.map(({ execution_id, state }) => `${execution_id} is still ${state} ${settleMs / 1000} s after everything was healed`);
      await delay(200);
    }
  }

  /** Stops every process, so that what is left is the database. */
  async stop(): Promise<void> {
    await this.fleet.stopAll();
    await this.#client.ask("close").catch(() => {});
    await this.#client.kill();
    for (const proxy of this.clientProxies) await proxy.close();
    this.ownLog.close();
    await this.effects.close();
    this.#notes.close();
    await writeFile(
      join(this.options.folder, "output.txt"),
      [`client:\n${this.#client.output}`, ...this.fleet.all.map(({ pid, program }) => `worker ${pid}:\n${program.output}`)].join("\n"),
    );
  }
}
