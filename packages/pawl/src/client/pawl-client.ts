import { checkKeys } from "../base/check-keys.ts";
import { Closed, ExecutionConflict, OptionInvalid } from "../base/errors.ts";
import { checkId, checkName } from "../base/ids.ts";
import type { Logger } from "../base/logger.ts";
import type { Telemetry } from "../base/telemetry.ts";
import { within, type Runtime } from "../base/runtime.ts";
import type { SignalPayload } from "../definition/messages.ts";
import type { AnyWorkflow, InputOf, MessagesOf, OutputOf } from "../definition/workflow.ts";
import { Committer } from "../store/committer.ts";
import type { OutsideMessage, Receipt, Store, WorkerSummary } from "../store/store.ts";
import { checkBulk, type BulkOptions, type BulkProgress } from "./bulk/bulk-options.ts";
import { bulkWorkflowName } from "./bulk/bulk-workflow.ts";
import type { ExecutionDocument } from "./document/execution-document.ts";
import { exportExecution } from "./document/export-execution.ts";
import { readDocument } from "./document/read-document.ts";
import { ExecutionHandle, executionInfo, type HandleParent } from "./execution-handle.ts";
import { parseField } from "./filter/parse-filter.ts";
import { findDefinition } from "./find-definition.ts";
import { countKeys, cursor, listFilter, listKeys, type CountOptions, type ExecutionCount, type ExecutionPage, type ListOptions } from "./list-options.ts";
import type { LocalWorker } from "./local-worker.ts";
import { MessageSender } from "./message-sender.ts";
import { Pauses } from "./pauses.ts";
import { Queues } from "./queues.ts";
import { ResultHub } from "./result-hub.ts";
import { Retention } from "./retention.ts";
import { scheduledWork } from "./scheduled-work.ts";
import { Schedules } from "./schedules.ts";
import type { SignalWithStartOptions } from "./signal-with-start.ts";
import type { StartOptions } from "./start-options.ts";
import { Starts } from "./starts.ts";
import { Workflows } from "./workflow-versions.ts";

const mostRows = 1000;
const mostGroups = 1000;
/** Connections to a server that is gone without a word do not close: that is not waited for. */
const disconnectMs = 2000;

/** Starts, finds and controls executions. `Pawl.open()` gives one together with a place to run workers. */
export abstract class PawlClient implements HandleParent {
  readonly store: Store;
  readonly namespace: string;
  readonly results: ResultHub;
  readonly runtime: Runtime;
  /** Makes and finds schedules, which start executions by cron, interval or calendar. */
  readonly schedules: Schedules;
  /** How long executions that have ended are kept. */
  readonly retention: Retention;
  /** Which versions of workflows are in use. */
  readonly workflows: Workflows;
  /** What it was opened with. */
  readonly telemetry: Telemetry | undefined;
  /** Task queues and workflows from which nothing is claimed for now. */
  readonly pauses: Pauses;
  /** Limits of task queues: how many executions at a time, how many in a period, in all and for each key. */
  readonly queues: Queues;
  protected readonly committer: Committer;
  protected readonly logger: Logger;
  protected readonly localWorkers: LocalWorker[] = [];
  readonly #sender: MessageSender;
  readonly #starts: Starts;
  #closed = false;

  constructor(store: Store, namespace: string, logger: Logger, runtime: Runtime, telemetry?: Telemetry) {
    this.telemetry = telemetry;
    this.store = store;
    this.namespace = checkName(namespace, "namespace");
    this.logger = logger;
    this.runtime = runtime;
    this.committer = new Committer(store, runtime, telemetry);
    this.#sender = new MessageSender(store, this.namespace);
    this.#starts = new Starts(this, this.committer, this.#sender, this.localWorkers);
    this.retention = new Retention(this);
    this.workflows = new Workflows(this);
    this.pauses = new Pauses(this);
    this.queues = new Queues(this);
    this.results = new ResultHub(store, namespace, logger, runtime);
    this.schedules = new Schedules({
      store,
      namespace,
      results: this.results,
      runtime,
      telemetry,
      isLocal: (runId) => this.isLocal(runId),
      checkOpen: () => this.checkOpen(),
      sendMessage: (message) => this.sendMessage(message),
      queryLocal: (runId, name, argument) => this.queryLocal(runId, name, argument),
      definition: (workflow, version) => this.definition(workflow, version),
      start: async (operation) => {
        await this.committer.start(operation);
        store.hint({ kind: "tasks", namespace, taskQueue: operation.taskQueue });
      },
      work: (options, before) =>
        scheduledWork(
          options,
          before,
          (name, version) => findDefinition(store, namespace, name, version),
          (name, version) => this.definition(name, version),
        ),
    });
  }

