import { checkKeys } from "../base/check-keys.ts";
import { copyOptions } from "../base/copy-options.ts";
import { OptionInvalid, StreamClosed } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { handled } from "../base/handled.ts";
import { checkId, checkName, checkStepName } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { checkPlace } from "../base/queue-place.ts";
import { checkAttributeChanges, checkAttributes, checkLabelChanges, checkLabels, type AttributeChanges, type LabelChanges } from "../base/search-values.ts";
import { encodeChunk, encodeValue } from "../base/values.ts";
import { currentRace, runOutside, type Race } from "../definition/ambient.ts";
import type { ChildOptions, ParentClosePolicy, StepFunction, StepOptions, WaitOptions } from "../definition/context.ts";
import { childKeys, stepKeys, waitKeys } from "../definition/context-keys.ts";
import { remoteStep } from "../definition/remote-step.ts";
import { checkRetryPolicy, resolveRetryPolicy, type ResolvedRetryPolicy } from "../definition/retry-policy.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { setterOf, type Call, type RemoteStep, type SearchValuesCall, type TransactionCall } from "./call.ts";
import type { CallTable } from "./call-table.ts";
import { familyName } from "./continuation.ts";
import type { ExecutionStarted } from "./event.ts";
import type { Replay, ReplayHost } from "./replay.ts";
import { isSo } from "./state-condition.ts";

const closePolicies: readonly ParentClosePolicy[] = ["cancel", "terminate", "abandon"];

/**
 * The durable calls as code makes them: checked, encoded, and put into the table with the next position. Each gives what its
 * outcome, once recorded, settles. After a cancel request calls that are not shielded fail at once; once the code has continued as
 * new no call is made, and what it waits for never comes.
 *
 * Owns: the ids of children; what the code may do only so often or so long.
 */
export class CodeCalls {
  readonly #replay: Replay;
  readonly #table: CallTable;
  readonly #host: Pick<ReplayHost, "called">;
  readonly #defaultRetry: ResolvedRetryPolicy;
  /** Streams that the code has closed. */
  readonly #closedStreams = new Set<string>();
  /** After a rollback, a retry, or the resume of a cancelled run: stands in the ids of the children it starts. */
  #childSuffix = "";
  /** Names of labels and attributes: all that the code of this run has given so far, and those that the execution has. */
  #searchNames = { labels: { given: new Set<string>(), has: new Set<string>() }, attributes: { given: new Set<string>(), has: new Set<string>() } };

  constructor(replay: Replay, table: CallTable, host: Pick<ReplayHost, "called">) {
    this.#replay = replay;
    this.#table = table;
    this.#host = host;
    this.#defaultRetry = defaultRetryOf(replay.workflow);
  }

  /** What the run has from its start, or since its resume. */
  has({ labels, attributes }: Pick<ExecutionStarted, "attributes" | "labels">): void {
    if (labels !== undefined) this.#searchNames.labels.has = new Set(Object.keys(labels));
    if (attributes !== undefined) this.#searchNames.attributes.has = new Set(Object.keys(attributes));
  }

