import { bulkWorkflow, type BulkClient } from "./client/bulk/bulk-workflow.ts";
import { PawlClient } from "./client/pawl-client.ts";
import { checkKeys, type KnownKeys } from "./base/check-keys.ts";
import { Closed, OptionInvalid } from "./base/errors.ts";
import { toMilliseconds, type Duration } from "./base/duration.ts";
import { guardedLogger, guardedTelemetry } from "./base/guarded.ts";
import { consoleLogger, type Logger } from "./base/logger.ts";
import { nodeRuntime } from "./base/node-runtime.ts";
import { closeTimeoutMs, type Runtime } from "./base/runtime.ts";
import type { Telemetry } from "./base/telemetry.ts";
import { databaseGauges } from "./client/database-gauges.ts";
import type { AnyWorkflow } from "./definition/workflow.ts";
import { openEmbedded } from "./embedded/embedded-postgres.ts";
import type { Interceptor } from "./postgres/gateway.ts";
import { openPostgresStore } from "./postgres/open-store.ts";
import type { Store } from "./store/store.ts";
import { checkWorkerOptions, drainOf, type StopOptions, type WorkerOptions } from "./worker/worker-options.ts";
import type { WorkerParent } from "./worker/worker-parent.ts";
import { Worker } from "./worker/worker.ts";

export interface PawlOptions {
  /** PostgreSQL to use; defaults to `DATABASE_URL`, and without either to the embedded one. Null: the embedded one, whatever `DATABASE_URL` says. */
  readonly url?: string | null;
  /** Where the embedded PostgreSQL keeps its data (".pawl"). */
  readonly directory?: string;
  /** PostgreSQL schema of Pawl's tables ("pawl"). */
  readonly schema?: string;
  /** Isolates executions, queues and workers of the same database from each other ("default"). */
  readonly namespace?: string;
  /** Connections for transactions (4). One is enough for everything to work. */
  readonly poolSize?: number;
  /** How long to try to reach the database at start (30 seconds). */
  readonly connectTimeout?: Duration;
  /** Bring the schema up to date when opening (true). With false, an outdated schema is an error. */
  readonly migrate?: boolean;
  /** Wake other processes through LISTEN/NOTIFY (true). Everything works without, at the pace of polling. */
  readonly notify?: boolean;
  /** Warnings and errors go here (the console). */
  readonly logger?: Logger;
  /** Traces and metrics go here, such as to `openTelemetry()` of `pawl/opentelemetry` (nowhere). */
  readonly telemetry?: Telemetry;
  /** Told one line when the embedded PostgreSQL is being created or repaired. */
  readonly onProgress?: (line: string) => void;
}

const openKeys = {
  url: true,
  directory: true,
  schema: true,
  namespace: true,
  poolSize: true,
  connectTimeout: true,
  migrate: true,
  notify: true,
  logger: true,
  telemetry: true,
  onProgress: true,
} satisfies KnownKeys<PawlOptions>;

export interface OpenStore {
  readonly store: Store;
  readonly namespace: string;
  readonly logger: Logger;
  readonly runtime: Runtime;
  readonly telemetry?: Telemetry | undefined;
  /** Runs after everything else was closed. */
  readonly onClose: () => Promise<void>;
}

/**
 * Durable workflows on one PostgreSQL: a client, and a place to run workers.
 *
 * @example
 * const pawl = await Pawl.open();
 * await pawl.worker({ workflows: [greet] });
 * console.log(await pawl.execute(greet, { name: "Ann" }));
 * await pawl.close();
 */
export class Pawl extends PawlClient {
  readonly #workers = new Set<Worker>();
  readonly #onClose: () => Promise<void>;
  readonly #endObserving: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  /** For `Pawl.open` and the testing kit. */
  constructor(open: OpenStore) {
    super(open.store, open.namespace, open.logger, open.runtime, open.telemetry);
    this.#endObserving = open.telemetry?.observe(databaseGauges(open.store, open.namespace));
    this.#onClose = open.onClose;
  }

  /**
   * Opens the database: the one at `url` or `DATABASE_URL`, or else the embedded one, which is created, started or joined.
   *
   * @throws DatabaseUnreachable, DatabaseVersionUnsupported, SchemaTooNew, SchemaOutdated, EmbeddedStartFailed,
   *   EmbeddedVersionMismatch, OptionInvalid
   */
  static async open(options: PawlOptions = {}): Promise<Pawl> {
    return openPawl(options);
  }

