import { checkId, checkName, checkStepName } from "../base/ids.ts";
import { ContinuedAsNew, ExecutionCancelled, NondeterminismDetected, OptionInvalid, StreamClosed, WaitTimeout } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { checkPlace } from "../base/queue-place.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { checkAttributeChanges, checkAttributes, checkLabels, type AttributeChanges } from "../base/search-values.ts";
import { encodeChunk, encodeValue, toError } from "../base/values.ts";
import { runAmbient, runOutside } from "../definition/ambient.ts";
import type { ChildOptions, ContinueOptions, ParentClosePolicy, StepFunction, StepOptions, WaitOptions } from "../definition/context.ts";
import { remoteStep } from "../definition/remote-step.ts";
import { resolveRetryPolicy, type ResolvedRetryPolicy } from "../definition/retry-policy.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { describeCall, type Call, type RemoteStep, type TransactionCall, type WaitCall } from "./call.ts";
import { childError } from "./child-error.ts";
import { continuation, familyName, type Continuation } from "./continuation.ts";
import type { ContinuationLink, Event, ExecutionStarted, RecordedEvent, ScheduleLink, SignalReceived } from "./event.ts";
import { Mailbox, type UpdateReply } from "./mailbox.ts";
import { Patches } from "./patches.ts";
import { readPayload } from "./payload.ts";
import type { Seeds } from "./seed.ts";
import { createContext } from "./workflow-context.ts";
import { SeededRandom } from "./random.ts";

/** How the workflow's code ended. */
export type CodeOutcome =
  | { readonly outcome: "returned"; readonly value: unknown }
  | { readonly outcome: "threw"; readonly error: unknown }
  /** It asked for the next run. Whatever it does while that call unwinds it counts no more. */
  | { readonly outcome: "continued"; readonly next: Continuation };

/** What a replay tells its owner, synchronously, as it happens. */
export interface ReplayHost {
  /** Workflow code made a durable call. The owner starts it once the whole known history has been applied. */
  called(call: Call): void;
  /** A cancel request rejected this call; whatever runs for it should stop. */
  abandoned(call: Call): void;
  /** A child was started for a call that a cancel request had rejected meanwhile. */
  orphaned(childRunId: string): void;
  /** An update was applied; its reply is to be recorded unless it is. */
  replied(reply: UpdateReply): void;
  /** Code goes the new way at a patch, for the first time: to be recorded. */
  patched(patchId: string): void;
  /** Code wants to tell people something. To be ignored where it says so again. */
  logged(level: "info" | "warn" | "error", message: string): void;
  ended(outcome: CodeOutcome): void;
}

export interface ReplayIdentity {
  readonly executionId: string;
  readonly runId: string;
}

/**
 * Runs workflow code against a history.
 *
 * Owns: the positions of durable calls, which of them are open, and the delivery of recorded outcomes to them.
 * Does not own: running steps, writing events, time. The owner applies events one at a time and lets the microtask queue
 * drain after each one that settled a call, live and in replay alike.
 *
 * R1: a call's position depends only on the order of deliveries before it.
 * R2: an event about a position that the code has not reached, or reached with another kind or name of call, is a mismatch.
 * R3: a settled call never settles again, so late records about it (a lost race, a cancelled step) change nothing.
 * R4: once the code has continued as new nothing is applied any more: what is left is the next run's.
 */
export class Replay {
  readonly identity: ReplayIdentity;
  readonly workflow: AnyWorkflow;
  readonly random: SeededRandom;
  readonly mailbox: Mailbox;
  /** Number of the latest applied event. */
  historyLength = 1;
  /** Time of the latest applied event. */
  nowMs = 0;
  cancelRequested: CancelState | undefined;
  /** What started the run, if a schedule did. */
  schedule: ScheduleLink | undefined;
  /** Calls whose outcome is not recorded yet, by position. */
  readonly open = new Map<number, Call>();
  /** Those of them that wait for the state, in call order. */
  readonly #stateWaits = new Set<WaitCall>();
  /** The run that this one goes on from as new. */
  continuedFrom: ContinuationLink | undefined;
  #continued = false;
  readonly #patches = new Patches();
  readonly #host: ReplayHost;
  readonly #defaultRetry: ResolvedRetryPolicy;
  readonly #laterSeeds: Seeds["later"];
  #lastPosition = 0;
  /** Streams that the code has closed. */
  readonly #closedStreams = new Set<string>();
  /** After a rollback or a retry: stands in the ids of the children it starts. */
  #childSuffix = "";
  /** Every one that the code has named so far. */
  readonly #attributeNames = new Set<string>();
  /** What was called at the positions that are settled, for R2. */
  readonly #settled = new Map<number, string>();

