import { checkKeys } from "../base/check-keys.ts";
import { ExecutionConflict, OptionInvalid } from "../base/errors.ts";
import { toMilliseconds } from "../base/duration.ts";
import { checkId, checkKey, checkName } from "../base/ids.ts";
import { checkPlace } from "../base/queue-place.ts";
import { copyValue, decodeValue, encodeValue } from "../base/values.ts";
import { checkStartInput } from "../definition/schema.ts";
import type { OpenTransaction } from "../definition/transaction.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import type { ExecutionStarted } from "../kernel/event.ts";
import { readPayload } from "../kernel/payload.ts";
import type { Committer } from "../store/committer.ts";
import type { ExistingExecution, StartOperation, StartOutcome } from "../store/operations.ts";
import { placed } from "../store/queue-place.ts";
import { searchValues } from "../store/search-values.ts";
import { StartHeldUp } from "../store/start-held-up.ts";
import { ExecutionHandle, type HandleParent } from "./execution-handle.ts";
import { checkVersion, findDefinition } from "./find-definition.ts";
import type { LocalWorker } from "./local-worker.ts";
import { mergingOf, type Merging } from "./merging.ts";
import type { MessageSender } from "./message-sender.ts";
import { checkMessage, signalMessage } from "./outgoing-message.ts";
import { checkReached, checkSignalWithStart, type SignalWithStartOptions } from "./signal-with-start.ts";
import { refuseSharing, startKeys, type StartOptions } from "./start-options.ts";
import { checkClient } from "./transaction-client.ts";

interface PreparedStart {
  readonly operation: StartOperation & { claimBy: string | null };
  readonly merging: Merging | undefined;
  /** Undefined for a start by name, if no worker of this process has it. */
  readonly definition: AnyWorkflow | undefined;
  readonly named: Pick<AnyWorkflow, "name" | "version">;
  /** The input, encoded. */
  readonly text: string;
}

/**
 * Starts executions: an input and options become a start operation, which is committed, claimed at once where a worker of this
 * process can run it, merged into another start, or written in a user's transaction. A start that finds its id taken gives what is there.
 */
export class Starts {
  readonly #parent: HandleParent;
  readonly #committer: Committer;
  readonly #sender: MessageSender;
  readonly #localWorkers: readonly LocalWorker[];

  constructor(parent: HandleParent, committer: Committer, sender: MessageSender, localWorkers: readonly LocalWorker[]) {
    this.#parent = parent;
    this.#committer = committer;
    this.#sender = sender;
    this.#localWorkers = localWorkers;
  }