  /** Starts a worker in this process. @throws OptionInvalid, WorkflowDuplicate, Closed */
  async worker(options: WorkerOptions): Promise<Worker> {
    this.#checkNotClosing();
    checkWorkerOptions(options);
    const parent: WorkerParent = {
      store: this.store,
      committer: this.committer,
      namespace: this.namespace,
      logger: this.logger,
      runtime: this.runtime,
      telemetry: this.telemetry,
      ended: ({ executionId, ...ending }) => this.results.ended(executionId, ending),
      workerStopped: (stopped) => this.#forget(stopped),
    };
    const worker = new Worker(parent, withBulk(options, this));
    // Before it has started: who closes meanwhile must find and stop it.
    this.#workers.add(worker);
    try {
      await worker.start();
    } catch (error) {
      // It may have come as far as to have a lease.
      await worker.stop({ drain: 0 }).catch(() => {});
      throw error;
    }
    this.#checkNotClosing();
    if (this.#workers.has(worker)) this.localWorkers.push(worker);
    return worker;
  }

  /** From the first moment of closing on, nothing would stop a worker any more, or has stopped it. */
  #checkNotClosing(): void {
    if (this.#closing !== undefined) throw new Closed("This Pawl");
    this.checkOpen();
  }

  /**
   * Stops the workers (draining up to `drain`, 10 seconds), then closes the database. One that cannot be reached is waited for up to
   * 10 seconds more. Embedded: the last one out stops it. Calling it again waits for the same end.
   */
  override async close(options: StopOptions = {}): Promise<void> {
    const drainMs = drainOf(options, "close");
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    const began = this.runtime.monotonicMs();
    this.#endObserving?.();
    const stops = await Promise.allSettled([...this.#workers].map((worker) => worker.stop({ drain: drainMs })));
    // The workers have waited for the database already.
    const leftMs = began + drainMs + closeTimeoutMs - this.runtime.monotonicMs();
    await this.disconnect(Math.min(closeTimeoutMs, Math.max(0, leftMs)));
    await this.#onClose();
    for (const stop of stops) if (stop.status === "rejected") throw stop.reason;
  }

  #forget(worker: Worker): void {
    this.#workers.delete(worker);
    const index = this.localWorkers.indexOf(worker);
    if (index >= 0) this.localWorkers.splice(index, 1);
  }
}

/** Every worker can run bulk operations, in the first queue that it takes. What is wrong with the options, the worker says. */
function withBulk(options: WorkerOptions, client: BulkClient): WorkerOptions {
  const taskQueue = options.taskQueues === undefined ? options.workflows?.[0]?.taskQueue : options.taskQueues[0];
  if (!Array.isArray(options.workflows) || options.workflows.length === 0 || typeof taskQueue !== "string") return options;
  return { ...options, workflows: [...(options.workflows as readonly AnyWorkflow[]), bulkWorkflow(client, taskQueue)] };
}

/** `Pawl.open` with a hook around every transaction, for tests that kill or fail at commit boundaries. */
export async function openPawl(options: PawlOptions, intercept?: Interceptor): Promise<Pawl> {
  checkKeys(options, openKeys, "Pawl.open");
  const logger = guardedLogger(options.logger ?? consoleLogger);
  const url = urlOf(options);
  const poolSize = options.poolSize ?? 4;
  if (!Number.isInteger(poolSize) || poolSize < 1 || poolSize > 100)
    throw new OptionInvalid("poolSize", `must be a whole number from 1 to 100, not ${String(poolSize)}`);
  const embedded =
    url === null
      ? await openEmbedded({
          ...(options.directory === undefined ? {} : { directory: options.directory }),
          ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
        })
      : undefined;
  if (embedded !== undefined) logger.info(`embedded PostgreSQL opened; its data is in ${embedded.directory}`);
  try {
    const store = await openPostgresStore({
      url: embedded?.url ?? url!,
      schema: options.schema ?? "pawl",
      poolSize,
      connectTimeoutMs: toMilliseconds(options.connectTimeout ?? "30s", "connectTimeout"),
      migrate: options.migrate ?? true,
      hints: options.notify ?? true,
      logger,
      intercept,
      onOutage: embedded === undefined ? undefined : () => embedded.ensureRunning(),
    });
    return new Pawl({
      store,
      namespace: options.namespace ?? "default",
      logger,
      runtime: nodeRuntime,
      telemetry: options.telemetry === undefined ? undefined : guardedTelemetry(options.telemetry, logger),
      onClose: async () => embedded?.close(),
    });
  } catch (error) {
    await embedded?.close();
    throw error;
  }
}

/**
 * Null: the embedded one. A program whose variable is not set in production would otherwise go on with an empty database of its own.
 *
 * @throws OptionInvalid
 */
function urlOf(options: PawlOptions): string | null {
  const [path, url] = "url" in options ? ["url", options.url] : ["DATABASE_URL", process.env["DATABASE_URL"] ?? null];
  if (url === undefined || url === "")
    throw new OptionInvalid(
      path,
      `is ${url === undefined ? "undefined" : "empty"}; is the variable set that it should come from? For the embedded PostgreSQL leave it out${path === "url" ? ", or give null" : ""}.`,
    );
  return url;
}
