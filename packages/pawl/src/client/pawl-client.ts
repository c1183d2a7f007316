import { Closed, ExecutionConflict, OptionInvalid, WorkflowUnknown } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { checkId, checkName } from "../base/ids.ts";
import { checkPlace } from "../base/queue-place.ts";
import type { Logger } from "../base/logger.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Attributes, Labels } from "../base/search-values.ts";
import { encodeValue } from "../base/values.ts";
import { parseInput } from "../definition/schema.ts";
import type { SignalPayload } from "../definition/messages.ts";
import type { SqlClient } from "../definition/transaction.ts";
import type { AnyWorkflow, InputOf, MessagesOf, OutputOf } from "../definition/workflow.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import { Committer } from "../store/committer.ts";
import type { StartOperation, StartOutcome } from "../store/operations.ts";
import { mergingOf, type BatchOptions, type DebounceOptions, type Merging } from "./merging.ts";
import { MessageSender } from "./message-sender.ts";
import { signalMessage } from "./outgoing-message.ts";
import { placed } from "../store/queue-place.ts";
import { Queues } from "./queues.ts";
import { scheduledWork } from "./scheduled-work.ts";
import { Schedules } from "./schedules.ts";
import { checkClient } from "./transaction-client.ts";
import { checkReached, checkSignalWithStart, type SignalWithStartOptions } from "./signal-with-start.ts";
import { searchValues } from "../store/search-values.ts";
import type { OutsideMessage, Receipt, Store, WorkerSummary } from "../store/store.ts";
import type { ExecutionDocument } from "./document/execution-document.ts";
import { checkBulk, type BulkOptions, type BulkProgress } from "./bulk/bulk-options.ts";
import { bulkWorkflowName } from "./bulk/bulk-workflow.ts";
import { exportExecution } from "./document/export-execution.ts";
import { readDocument } from "./document/read-document.ts";
import { ExecutionHandle, executionInfo, type HandleParent } from "./execution-handle.ts";
import { parseField } from "./filter/parse-filter.ts";
import { cursor, listFilter, type CountOptions, type ExecutionCount, type ExecutionPage, type ListOptions } from "./list-options.ts";
import { Pauses } from "./pauses.ts";
import { ResultHub } from "./result-hub.ts";
import { Retention } from "./retention.ts";
import { Workflows } from "./workflow-versions.ts";

export interface StartOptions {
  /** Chosen by you, or made. Starting the same id again gives the same execution. `[A-Za-z0-9._:-]`, 1 to 200 characters. */
  readonly executionId?: string;
  /** One execution per workflow and key, whatever its id. The same key with another input is an ExecutionConflict. */
  readonly idempotencyKey?: string;
  /** Not before so long from now. */
  readonly delay?: Duration;
  /** Defaults to the workflow's own queue. */
  readonly taskQueue?: string;
  /** It ends as timed out so long after it was started, or after its `delay` (the workflow's own). */
  readonly timeout?: Duration;
  /** Its key within its queue, such as a customer: limits per key, and keys take turns. Has an effect in queues that `pawl.queues.set` knows. */
  readonly key?: string;
  /** From -1000 to 1000, smaller goes first (0). Has an effect in queues that `pawl.queues.set` knows. */
  readonly priority?: number;
  /** While an execution of the workflow with this id is open, starting another one gives that one. */
  readonly deduplicationId?: string;
  /**
   * Starts of a workflow with the same key become one execution, with the input of the last of them. It begins when none has come for
   * `period`, at the latest `maxWait` after the first.
   */
  readonly debounce?: DebounceOptions;
  /** Starts with the same key become one execution, whose input is an array of the elements of theirs. It begins with `size` of them, or after `window`. */
  readonly batch?: BatchOptions;
  /** Which version, when started by name and several are known. */
  readonly version?: string;
  /**
   * A client of node-postgres with an open transaction, on the database that Pawl is in: the execution is there when that transaction
   * commits, and never was if it is rolled back.
   */
  readonly transaction?: SqlClient;
  /** What the execution belongs to, such as `{ customer: "acme" }`; never changed. */
  readonly labels?: Labels;
  /** What the execution can be found by: strings, numbers, booleans and Dates, which its code may change. */
  readonly attributes?: Attributes;
}

