import { guardedLogger, guardedTelemetry } from "../base/guarded.ts";
import { silentLogger, type Logger } from "../base/logger.ts";
import type { Telemetry } from "../base/telemetry.ts";
import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import { stepWorkflows } from "../definition/remote-step.ts";
import type { SqlClient } from "../definition/transaction.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { LocalHints } from "../postgres/hint-channel.ts";
import { checkWorkerOptions, drainOf, type StopOptions, type WorkerOptions } from "../worker/worker-options.ts";
import type { Worker } from "../worker/worker.ts";
import { instrumentWorkflow } from "./instrument-workflow.ts";
import { MemoryDatabase, type SetUp } from "./memory-database.ts";
import { Mocks } from "./mocks.ts";
import { TestTime } from "./test-time.ts";
import { TimedPawl } from "./timed-pawl.ts";
import { TimedStore } from "./timed-store.ts";
import { VirtualProcess } from "./virtual-process.ts";
import { VirtualTime } from "./virtual-time.ts";

export interface TestPawlOptions {
  readonly namespace?: string;
  readonly logger?: Logger;
  readonly telemetry?: Telemetry;
  /** What time it is when the test begins (the real time). */
  readonly now?: Date;
  /** Makes the tables that your SQL finds; when the test pawl is closed, everything in the database is gone (nothing). */
  readonly setUp?: SetUp;
}

const openKeys = { namespace: true, logger: true, telemetry: true, now: true, setUp: true } satisfies KnownKeys<TestPawlOptions>;

/**
 * A Pawl for tests: the real engine on an in-memory PostgreSQL, with a time of its own, and with mocks. A sleep of a month
 * takes milliseconds: while the test waits for a result, time jumps to whatever is due next.
 *
 * Leases do not end here; `exploreCrashes` is for what happens when workers die.
 *
 * @example
 * const pawl = await TestPawl.open();
 * await pawl.worker({ workflows: [remind] });
 * await pawl.execute(remind, { days: 30 });
 * await pawl.close();
 */
export class TestPawl extends TimedPawl {
  readonly time: TestTime;
  readonly mocks = new Mocks();
  /** For your SQL outside of workflows, such as a look at your tables. Every query is a transaction of its own. */
  readonly sql: SqlClient;
  readonly #time: VirtualTime;
  /** One for each definition: the same workflow given twice must still be one. */
  readonly #instrumented = new WeakMap<AnyWorkflow, AnyWorkflow>();

  private constructor(database: MemoryDatabase, options: TestPawlOptions) {
    const { namespace = "default", telemetry } = options;
    const logger = guardedLogger(options.logger ?? silentLogger);
    const time = new VirtualTime(database, startOf(options.now));
    const process = new VirtualProcess(time, new Set());
    const store = new TimedStore({ database, process, hints: new LocalHints(process), logger });
    super({
      time,
      process,
      store,
      namespace,
      logger,
      telemetry: telemetry === undefined ? undefined : guardedTelemetry(telemetry, logger),
      onClose: () => database.close(),
    });
    this.sql = database.sql;
    this.#time = time;
    this.time = new TestTime(time);
  }

  /** Needs `@electric-sql/pglite` installed. @throws OptionInvalid; what `setUp` throws */
  static override async open(options: TestPawlOptions = {}): Promise<TestPawl> {
    checkKeys(options, openKeys, "TestPawl.open");
    startOf(options.now);
    return new TestPawl(await MemoryDatabase.open(options.setUp), options);
  }

  /** Starts a worker whose steps can be mocked, now or later. Workflows mocked before need not be in its list. */
  override async worker(options: WorkerOptions): Promise<Worker> {
    checkWorkerOptions(options);
    const { workflows = [], steps = [], ...others } = options;
    // What is wrong with the lists, the worker says.
    if (!Array.isArray(workflows) || !Array.isArray(steps)) return super.worker(options);
    const all = [...workflows, ...stepWorkflows(steps)];
    return super.worker({ ...others, workflows: this.mocks.withMocked(all).map((workflow) => this.#instrument(workflow)) });
  }

  /** Stops the workers and forgets everything. */
  override async close(options: StopOptions = {}): Promise<void> {
    // A mistake closes nothing: without its time the next attempt would wait for ever.
    drainOf(options, "close");
    try {
      await super.close(options);
    } finally {
      this.#time.close();
    }
  }

  #instrument(workflow: AnyWorkflow): AnyWorkflow {
    if (typeof workflow?.run !== "function") return workflow;
    let instrumented = this.#instrumented.get(workflow);
    if (instrumented === undefined) {
      instrumented = instrumentWorkflow(workflow, {
        step: (invocation) => this.time.holdWhile(invocation.step, () => this.mocks.runStep(invocation)),
        workflow: (mocked, executionId) => this.mocks.codeOf(mocked, executionId),
      });
      this.#instrumented.set(workflow, instrumented);
    }
    return instrumented;
  }
}

function startOf(now: Date | undefined): number {
  if (now === undefined) return Date.now();
  if (!(now instanceof Date) || Number.isNaN(now.getTime())) throw new OptionInvalid("now", "must be a valid Date");
  return now.getTime();
}