  /** @param seeds identical for every replay of this run */
  constructor(workflow: AnyWorkflow, identity: ReplayIdentity, seeds: Seeds, host: ReplayHost) {
    this.workflow = workflow;
    this.identity = identity;
    this.random = new SeededRandom(seeds.first);
    this.#laterSeeds = seeds.later;
    this.mailbox = new Mailbox(workflow);
    this.#host = host;
    this.#defaultRetry = defaultRetryOf(workflow);
  }

  /** What is known of the run before its code is called. */
  begin(history: readonly RecordedEvent[]): void {
    const { at, event } = history[0]!;
    const { schedule, continuedFrom } = event as ExecutionStarted;
    this.#patches.read(history);
    this.nowMs = at;
    this.schedule = schedule;
    this.continuedFrom = continuedFrom;
  }

  /** Calls the workflow's code with its parsed input. */
  start(input: unknown): void {
    const context = createContext(this, false);
    const run = async (): Promise<unknown> => this.workflow.run(context as never, input as never);
    runAmbient({ kind: "workflow", context }, run).then(
      (value) => this.#ended({ outcome: "returned", value }),
      (error: unknown) => this.#ended({ outcome: "threw", error }),
    );
  }

  /** Ends the run for the next one. Throws always: nothing that stands behind it in the code happens any more. */
  callContinue(input: unknown, options: ContinueOptions): never {
    if (this.cancelRequested !== undefined) throw this.#cancelError();
    const next = continuation(this.workflow, input, options);
    if (!this.#continued) {
      this.#continued = true;
      runOutside(() => this.#host.ended({ outcome: "continued", next }));
    }
    throw new ContinuedAsNew(this.identity.executionId);
  }

  #ended(outcome: CodeOutcome): void {
    if (!this.#continued) this.#host.ended(outcome);
  }

  /**
   * Applies one event. Returns whether it settled a call, so that code may now go on.
   *
   * @throws NondeterminismDetected if the code has not made the call the event is about (R2).
   */
  apply({ seq, at, event }: RecordedEvent): boolean {
    if (this.#continued) return false;
    this.historyLength = seq;
    this.#patches.applied();
    const seed = this.#laterSeeds?.get(seq);
    if (seed !== undefined) this.random.reseed(seed);
    switch (event.type) {
      case "StepStarted": {
        const call = this.#callOf(event, "step", event.name);
        if (call?.kind === "step") {
          call.lastAttempt = Math.max(call.lastAttempt, event.attempt);
          call.startedAt = Math.min(call.startedAt ?? at, at);
        }
        return false;
      }
      case "StepAttemptFailed": {
        const call = this.#callOf(event, "step", event.name);
        if (call?.kind === "step") {
          call.lastAttempt = event.attempt;
          call.failures++;
          call.retryAt = at + event.retryInMs;
          call.lastFailure = event.failure;
          call.lastHeartbeat = event.heartbeat === undefined ? undefined : readPayload(event.heartbeat);
        }
        return false;
      }
      case "StepCompleted":
        return this.#settle(at, this.#callOf(event, "step", event.name), (call) => call.resolve(readPayload(event.result)));
      case "StepFailed":
        return this.#settle(at, this.#callOf(event, "step", event.name), (call) => call.reject(toError(event.failure)));
      case "TimerStarted": {
        const call = this.#callOf(event, "timer");
        if (call?.kind === "timer") call.fireAt = at + event.durationMs;
        return false;
      }
      case "TimerFired":
        return this.#settle(at, this.#callOf(event, "timer"), (call) => call.resolve(undefined));
      case "ChildStarted": {
        const call = this.#callOf(event, "child", event.workflow);
        if (call?.kind === "child") {
          call.executionId = event.executionId;
          call.runId = event.runId;
          if (call.remote?.scheduleToStartMs !== undefined) call.startBy = at + call.remote.scheduleToStartMs;
        } else if (this.cancelRequested !== undefined) this.#host.orphaned(event.runId);
        return false;
      }
      case "ChildCompleted":
        return this.#settle(at, this.#callOf(event, "child"), (call) => call.resolve(readPayload(event.result)));
      case "ChildFailed":
        return this.#settle(at, this.#callOf(event, "child"), (call) => call.reject(childError(call, event)));
      case "WaitStarted": {
        const call = this.#callOf(event, "wait", event.signal);
        if (call?.kind === "wait") {
          call.started = true;
          call.fireAt = event.timeoutMs === undefined ? undefined : at + event.timeoutMs;
        }
        return false;
      }
      case "WaitTimedOut":
        return this.#settle(at, this.#callOf(event, "wait"), (call) =>
          call.reject(new WaitTimeout(waitedFor(call as WaitCall), (call as WaitCall).timeoutMs!)),
        );
      case "SignalReceived":
        return this.#signal(at, event, seq);
      case "UpdateReceived": {
        this.nowMs = at;
        this.mailbox.update(event);
        this.#host.replied(this.mailbox.replies.get(event.updateId)!);
        return false;
      }
      case "UpdateCompleted":
      case "UpdateRejected":
        this.mailbox.replies.delete(event.updateId);
        return false;
      case "ValueSet":
        return this.#settle(at, this.#callOf(event, "value", event.key), (call) => call.resolve(undefined));
      case "AttributesSet":
        return this.#settle(at, this.#callOf(event, "attributes"), (call) => call.resolve(undefined));
      case "StreamWritten":
        return this.#settle(at, this.#callOf(event, "stream", event.stream), (call) => call.resolve(undefined));
      case "CancelRequested":
        return this.#cancel(at, event.reason);
      case "ExecutionResumed":
        if (event.operation !== undefined) this.#startsChildrenAnew(`.r${event.runNumber}`);
        return false;
      default:
        return false;
    }
  }

  /**
   * Goes on with code that waited for its state and has it now. To be called when everything that an event led to has
   * happened, before the next is applied. Returns whether there was such code.
   */
  settleWaits(): boolean {
    for (const call of this.#stateWaits) {
      if (call.isTrue?.() !== true) continue;
      this.#close(call);
      call.resolve(undefined);
      return true;
    }
    return false;
  }

  callStep<Result>(
    name: string,
    fn: StepFunction<Result>,
    options: StepOptions | undefined,
    shielded: boolean,
    transaction?: TransactionCall,
  ): Promise<Result> {
    checkStepName(name, "ctx.step name");
    if (typeof fn !== "function") throw new OptionInvalid(`step "${name}"`, "takes a function as its second argument");
    if (options?.taskQueue !== undefined) return this.#callRemoteStep(name, fn, options, options.taskQueue, shielded) as Promise<Result>;
    let retry = this.#defaultRetry;
    let timeoutMs: number | undefined;
    let heartbeatTimeoutMs: number | undefined;
    let totalTimeoutMs: number | undefined;
    if (options !== undefined) {
      const path = `step "${name}"`;
      if (options.retry !== undefined) retry = resolveRetryPolicy({ ...this.workflow.retry, ...options.retry }, `${path}.retry`);
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

  /** Whether code goes the new way at a patch. The first answer for an id is the answer for the whole run. */
  patched(patchId: string): boolean {
    checkName(patchId, "ctx.patched id");
    const answer = this.#patches.isPatched(patchId);
    if (answer === "now") runOutside(() => this.#host.patched(patchId));
    return answer !== "not";
  }

  /** @throws NondeterminismDetected in a run that went the old way there */
  deprecatePatch(patchId: string): void {
    if (!this.patched(patchId)) throw new NondeterminismDetected(this.#lastPosition + 1, `no mark of patch "${patchId}"`, `deprecatePatch("${patchId}")`);
  }

  log(level: "info" | "warn" | "error", message: string): void {
    runOutside(() => this.#host.logged(level, message));
  }

  #callRemoteStep(name: string, fn: object, options: StepOptions, taskQueue: string, shielded: boolean): Promise<unknown> {
    const path = `step "${name}"`;
    const { workflow, args } = remoteStep(name, fn, taskQueue, path);
    const scheduleToStartMs = options.scheduleToStart === undefined ? undefined : toMilliseconds(options.scheduleToStart, `${path}.scheduleToStart`);
    return this.callChild(workflow, args, {}, shielded, { name, taskQueue, scheduleToStartMs });
  }

  callTimer(duration: Duration, shielded: boolean): Promise<void> {
    const durationMs = toMilliseconds(duration, "ctx.sleep duration");
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind: "timer",
      durationMs,
      fireAt: undefined,
    })) as Promise<void>;
  }

  /** @param isTrue of the state; undefined for a signal */
  callWait(signal: string | undefined, isTrue: (() => boolean) | undefined, options: WaitOptions | undefined, shielded: boolean): Promise<unknown> {
    const timeoutMs = options?.timeout === undefined ? undefined : toMilliseconds(options.timeout, "timeout");
    return this.#call(shielded, (position, resolve, reject) => {
      // What is there already settles the call before anybody hears of it.
      const taken = signal === undefined ? (isTrue!() ? { value: undefined } : undefined) : this.mailbox.take(signal);
      if (taken !== undefined) resolve(taken.value);
      return { position, settled: taken !== undefined, shielded, resolve, reject, kind: "wait", signal, isTrue, timeoutMs, started: false, fireAt: undefined };
    });
  }