interface PreparedStart {
  readonly operation: StartOperation & { claimBy: string | null };
  readonly merging: Merging | undefined;
  /** Undefined for a start by name. */
  readonly definition: AnyWorkflow | undefined;
  readonly named: Pick<AnyWorkflow, "name" | "version">;
  /** The input, encoded. */
  readonly text: string;
}

/** A local worker, as far as the client uses one. */
export interface LocalWorker {
  reserveSlot(runId: string, workflow: Pick<AnyWorkflow, "name" | "version">, taskQueue: string): string | null;
  startReserved(start: StartOperation, at: number): void;
  cancelReservation(runId: string): void;
  runs(runId: string): boolean;
  query(runId: string, name: string, argument: unknown): { readonly value: unknown } | undefined;
  definition(workflow: string, version: string): AnyWorkflow | undefined;
}

const mostRows = 1000;
const mostGroups = 1000;
/** A database that cannot be reached does not hold up closing for longer; what is not acknowledged by then is rejected. */
const closeTimeoutMs = 10_000;

/** Starts, finds and controls executions. `Pawl.open()` gives one together with a place to run workers. */
export class PawlClient implements HandleParent {
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
  protected readonly telemetry: Telemetry | undefined;
  /** Task queues and workflows from which nothing is claimed for now. */
  readonly pauses: Pauses;
  /** Limits of task queues: how many executions at a time, how many in a period, in all and for each key. */
  readonly queues: Queues;
  protected readonly committer: Committer;
  protected readonly logger: Logger;
  protected readonly localWorkers: LocalWorker[] = [];
  readonly #sender: MessageSender;
  #closed = false;