  async start(workflow: AnyWorkflow | string, input: unknown, options: StartOptions = {}): Promise<ExecutionHandle> {
    this.#parent.checkOpen();
    checkKeys(options, startKeys, "start");
    const { transaction } = options;
    if (transaction !== undefined) {
      refuseSharing(options, "transaction");
      checkClient(transaction);
    }
    const { operation, merging, definition, text, named } = await this.#prepare(workflow, input, options);
    if (transaction !== undefined) return this.#startIn(transaction, operation, definition, text);
    if (merging !== undefined) return this.#merge(operation, merging, text, definition);
    const { executionId, runId, taskQueue } = operation;
    const eager = (candidate: LocalWorker): boolean => (operation.claimBy = candidate.reserveSlot(runId, named, taskQueue)) !== null;
    let worker = operation.delayMs > 0 ? undefined : this.#localWorkers.find(eager);
    // Nobody knows for how long, so it does not keep a slot.
    const onHeldUp = (): void => {
      worker?.cancelReservation(runId);
      worker = undefined;
      operation.claimBy = null;
    };
    let outcome: StartOutcome;
    try {
      outcome = await this.#committer.start(operation, onHeldUp);
    } catch (error) {
      worker?.cancelReservation(runId);
      throw error;
    }
    if (outcome.outcome === "exists") {
      worker?.cancelReservation(runId);
      return this.#existing(operation, outcome, text, definition);
    }
    if (worker === undefined) this.#parent.store.hint({ kind: "tasks", namespace: this.#parent.namespace, taskQueue });
    else worker.startReserved(operation, outcome.at);
    return new ExecutionHandle(this.#parent, executionId, runId, definition);
  }

  async signalWithStart(workflow: AnyWorkflow | string, input: unknown, options: SignalWithStartOptions): Promise<ExecutionHandle> {
    this.#parent.checkOpen();
    const { signal, ...startOptions } = checkSignalWithStart(options);
    refuseSharing(startOptions, "signal");
    const executionId = checkId(options.executionId, "executionId");
    const named = typeof workflow === "string";
    const message = signalMessage({ executionId, workflow: named ? undefined : workflow }, signal, this.#parent);
    const payload = named ? copyValue(signal.payload, "payload") : undefined;
    const prepare = async (): Promise<() => Promise<ExecutionHandle>> => {
      const { operation, definition } = await this.#prepare(workflow, input, startOptions);
      // Only now it is known whether this process has the definition.
      if (named) checkMessage(definition, "signal", signal.name, payload);
      const send = () => this.#parent.store.signalWithStart(operation, message);
      return async () => {
        const outcome = await send().catch((error: unknown) => {
          if (error instanceof StartHeldUp) return this.#committer.patience.run(send);
          throw error;
        });
        await checkReached(this.#parent.store, operation, message, outcome);
        return new ExecutionHandle(this.#parent, executionId, outcome.runId, definition);
      };
    };
    return this.#sender.sendBy(executionId, prepare());
  }

  /**
   * A start that nobody has claimed, with the definition where this process has it, and the encoded input. All that is given is read before
   * anything is waited for: the caller may change his objects meanwhile.
   */
  async #prepare(workflow: AnyWorkflow | string, input: unknown, options: StartOptions): Promise<PreparedStart> {
    const executionId = options.executionId === undefined ? this.#parent.runtime.newUuid() : checkId(options.executionId, "executionId");
    const idempotencyKey = options.idempotencyKey === undefined ? null : checkKey(options.idempotencyKey, "idempotencyKey");
    const merging = mergingOf(options, input);
    const delayMs = merging?.delayMs ?? (options.delay === undefined ? 0 : toMilliseconds(options.delay, "delay"));
    const ownTimeoutMs = options.timeout === undefined ? undefined : toMilliseconds(options.timeout, "timeout");
    const { found, searchable } = searchValues(options.labels, options.attributes, "start");
    checkPlace(options);
    const place = placed(options);
    const deduplicationId = options.deduplicationId === undefined ? undefined : checkKey(options.deduplicationId, "deduplicationId");
    const ownQueue = options.taskQueue === undefined ? undefined : checkName(options.taskQueue, "taskQueue");
    const text = encodeValue(input, "input");
    const definition = typeof workflow === "string" ? await findDefinition(this.#parent.store, this.#parent.namespace, workflow, options.version) : workflow;
    if (typeof definition?.name !== "string") throw new OptionInvalid("workflow", "must be a workflow made by defineWorkflow, or the name of one");
    if (typeof workflow !== "string") checkVersion(workflow, options.version);
    // By name, too, the code may be here.
    const code = "run" in definition ? definition : this.#parent.definition(definition.name, definition.version);
    const workflowTimeoutMs = code?.timeout === undefined ? undefined : toMilliseconds(code.timeout, "timeout");
    const timeoutMs = ownTimeoutMs ?? workflowTimeoutMs;
    const longestDelayMs = merging?.longestDelayMs ?? delayMs;
    if (code?.input !== undefined) await checkStartInput(code, typeof workflow === "string" ? decodeValue(text) : input);
    const taskQueue = ownQueue ?? checkName(definition.taskQueue, "taskQueue");
    const runId = this.#parent.runtime.newUuid();
    const { namespace, telemetry } = this.#parent;
    const traceparent = telemetry?.started({ namespace, executionId, runId, workflow: definition.name, version: definition.version });
    const operation = {
      runId,
      namespace,
      executionId,
      ...(options.executionId === undefined && idempotencyKey === null ? {} : { chosen: true as const }),
      workflow: definition.name,
      version: definition.version,
      taskQueue,
      idempotencyKey,
      parentRunId: null,
      parentPosition: null,
      delayMs,
      claimBy: null,
      ...searchable,
      ...place,
      ...(deduplicationId === undefined ? {} : { deduplicationId }),
      ...(merging === undefined ? {} : { mergeKey: merging.mergeKey }),
      started: encodeEvent({
        type: "ExecutionStarted",
        ...(traceparent === undefined ? {} : { traceparent }),
        ...(timeoutMs === undefined ? {} : { timeoutMs, ...(longestDelayMs > 0 ? { delayMs: longestDelayMs } : {}) }),
        ...found,
        ...(merging === undefined ? {} : { merge: merging.kind }),
        input: { text },
      }),
    };
    return { operation, merging, definition: code, named: definition, text };
  }

  /** Nobody here may run it yet: whether it is there is up to the user's transaction. */
  async #startIn(client: OpenTransaction, operation: StartOperation, definition: AnyWorkflow | undefined, text: string): Promise<ExecutionHandle> {
    const outcome = await this.#parent.store.transactions.start(client, operation);
    if (outcome.outcome === "exists") return this.#existing(operation, outcome, text, definition);
    return new ExecutionHandle(this.#parent, operation.executionId, operation.runId, definition);
  }

  /** Starts an execution for others to be merged into, or merges this start into the one that waits. */
  async #merge(operation: StartOperation, merging: Merging, text: string, definition: AnyWorkflow | undefined): Promise<ExecutionHandle> {
    const { namespace, runId: startId, taskQueue } = operation;
    const { periodMs, longestMs, size } = merging;
    const data = encodeEvent({ type: "StartMerged", startId, input: { text } });
    for (;;) {
      const outcome = await this.#committer.start(operation);
      const { executionId, runId } = outcome.outcome === "started" ? operation : outcome.existing;
      const isPart = outcome.outcome === "started" || (await this.#parent.store.mergeStart({ runId, startId, data, periodMs, longestMs, size }));
      // It has begun between the two statements: the next start is the first of another one.
      if (!isPart) continue;
      this.#parent.store.hint({ kind: "tasks", namespace, taskQueue });
      return new ExecutionHandle(this.#parent, executionId, runId, definition);
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
    // Found by its id or deduplication id alone, it may have been started with anything.
    if (existing.hasKey) {
      const recorded = await this.#inputOf(existing);
      if (recorded !== undefined && recorded !== input) throw new ExecutionConflict(existing.executionId, `has the same idempotency key but another input`);
    }
    return new ExecutionHandle(this.#parent, existing.executionId, existing.runId, definition);
  }

  /** What it was started with, encoded; undefined if the run that says so has been deleted. */
  async #inputOf({ executionId, runId }: ExistingExecution): Promise<string | undefined> {
    const oldestRun = (await this.#parent.store.pastRuns(this.#parent.namespace, executionId))[0]?.runId ?? runId;
    const [first] = await this.#parent.store.history(oldestRun, 0, 1);
    if (first === undefined) return undefined;
    const { input, continuedFrom } = first.event as ExecutionStarted;
    // A run that continued as new has an input of its own, and may be the oldest one left.
    return continuedFrom === undefined ? encodeValue(readPayload(input), "input") : undefined;
  }
}