  callValue(key: string, value: unknown, shielded: boolean): Promise<void> {
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

  callChild(workflow: AnyWorkflow, input: unknown, options: ChildOptions, shielded: boolean, remote?: RemoteStep): Promise<unknown> {
    if (typeof workflow?.run !== "function") throw new OptionInvalid("ctx.child workflow", "must be a workflow made by defineWorkflow");
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
      options,
      remote,
      startBy: undefined,
      executionTimeoutMs,
      executionId: options.executionId ?? checkId(`${this.#family}.${position}`, "ctx.child executionId"),
      runId: undefined,
    }));
  }

  callAttributes(changes: AttributeChanges, shielded: boolean): Promise<void> {
    const stored = checkAttributeChanges(changes, "ctx.setAttributes");
    for (const name of Object.keys(stored)) this.#attributeNames.add(name);
    if (this.#attributeNames.size > limits.searchNames)
      throw new OptionInvalid(
        "ctx.setAttributes",
        `this code has set ${this.#attributeNames.size} different attributes; at most ${limits.searchNames} are allowed.`,
      );
    return this.#call(shielded, (position, resolve, reject) => ({
      position,
      settled: false,
      shielded,
      resolve,
      reject,
      kind: "attributes",
      changes: stored,
    })) as Promise<void>;
  }

  /** @param chunk undefined closes the stream */
  callStream(stream: string, chunk: { readonly value: unknown } | undefined, shielded: boolean): Promise<void> {
    const isClosed = this.#closedStreams.has(stream);
    if (isClosed && chunk === undefined) return Promise.resolve();
    if (isClosed) throw new StreamClosed(this.identity.executionId, stream);
    const data = chunk === undefined ? null : encodeChunk(chunk.value);
    if (data === null && (shielded || this.cancelRequested === undefined)) this.#closedStreams.add(stream);
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
    const position = ++this.#lastPosition;
    if (this.cancelRequested !== undefined && !shielded) {
      this.#settled.set(position, "a call after the cancel request");
      return Promise.reject(this.#cancelError());
    }
    const promise = new Promise((resolve, reject) => {
      const call = make(position, resolve, reject);
      if (call.settled) return void this.#settled.set(position, call.kind);
      this.open.set(position, call);
      if (call.kind === "wait" && call.isTrue !== undefined) this.#stateWaits.add(call);
      runOutside(() => this.#host.called(call));
    });
    // A loser of a race may reject with nobody waiting; whoever does wait has their own handler.
    promise.catch(ignore);
    return promise;
  }

  /** What the ids of children begin with, unless they are chosen. */
  get #family(): string {
    return `${familyName(this.identity.executionId, this.continuedFrom)}${this.#childSuffix}`;
  }

  /** What the run before started under the ids of before is not what this one starts: these get others. */
  #startsChildrenAnew(suffix: string): void {
    this.#childSuffix = suffix;
    for (const call of this.open.values()) {
      if (call.kind !== "child" || call.runId !== undefined || call.options.executionId !== undefined) continue;
      call.executionId = `${this.#family}.${call.position}`;
    }
  }

  /** The open call an event is about, `undefined` if it is settled (R3). */
  #callOf(event: Event & { readonly position: number }, kind: Call["kind"], name?: string): Call | undefined {
    const { position } = event;
    const call = this.open.get(position);
    if (call === undefined) {
      if (this.#settled.has(position)) return undefined;
      throw new NondeterminismDetected(position, describeRecord(kind, name), "nothing");
    }
    // That nobody has begun it is recorded as the failure of the step it is.
    if (kind === "step" && call.kind === "child" && call.remote !== undefined && call.remote.name === name) return call;
    const calledName = nameOf(call);
    if (call.kind !== kind || (name !== undefined && calledName !== name)) {
      throw new NondeterminismDetected(position, describeRecord(kind, name), describeCall(call));
    }
    return call;
  }

  #settle(at: number, call: Call | undefined, deliver: (call: Call) => void): boolean {
    this.nowMs = at;
    if (call === undefined) return false;
    this.#close(call);
    deliver(call);
    return true;
  }

  #close(call: Call): void {
    call.settled = true;
    this.open.delete(call.position);
    if (call.kind === "wait") this.#stateWaits.delete(call);
    this.#settled.set(call.position, call.kind);
  }

  #signal(at: number, event: SignalReceived, seq: number): boolean {
    this.nowMs = at;
    const parsed = this.mailbox.parse(event);
    if (parsed === undefined) return false;
    for (const call of this.open.values()) {
      if (call.kind !== "wait" || call.signal !== event.name) continue;
      this.#close(call);
      call.resolve(parsed.value);
      return true;
    }
    this.mailbox.keep(event, parsed.value, seq);
    return false;
  }

  #cancel(at: number, reason: string | undefined): boolean {
    this.nowMs = at;
    if (this.cancelRequested !== undefined) return false;
    this.cancelRequested = { reason };
    const open = [...this.open.values()];
    for (const call of open) {
      if (call.shielded) continue;
      this.#close(call);
      this.#host.abandoned(call);
      call.reject(this.#cancelError());
    }
    return true;
  }

  #cancelError(): ExecutionCancelled {
    return new ExecutionCancelled(this.identity.executionId, this.cancelRequested?.reason);
  }
}