  /**
   * Starts an execution; when this returns, it is durable. Starting an id or key that exists gives a handle to that one.
   *
   * @param workflow the definition, or the name of one that a live worker has
   * @throws InputInvalid, WorkflowUnknown, ExecutionConflict, ValueNotSerializable, ValueTooLarge, ValueTooDeep, OptionInvalid
   */
  start(workflow: string, input: unknown, options?: StartOptions): Promise<ExecutionHandle>;
  start<W extends AnyWorkflow>(workflow: W, input: NoInfer<InputOf<W>>, options?: StartOptions): Promise<ExecutionHandle<OutputOf<W>, MessagesOf<W>>>;
  start(workflow: AnyWorkflow | string, input: unknown, options: StartOptions = {}): Promise<ExecutionHandle> {
    return this.#starts.start(workflow, input, options);
  }

  /**
   * Sends a signal to the execution of this id, and starts it first if there is none: in one transaction, whoever else does the
   * same at that moment. The handle is that of the execution that got the signal.
   *
   * @throws what `start` and `handle.signal` throw; ExecutionStateInvalid if it has ended; ExecutionConflict if the id is taken by another workflow
   */
  signalWithStart(workflow: string, input: unknown, options: SignalWithStartOptions): Promise<ExecutionHandle>;
  signalWithStart<W extends AnyWorkflow, Name extends keyof MessagesOf<W>["signals"] & string>(
    workflow: W,
    input: NoInfer<InputOf<W>>,
    options: SignalWithStartOptions<Name, SignalPayload<MessagesOf<W>["signals"][Name]>>,
  ): Promise<ExecutionHandle<OutputOf<W>, MessagesOf<W>>>;
  signalWithStart(workflow: AnyWorkflow | string, input: unknown, options: SignalWithStartOptions): Promise<ExecutionHandle> {
    return this.#starts.signalWithStart(workflow, input, options);
  }

  /** Starts an execution and waits for its result. @throws what `start` and `result` throw */
  execute(workflow: string, input: unknown, options?: StartOptions): Promise<unknown>;
  execute<W extends AnyWorkflow>(workflow: W, input: NoInfer<InputOf<W>>, options?: StartOptions): Promise<OutputOf<W>>;
  async execute(workflow: AnyWorkflow | string, input: unknown, options?: StartOptions): Promise<unknown> {
    if (options?.transaction !== undefined) throw new OptionInvalid("transaction", "does not go with execute: nothing begins before it commits. Use start");
    const handle = await this.start(workflow as AnyWorkflow, input, options);
    return handle.result();
  }

  /** A handle to an execution that exists or will. Pass the workflow to have its result typed. */
  handle<W extends AnyWorkflow>(executionId: string, workflow: W): ExecutionHandle<OutputOf<W>, MessagesOf<W>>;
  handle(executionId: string): ExecutionHandle;
  handle(executionId: string, workflow?: AnyWorkflow): ExecutionHandle {
    return new ExecutionHandle(this, checkId(executionId, "executionId"), undefined, workflow);
  }

  /** Executions, by their latest runs, newest first, page by page. @throws FilterInvalid, OptionInvalid */
  async list(options: ListOptions = {}): Promise<ExecutionPage> {
    this.checkOpen();
    checkKeys(options, listKeys, "list");
    const limit = options.limit ?? 50;
    if (!Number.isInteger(limit) || limit < 1 || limit > mostRows)
      throw new OptionInvalid("limit", `must be a whole number from 1 to ${mostRows}, not ${String(limit)}`);
    const page = { limit: limit + 1, ...(options.cursor === undefined ? {} : { before: cursor(options.cursor) }) };
    const rows = await this.store.list(listFilter(this.namespace, options), page);
    const executions = rows.slice(0, limit).map(executionInfo);
    return { executions, nextCursor: rows.length > limit ? executions.at(-1)?.runId : undefined };
  }

