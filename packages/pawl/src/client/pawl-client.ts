import { Closed, ExecutionConflict, OptionInvalid, WorkflowUnknown } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { checkId, checkName } from "../base/ids.ts";
import type { Logger } from "../base/logger.ts";
import type { Runtime } from "../base/runtime.ts";
import { encodeValue } from "../base/values.ts";
import { parseInput } from "../definition/schema.ts";
import type { AnyWorkflow, InputOf, MessagesOf, OutputOf } from "../definition/workflow.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import { executionStates, type ExecutionState } from "../kernel/execution-state.ts";
import { readPayload } from "../kernel/payload.ts";
import { Committer } from "../store/committer.ts";
import type { StartOperation, StartOutcome } from "../store/operations.ts";
import type { OutsideMessage, Receipt, Store, WorkerSummary } from "../store/store.ts";
import { ExecutionHandle, executionInfo, type ExecutionInfo, type HandleParent } from "./execution-handle.ts";
import { MessageSender } from "./message-sender.ts";
import { ResultHub } from "./result-hub.ts";
import { scheduledWork } from "./scheduled-work.ts";
import { Schedules } from "./schedules.ts";

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
  /** Which version, when started by name and several are known. */
  readonly version?: string;
}

export interface ListOptions {
  readonly workflow?: string;
  readonly state?: ExecutionState | readonly ExecutionState[];
  readonly taskQueue?: string;
  /** Only children of this execution. */
  readonly parent?: string;
  readonly createdAfter?: Date;
  readonly createdBefore?: Date;
  /** Rows per page, 1 to 1000 (50). */
  readonly limit?: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string;
}

export interface ExecutionPage {
  /** Newest first. */
  readonly executions: readonly ExecutionInfo[];
  /** Undefined on the last page. */
  readonly nextCursor: string | undefined;
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
  protected readonly committer: Committer;
  protected readonly logger: Logger;
  protected readonly localWorkers: LocalWorker[] = [];
  readonly #sender: MessageSender;
  #closed = false;

  constructor(store: Store, namespace: string, logger: Logger, runtime: Runtime) {
    this.store = store;
    this.namespace = checkName(namespace, "namespace");
    this.logger = logger;
    this.runtime = runtime;
    this.committer = new Committer(store, runtime);
    this.#sender = new MessageSender(store, this.namespace);
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
    const executionId = options.executionId === undefined ? this.runtime.newUuid() : checkId(options.executionId, "executionId");
    const idempotencyKey = options.idempotencyKey === undefined ? null : checkId(options.idempotencyKey, "idempotencyKey");
    const delayMs = options.delay === undefined ? 0 : toMilliseconds(options.delay, "delay");
    const timeoutOption = options.timeout ?? (typeof workflow === "string" ? undefined : workflow.timeout);
    const timeoutMs = timeoutOption === undefined ? undefined : delayMs + toMilliseconds(timeoutOption, "timeout");
    const definition = typeof workflow === "string" ? await this.#find(workflow, options.version) : workflow;
    if (typeof definition?.name !== "string") throw new OptionInvalid("workflow", "must be a workflow made by defineWorkflow, or the name of one");
    const text = encodeValue(input, "input");
    if ("run" in definition && definition.input !== undefined) await parseInput(definition, input);
    const taskQueue = checkName(options.taskQueue ?? definition.taskQueue, "taskQueue");
    const runId = this.runtime.newUuid();
    let claimBy: string | null = null;
    const worker = delayMs > 0 ? undefined : this.localWorkers.find((candidate) => (claimBy = candidate.reserveSlot(runId, definition, taskQueue)) !== null);
    const operation: StartOperation = {
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
      claimBy,
      started: encodeEvent({ type: "ExecutionStarted", ...(timeoutMs === undefined ? {} : { timeoutMs }), input: { text } }),
    };
    let outcome: StartOutcome;
    try {
      outcome = await this.committer.start(operation);
    } catch (error) {
      worker?.cancelReservation(runId);
      throw error;
    }
    if (outcome.outcome === "exists") {
      worker?.cancelReservation(runId);
      return this.#existing(operation, outcome, text, "run" in definition ? definition : undefined);
    }
    if (worker === undefined) this.store.hint({ kind: "tasks", namespace: this.namespace, taskQueue });
    else worker.startReserved(operation, outcome.at);
    return new ExecutionHandle(this, executionId, runId, "run" in definition ? definition : undefined);
  }