  constructor(store: Store, namespace: string, logger: Logger, runtime: Runtime, telemetry?: Telemetry) {
    this.telemetry = telemetry;
    this.store = store;
    this.namespace = checkName(namespace, "namespace");
    this.logger = logger;
    this.runtime = runtime;
    this.committer = new Committer(store, runtime, telemetry);
    this.#sender = new MessageSender(store, this.namespace);
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
      isLocal: (runId) => this.isLocal(runId),
      checkOpen: () => this.checkOpen(),
      sendMessage: (message) => this.sendMessage(message),
      queryLocal: (runId, name, argument) => this.queryLocal(runId, name, argument),
      definition: (workflow, version) => this.definition(workflow, version),
      start: async (operation) => {
        await this.committer.start(operation);
        store.hint({ kind: "tasks", namespace, taskQueue: operation.taskQueue });
      },
      work: (options, before) => scheduledWork(options, before, (name, version) => this.#find(name, version)),
    });
  }

  /**
   * Starts an execution; when this returns, it is durable. Starting an id or key that exists gives a handle to that one.
   *
   * @param workflow the definition, or the name of one that a live worker has
   * @throws InputInvalid, WorkflowUnknown, ExecutionConflict, ValueNotSerializable, ValueTooLarge, ValueTooDeep, OptionInvalid
   */
  start<W extends AnyWorkflow>(workflow: W, input: NoInfer<InputOf<W>>, options?: StartOptions): Promise<ExecutionHandle<OutputOf<W>, MessagesOf<W>>>;
  start(workflow: string, input: unknown, options?: StartOptions): Promise<ExecutionHandle>;
  async start(workflow: AnyWorkflow | string, input: unknown, options: StartOptions = {}): Promise<ExecutionHandle> {
    this.checkOpen();
    const { operation, merging, definition, text, named } = await this.#prepare(workflow, input, options);
    if (options.transaction !== undefined) {
      refuseSharing(options, "transaction");
      return this.#startIn(checkClient(options.transaction), operation, definition, text);
    }
    if (merging !== undefined) return this.#merge(operation, merging, text, definition);
    const { executionId, runId, taskQueue } = operation;
    const eager = (candidate: LocalWorker): boolean => (operation.claimBy = candidate.reserveSlot(runId, named, taskQueue)) !== null;
    const worker = operation.delayMs > 0 ? undefined : this.localWorkers.find(eager);
    let outcome: StartOutcome;
    try {
      outcome = await this.committer.start(operation);
    } catch (error) {
      worker?.cancelReservation(runId);
      throw error;
    }
    if (outcome.outcome === "exists") {
      worker?.cancelReservation(runId);
      return this.#existing(operation, outcome, text, definition);
    }
    if (worker === undefined) this.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue });
    else worker.startReserved(operation, outcome.at);
    return new ExecutionHandle(this, executionId, runId, definition);
  }

  /**
   * Sends a signal to the execution of this id, and starts it first if there is none: in one transaction, whoever else does the
   * same at that moment. The handle is that of the execution that got the signal.
   *
   * @throws what `start` and `handle.signal` throw; ExecutionStateInvalid if it has ended; ExecutionConflict if the id is taken by another workflow
   */
  signalWithStart<W extends AnyWorkflow, Name extends keyof MessagesOf<W>["signals"] & string>(
    workflow: W,
    input: NoInfer<InputOf<W>>,
    options: SignalWithStartOptions<Name, SignalPayload<MessagesOf<W>["signals"][Name]>>,
  ): Promise<ExecutionHandle<OutputOf<W>, MessagesOf<W>>>;
  signalWithStart(workflow: string, input: unknown, options: SignalWithStartOptions): Promise<ExecutionHandle>;
  async signalWithStart(workflow: AnyWorkflow | string, input: unknown, options: SignalWithStartOptions): Promise<ExecutionHandle> {
    this.checkOpen();
    const { signal, ...startOptions } = checkSignalWithStart(options);
    refuseSharing(startOptions, "signal");
    return this.#sender.sendBy(options.executionId, async () => {
      const { operation, definition } = await this.#prepare(workflow, input, startOptions);
      const message = signalMessage({ executionId: operation.executionId, workflow: definition }, signal, this.runtime);
      const outcome = await this.store.signalWithStart(operation, message);
      checkReached(operation, outcome);
      return new ExecutionHandle(this, operation.executionId, outcome.runId, definition);
    });
  }

  /** Starts an execution and waits for its result. @throws what `start` and `result` throw */
  execute<W extends AnyWorkflow>(workflow: W, input: NoInfer<InputOf<W>>, options?: StartOptions): Promise<OutputOf<W>>;
  execute(workflow: string, input: unknown, options?: StartOptions): Promise<unknown>;
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

  /** Executions, newest first, page by page. @throws FilterInvalid, OptionInvalid */
  async list(options: ListOptions = {}): Promise<ExecutionPage> {
    this.checkOpen();
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

  /** Workers that lived within the last day, newest first. */
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

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.committer.close(closeTimeoutMs);
    this.results.close(new Closed("This Pawl"));
    await this.store.close();
  }

  /** @throws Closed */
  checkOpen(): void {
    if (this.#closed) throw new Closed("This Pawl");
  }

  /** A start that nobody has claimed, with the definition where this process has it, and the encoded input. */
  async #prepare(workflow: AnyWorkflow | string, input: unknown, options: StartOptions): Promise<PreparedStart> {
    const executionId = options.executionId === undefined ? this.runtime.newUuid() : checkId(options.executionId, "executionId");
    const idempotencyKey = options.idempotencyKey === undefined ? null : checkId(options.idempotencyKey, "idempotencyKey");
    const definition = typeof workflow === "string" ? await this.#find(workflow, options.version) : workflow;
    if (typeof definition?.name !== "string") throw new OptionInvalid("workflow", "must be a workflow made by defineWorkflow, or the name of one");
    const timeout = options.timeout ?? ("run" in definition ? definition.timeout : undefined);
    const merging = mergingOf(options, input);
    const delayMs = merging?.delayMs ?? (options.delay === undefined ? 0 : toMilliseconds(options.delay, "delay"));
    const timeoutMs = timeout === undefined ? undefined : (merging?.longestDelayMs ?? delayMs) + toMilliseconds(timeout, "timeout");
    const { found, searchable } = searchValues(options.labels, options.attributes, "start");
    checkPlace(options);
    const deduplicationId = options.deduplicationId === undefined ? undefined : checkId(options.deduplicationId, "deduplicationId");
    const text = encodeValue(input, "input");
    if ("run" in definition && definition.input !== undefined) await parseInput(definition, input);
    const taskQueue = checkName(options.taskQueue ?? definition.taskQueue, "taskQueue");
    const runId = this.runtime.newUuid();
    const traceparent = this.telemetry?.started({ executionId, runId, workflow: definition.name, version: definition.version }, undefined);
    const operation = {
      runId,
      namespace: this.namespace,
      executionId,
      workflow: definition.name,
      version: definition.version,
      taskQueue,
      idempotencyKey,
      parentRunId: null,
      parentPosition: null,
      delayMs,
      claimBy: null,
      ...searchable,
      ...placed(options),
      ...(deduplicationId === undefined ? {} : { deduplicationId }),
      ...(merging === undefined ? {} : { mergeKey: merging.mergeKey }),
      started: encodeEvent({
        type: "ExecutionStarted",
        ...(traceparent === undefined ? {} : { traceparent }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...found,
        ...(merging === undefined ? {} : { merge: merging.kind }),
        input: { text },
      }),
    };
    return { operation, merging, definition: "run" in definition ? definition : undefined, named: definition, text };
  }

  /** Nobody here may run it yet: whether it is there is up to the user's transaction. */
  async #startIn(client: SqlClient, operation: StartOperation, definition: AnyWorkflow | undefined, text: string): Promise<ExecutionHandle> {
    const outcome = await this.store.transactions.start(client, operation);
    if (outcome.outcome === "exists") return this.#existing(operation, outcome, text, definition);
    return new ExecutionHandle(this, operation.executionId, operation.runId, definition);
  }

  /** Starts an execution for others to be merged into, or merges this start into the one that waits. */
  async #merge(operation: StartOperation, merging: Merging, text: string, definition: AnyWorkflow | undefined): Promise<ExecutionHandle> {
    const { namespace, workflow, runId: startId, taskQueue } = operation;
    const { mergeKey, periodMs, longestMs, size } = merging;
    const data = encodeEvent({ type: "StartMerged", startId, input: { text } });
    for (;;) {
      const outcome = await this.committer.start(operation);
      const merged =
        outcome.outcome === "started" ? operation : await this.store.mergeStart({ namespace, workflow, mergeKey, startId, data, periodMs, longestMs, size });
      // It has begun between the two statements: the next start is the first of another one.
      if (merged === undefined) continue;
      this.store.hint({ kind: "tasks", namespace, taskQueue });
      return new ExecutionHandle(this, merged.executionId, merged.runId, definition);
    }
  }

  async #existing(
    operation: StartOperation,
    outcome: StartOutcome & { outcome: "exists" },
    input: string,
    definition: AnyWorkflow | undefined,
  ): Promise<ExecutionHandle> {
    const { existing } = outcome;
    if (existing.workflow !== operation.workflow) {
      throw new ExecutionConflict(existing.executionId, `runs workflow "${existing.workflow}", not "${operation.workflow}"`);
    }
    if (operation.idempotencyKey !== null) {
      // A run that continued as new has an input of its own.
      const firstRun = (await this.store.pastRuns(this.namespace, existing.executionId))[0]?.runId ?? existing.runId;
      const [first] = await this.store.history(firstRun, 0, 1);
      const recorded = first === undefined ? undefined : encodeValue(readPayload((first.event as ExecutionStarted).input), "input");
      if (recorded !== undefined && recorded !== input) throw new ExecutionConflict(existing.executionId, `has the same idempotency key but another input`);
    }
    return new ExecutionHandle(this, existing.executionId, existing.runId, definition);
  }

  /** By name: what live workers offer decides, since nobody else could run it. */
  async #find(name: string, version: string | undefined): Promise<{ name: string; version: string; taskQueue: string }> {
    checkName(name, "workflow");
    const live = (await this.store.workers(this.namespace)).filter((worker) => worker.state === "live");
    const known = new Set<string>();
    for (const worker of live) {
      for (const [index, definition] of worker.definitions.entries()) {
        const at = definition.lastIndexOf("@");
        if (definition.slice(0, at) !== bulkWorkflowName) known.add(definition.slice(0, at));
        if (definition.slice(0, at) === name && (version === undefined || definition.slice(at + 1) === version)) {
          return { name, version: definition.slice(at + 1), taskQueue: worker.definitionQueues[index] ?? "default" };
        }
      }
    }
    throw new WorkflowUnknown(version === undefined ? name : `${name}" in version "${version}`, [...known].toSorted());
  }
}

/** What makes one execution of several starts needs a transaction of its own. @throws OptionInvalid */
function refuseSharing(options: StartOptions, beside: "transaction" | "signal"): void {
  for (const name of ["deduplicationId", "debounce", "batch"] as const)
    if (options[name] !== undefined)
      throw new OptionInvalid(name, `does not go with \`${beside}\`; use an executionId, or an idempotencyKey where it is allowed`);
}