const closePolicies: readonly ParentClosePolicy[] = ["cancel", "terminate", "abandon"];

export interface CancelState {
  readonly reason: string | undefined;
}

const defaultRetries = new WeakMap<AnyWorkflow, ResolvedRetryPolicy>();

function defaultRetryOf(workflow: AnyWorkflow): ResolvedRetryPolicy {
  let policy = defaultRetries.get(workflow);
  if (policy === undefined) defaultRetries.set(workflow, (policy = resolveRetryPolicy(workflow.retry, `workflow "${workflow.name}".retry`)));
  return policy;
}

function ignore(): void {}

/** What a record about this call must name too. */
function nameOf(call: Call): string | undefined {
  switch (call.kind) {
    case "step":
      return call.name;
    case "child":
      return call.workflow.name;
    case "wait":
      return call.signal;
    case "value":
      return call.key;
    case "stream":
      return call.stream;
    case "timer":
    case "attributes":
      return undefined;
  }
}

function waitedFor(call: WaitCall): string {
  return call.signal === undefined ? "The state that was waited for" : `Signal "${call.signal}"`;
}

function describeRecord(kind: Call["kind"], name: string | undefined): string {
  return kind === "timer" ? "sleep" : kind === "attributes" ? "setAttributes" : name === undefined ? `a ${kind}` : `${kind} "${name}"`;
}