  /** How many executions there are, and how many of each value of `groupBy`. Reads as many rows as it counts. @throws FilterInvalid, OptionInvalid */
  async count(options: CountOptions = {}): Promise<ExecutionCount> {
    this.checkOpen();
    checkKeys(options, countKeys, "count");
    const filter = listFilter(this.namespace, options);
    if (options.groupBy === undefined) {
      const [all] = await this.store.count(filter, undefined, 1);
      return { count: all?.count ?? 0, groups: [], complete: true };
    }
    if (typeof options.groupBy !== "string") throw new OptionInvalid("groupBy", 'must be the name of a field, such as "state" or "labels.customer"');
    const groups = await this.store.count(filter, parseField(options.groupBy), mostGroups + 1);
    if (groups.length <= mostGroups) return { count: groups.reduce((sum, { count }) => sum + count, 0), groups, complete: true };
    const [all] = await this.store.count(filter, undefined, 1);
    return { count: all?.count ?? 0, groups: groups.slice(0, mostGroups), complete: false };
  }

  /** An execution with all its runs and histories, as a JSON document. @throws ExecutionNotFound, OptionInvalid */
  async exportExecution(executionId: string): Promise<ExecutionDocument> {
    this.checkOpen();
    return exportExecution(this.store, this.namespace, checkId(executionId, "executionId"));
  }

  /**
   * Writes an exported execution, under its own id or another; one that exists is never changed. An execution that had not ended
   * is quarantined: `resume` lets it go on here.
   *
   * @param document as `exportExecution` gives it, or parsed from a file
   * @throws DocumentInvalid; ExecutionConflict if the id is taken; OptionInvalid
   */
  async importExecution(document: unknown, options: { readonly executionId?: string } = {}): Promise<ExecutionHandle> {
    this.checkOpen();
    checkKeys(options, { executionId: true }, "importExecution");
    const operation = readDocument(document, {
      namespace: this.namespace,
      executionId: options.executionId === undefined ? undefined : checkId(options.executionId, "executionId"),
      newUuid: () => this.runtime.newUuid(),
    });
    const imported = await this.store.importExecution(operation);
    if (!imported) throw new ExecutionConflict(operation.executionId, "nothing was imported");
    return new ExecutionHandle(this, operation.executionId, undefined, undefined);
  }

  /**
   * Does one thing to all executions that a filter finds, as an execution of its own that any worker runs and that survives crashes.
   * `handle.value("progress")` says how far it is, and `handle.result()` what came of it; cancel it to stop.
   *
   * @throws OptionInvalid, FilterInvalid; WorkflowUnknown if there is no live worker
   * @example
   * const bulk = await pawl.bulk({ operation: "retry", filter: 'state == "failed" && labels.customer == "acme"' });
   * console.log(await bulk.result());
   */
  async bulk(options: BulkOptions): Promise<ExecutionHandle<BulkProgress>> {
    this.checkOpen();
    const request = checkBulk(options);
    const handle = await this.start(bulkWorkflowName, request, options.executionId === undefined ? {} : { executionId: options.executionId });
    return handle as ExecutionHandle<BulkProgress>;
  }

  /** All live workers, and behind them the 200 newest of those that stopped or died within the last day; each newest first. */
  async workers(): Promise<readonly WorkerSummary[]> {
    this.checkOpen();
    const workers = await this.store.workers(this.namespace);
    // Without what every worker has.
    const isShown = (definition: string): boolean => !definition.startsWith(`${bulkWorkflowName}@`);
    return workers.map((worker) => ({
      ...worker,
      definitions: worker.definitions.filter(isShown),
      definitionQueues: worker.definitionQueues.filter((_, index) => isShown(worker.definitions[index]!)),
    }));
  }

  sendMessage(message: OutsideMessage): Promise<Receipt> {
    return this.#sender.send(message);
  }

  queryLocal(runId: string, name: string, argument: unknown): { readonly value: unknown } | undefined {
    for (const worker of this.localWorkers) {
      const answer = worker.query(runId, name, argument);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** The code of a workflow that a worker in this process has. */
  definition(workflow: string, version: string): AnyWorkflow | undefined {
    for (const worker of this.localWorkers) {
      const definition = worker.definition(workflow, version);
      if (definition !== undefined) return definition;
    }
    return undefined;
  }

  isLocal(runId: string): boolean {
    return this.localWorkers.some((worker) => worker.runs(runId));
  }

  abstract close(): Promise<void>;

  /** @param timeoutMs what is not acknowledged by then is rejected */
  protected async disconnect(timeoutMs: number): Promise<void> {
    this.#closed = true;
    await this.committer.close(timeoutMs);
    this.results.close(new Closed("This Pawl"));
    await within(this.runtime, disconnectMs, this.store.close());
  }

  /** @throws Closed */
  checkOpen(): void {
    if (this.#closed) throw new Closed("This Pawl");
  }
}