  step<Result>(name: string, fn: StepFunction<Result>, options: StepOptions | undefined, shielded: boolean, transaction?: TransactionCall): Promise<Result> {
    checkStepName(name, "ctx.step name");
    if (typeof fn !== "function") throw new OptionInvalid(`step "${name}"`, "takes a function as its second argument");
    // Those of a transaction have been checked as such.
    if (options !== undefined && transaction === undefined) checkKeys(options, stepKeys, `step "${name}"`);
    if (options?.taskQueue !== undefined) return this.#remoteStep(name, fn, options, options.taskQueue, shielded) as Promise<Result>;
    if (options?.scheduleToStart !== undefined)
      throw new OptionInvalid(
        `step "${name}".scheduleToStart`,
        "is for steps on another queue; this one runs in place, as soon as its workflow comes to it. Leave it out, or give a taskQueue too",
      );
    let retry = this.#defaultRetry;
    let timeoutMs: number | undefined;
    let heartbeatTimeoutMs: number | undefined;
    let totalTimeoutMs: number | undefined;
    if (options !== undefined) {
      const path = `step "${name}"`;
      for (const place of ["key", "priority"] as const)
        if (options[place] !== undefined)
          throw new OptionInvalid(`${path}.${place}`, "is the place in a queue of a step that has a taskQueue; this one runs with its workflow");
      if (options.retry !== undefined) {
        checkRetryPolicy(options.retry, `${path}.retry`);
        retry = resolveRetryPolicy({ ...this.#replay.workflow.retry, ...options.retry }, `${path}.retry`);
      }
      if (options.timeout !== undefined) timeoutMs = toMilliseconds(options.timeout, `${path}.timeout`);
      if (options.totalTimeout !== undefined) totalTimeoutMs = toMilliseconds(options.totalTimeout, `${path}.totalTimeout`);
      if (options.heartbeatTimeout !== undefined) heartbeatTimeoutMs = toMilliseconds(options.heartbeatTimeout, `${path}.heartbeatTimeout`);
    }
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind: "step",
      name,
      fn,
      retry,
      timeoutMs,
      heartbeatTimeoutMs,
      totalTimeoutMs,
      startedAt: undefined,
      transaction,
      lastAttempt: 0,
      failures: 0,
      retryAt: undefined,
      lastHeartbeat: undefined,
      lastFailure: undefined,
    })) as Promise<Result>;
  }

  #remoteStep(name: string, fn: object, options: StepOptions, taskQueue: string, shielded: boolean): Promise<unknown> {
    const path = `step "${name}"`;
    const { workflow, args } = remoteStep(name, fn, taskQueue, path);
    const scheduleToStartMs = options.scheduleToStart === undefined ? undefined : toMilliseconds(options.scheduleToStart, `${path}.scheduleToStart`);
    const { key, priority } = options;
    const place = { ...(key === undefined ? {} : { key }), ...(priority === undefined ? {} : { priority }) };
    checkPlace(place, `${path}.`);
    return this.child(workflow, args, place, shielded, { name, taskQueue, scheduleToStartMs });
  }

  /** @param until how long, or until when */
  timer(until: Duration | Date, shielded: boolean): Promise<void> {
    const untilMs = until instanceof Date ? until.getTime() : undefined;
    // What is over already needs no time.
    const duration = until instanceof Date ? Math.max(0, until.getTime() - this.#replay.nowMs) : until;
    const durationMs = toMilliseconds(duration, "ctx.sleep duration");
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind: "timer",
      durationMs,
      untilMs,
      fireAt: undefined,
    })) as Promise<void>;
  }

  /** @param isTrue of the state; undefined for a signal */
  wait(signal: string | undefined, isTrue: (() => boolean) | undefined, options: WaitOptions | undefined, shielded: boolean): Promise<unknown> {
    if (options !== undefined) checkKeys(options, waitKeys, signal === undefined ? "ctx.until" : "ctx.signal");
    const timeoutMs = options?.timeout === undefined ? undefined : toMilliseconds(options.timeout, "timeout");
    const race = signal === undefined ? undefined : currentRace();
    return this.#call(shielded, (position, resolve, reject) => {
      const taken = signal === undefined ? (isSo(isTrue!) ? { value: undefined } : undefined) : this.#takeSignal(signal, race);
      if (taken !== undefined) resolve(taken.value);
      return {
        position,
        settled: taken !== undefined,
        shielded,
        resolve,
        reject,
        kind: "wait",
        signal,
        isTrue,
        race,
        timeoutMs,
        started: false,
        fireAt: undefined,
      };
    });
  }

  /** What is there already settles the call before anybody hears of it; but in a race only one task may win, so it takes what is there in its turn. */
  #takeSignal(signal: string, race: Race | undefined): { readonly value: unknown } | undefined {
    return race === undefined ? this.#replay.mailbox.take(signal) : undefined;
  }

  value(key: string, value: unknown, shielded: boolean): Promise<void> {
    checkName(key, "ctx.set key");
    const encoded = encodeValue(value, "value");
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind: "value",
      key,
      value: encoded,
    })) as Promise<void>;
  }

  child(workflow: AnyWorkflow, input: unknown, given: ChildOptions, shielded: boolean, remote?: RemoteStep): Promise<unknown> {
    if (typeof workflow?.run !== "function") throw new OptionInvalid("ctx.child workflow", "must be a workflow made by defineWorkflow");
    checkKeys(given, childKeys, "ctx.child");
    const options = copyOptions(given);
    if (options.executionId !== undefined) checkId(options.executionId, "ctx.child executionId");
    if (options.parentClosePolicy !== undefined && !closePolicies.includes(options.parentClosePolicy))
      throw new OptionInvalid("ctx.child parentClosePolicy", `must be one of ${closePolicies.join(", ")}, not ${options.parentClosePolicy as string}`);
    if (options.taskQueue !== undefined) checkName(options.taskQueue, "ctx.child taskQueue");
    checkPlace(options, "ctx.child ");
    const timeout = options.timeout ?? workflow.timeout;
    const executionTimeoutMs = timeout === undefined ? undefined : toMilliseconds(timeout, "ctx.child timeout");
    checkLabels(options.labels, "ctx.child labels");
    checkAttributes(options.attributes, "ctx.child attributes");
    const encoded = encodeValue(input, "input");
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind: "child",
      workflow,
      input: encoded,
      // Its start may be made only after the whole history has been applied.
      options,
      remote,
      startBy: undefined,
      executionTimeoutMs,
      executionId: options.executionId ?? checkId(`${this.#family}.${position}`, "ctx.child executionId"),
      runId: undefined,
    }));
  }

  labels(changes: LabelChanges, shielded: boolean): Promise<void> {
    const labels = checkLabelChanges(changes, "ctx.setLabels");
    return this.#searchValues("labels", labels, (position) => ({ type: "LabelsSet", position, labels }), shielded);
  }

  attributes(changes: AttributeChanges, shielded: boolean): Promise<void> {
    const attributes = checkAttributeChanges(changes, "ctx.setAttributes");
    return this.#searchValues("attributes", attributes, (position) => ({ type: "AttributesSet", position, attributes }), shielded);
  }

  #searchValues(kind: SearchValuesCall["kind"], changes: object, eventAt: (position: number) => SearchValuesCall["event"], shielded: boolean): Promise<void> {
    const names = this.#searchNames[kind];
    const given = new Set([...names.given, ...Object.keys(changes)]);
    if (given.size > limits.searchNames)
      throw new OptionInvalid(
        `ctx.${setterOf[kind]}`,
        `with these, this code sets ${given.size} different ${kind}; at most ${limits.searchNames} are allowed.`,
      );
    const has = new Set(names.has);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) has.delete(name);
      else has.add(name);
    }
    // Each run that continues as new may give others than those it takes over. Who has too many all the same may take some away.
    if (has.size > limits.searchNamesKept && has.size > names.has.size)
      throw new OptionInvalid(
        `ctx.${setterOf[kind]}`,
        `with these, the execution has ${has.size} ${kind}; at most ${limits.searchNamesKept} are allowed. Take others away first, with null.`,
      );
    this.#searchNames[kind] = { given, has };
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind,
      event: eventAt(position),
    })) as Promise<void>;
  }

  /** @param chunk undefined closes the stream */
  stream(stream: string, chunk: { readonly value: unknown } | undefined, shielded: boolean): Promise<void> {
    const isClosed = this.#closedStreams.has(stream);
    if (isClosed && chunk === undefined) return Promise.resolve();
    if (isClosed) throw new StreamClosed(this.#replay.identity.executionId, stream);
    const data = chunk === undefined ? null : encodeChunk(chunk.value);
    if (data === null && (shielded || this.#replay.cancelRequested === undefined)) this.#closedStreams.add(stream);
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind: "stream",
      stream,
      data,
    })) as Promise<void>;
  }

  // Each kind of call is written out as one literal: a spread here was a tenth of all time spent on short steps.
  #call(shielded: boolean, make: (position: number, resolve: (value: unknown) => void, reject: (error: Error) => void) => Call): Promise<unknown> {
    // Not even from the mailbox: what is in there is the next run's.
    if (this.#replay.hasContinued) return new Promise(ignore);
    const position = this.#table.takePosition();
    if (this.#replay.cancelRequested !== undefined && !shielded) {
      this.#table.addSettled(position, "a call after the cancel request");
      return handled(Promise.reject(this.#replay.cancelError()));
    }
    return handled(
      new Promise((resolve, reject) => {
        const call = make(position, resolve, reject);
        if (call.settled) return this.#table.addSettled(position, call.kind);
        this.#table.add(call);
        runOutside(() => this.#host.called(call));
      }),
    );
  }

  /** What the ids of children begin with, unless they are chosen. */
  get #family(): string {
    return `${familyName(this.#replay.identity.executionId, this.#replay.continuedFrom)}${this.#childSuffix}`;
  }

  /** The total time of steps that have not ended counts from their next attempt. */
  giveTimeAnew(): void {
    for (const call of this.#table.open.values()) if (call.kind === "step") call.startedAt = undefined;
  }

  /** What the run before started under the ids of before is not what this one starts: these get others. */
  startChildrenAnew(suffix: string): void {
    this.#childSuffix = suffix;
    for (const call of this.#table.open.values()) {
      if (call.kind !== "child" || call.runId !== undefined || call.options.executionId !== undefined) continue;
      call.executionId = `${this.#family}.${call.position}`;
    }
  }
}

const defaultRetries = new WeakMap<AnyWorkflow, ResolvedRetryPolicy>();

function defaultRetryOf(workflow: AnyWorkflow): ResolvedRetryPolicy {
  let policy = defaultRetries.get(workflow);
  if (policy === undefined) defaultRetries.set(workflow, (policy = resolveRetryPolicy(workflow.retry, `workflow "${workflow.name}".retry`)));
  return policy;
}

function ignore(): void {}