  /** Starts an execution and waits for its result. @throws what `start` and `result` throw */
  execute<W extends AnyWorkflow>(workflow: W, input: NoInfer<InputOf<W>>, options?: StartOptions): Promise<OutputOf<W>>;
  execute(workflow: string, input: unknown, options?: StartOptions): Promise<unknown>;
  async execute(workflow: AnyWorkflow | string, input: unknown, options?: StartOptions): Promise<unknown> {
    const handle = await this.start(workflow as AnyWorkflow, input, options);
    return handle.result();
  }

  /** A handle to an execution that exists or will. Pass the workflow to have its result typed. */
  handle<W extends AnyWorkflow>(executionId: string, workflow: W): ExecutionHandle<OutputOf<W>, MessagesOf<W>>;
  handle(executionId: string): ExecutionHandle;
  handle(executionId: string, workflow?: AnyWorkflow): ExecutionHandle {
    return new ExecutionHandle(this, checkId(executionId, "executionId"), undefined, workflow);
  }

  /** Executions, newest first, page by page. @throws OptionInvalid */
  async list(options: ListOptions = {}): Promise<ExecutionPage> {
    this.checkOpen();
    const limit = options.limit ?? 50;
    if (!Number.isInteger(limit) || limit < 1 || limit > mostRows)
      throw new OptionInvalid("limit", `must be a whole number from 1 to ${mostRows}, not ${String(limit)}`);
    const rows = await this.store.list({
      namespace: this.namespace,
      limit: limit + 1,
      ...(options.workflow === undefined ? {} : { workflow: checkName(options.workflow, "workflow") }),
      ...(options.state === undefined ? {} : { state: states(options.state) }),
      ...(options.taskQueue === undefined ? {} : { taskQueue: checkName(options.taskQueue, "taskQueue") }),
      ...(options.parent === undefined ? {} : { parentExecutionId: checkId(options.parent, "parent") }),
      ...(options.createdAfter === undefined ? {} : { createdAfter: time(options.createdAfter, "createdAfter") }),
      ...(options.createdBefore === undefined ? {} : { createdBefore: time(options.createdBefore, "createdBefore") }),
      ...(options.cursor === undefined ? {} : { before: cursor(options.cursor) }),
    });
    const executions = rows.slice(0, limit).map(executionInfo);
    return { executions, nextCursor: rows.length > limit ? executions.at(-1)?.runId : undefined };
  }

  /** Workers that lived within the last day, newest first. */
  async workers(): Promise<readonly WorkerSummary[]> {
    this.checkOpen();
    return this.store.workers(this.namespace);
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

  /** The code of a workflow that a worker in this process has. @throws WorkflowUnknown */
  definition(workflow: string, version: string): AnyWorkflow {
    for (const worker of this.localWorkers) {
      const definition = worker.definition(workflow, version);
      if (definition !== undefined) return definition;
    }
    throw new WorkflowUnknown(`${workflow}" in version "${version}`, []);
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
      const [first] = await this.store.history(existing.runId, 0, 1);
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
        known.add(definition.slice(0, at));
        if (definition.slice(0, at) === name && (version === undefined || definition.slice(at + 1) === version)) {
          return { name, version: definition.slice(at + 1), taskQueue: worker.definitionQueues[index] ?? "default" };
        }
      }
    }
    throw new WorkflowUnknown(version === undefined ? name : `${name}" in version "${version}`, [...known].toSorted());
  }
}

function states(state: ExecutionState | readonly ExecutionState[]): readonly ExecutionState[] {
  const list: readonly ExecutionState[] = typeof state === "string" ? [state] : state;
  for (const one of list) {
    if (!executionStates.includes(one)) throw new OptionInvalid("state", `"${one}" is none of ${executionStates.join(", ")}`);
  }
  return list;
}

function time(value: Date, path: string): number {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw new OptionInvalid(path, "must be a valid Date");
  return value.getTime();
}

function cursor(value: string): string {
  if (!/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(value)) throw new OptionInvalid("cursor", "is not a nextCursor of list()");
  return value;
}
