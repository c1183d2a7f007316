import { checkName } from "../base/ids.ts";
import { ContinuedAsNew, ExecutionCancelled, NondeterminismDetected, WaitTimeout } from "../base/errors.ts";
import { toError } from "../base/values.ts";
import { isRaceOver, runAmbient, runOutside, type Ambient } from "../definition/ambient.ts";
import type { ContinueOptions } from "../definition/context.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { Call, WaitCall } from "./call.ts";
import { CallTable } from "./call-table.ts";
import { childError } from "./child-error.ts";
import { CodeCalls } from "./code-calls.ts";
import { continuation, type Continuation } from "./continuation.ts";
import { isGivenAnew } from "./deadline.ts";
import type { ContinuationLink, ExecutionStarted, RecordedEvent, ScheduleLink, SignalReceived } from "./event.ts";
import { Failures, type CallFailure } from "./failures.ts";
import { Mailbox, type UpdateReply } from "./mailbox.ts";
import { Patches } from "./patches.ts";
import { readPayload } from "./payload.ts";
import type { Seeds } from "./seed.ts";
import { createContext } from "./workflow-context.ts";
import { SeededRandom } from "./random.ts";
import { isSo } from "./state-condition.ts";

/** How the workflow's code ended. */
export type CodeOutcome =
  | { readonly outcome: "returned"; readonly value: unknown }
  /** `cause`: the failure of a durable call that led to it. */
  | { readonly outcome: "threw"; readonly error: unknown; readonly cause?: CallFailure | undefined }
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
  /** A signal was received that nobody may ever get. To be ignored where it says so again. */
  unread(signal: SignalReceived, why: string): void;
}

export interface ReplayIdentity {
  readonly executionId: string;
  readonly runId: string;
}

/**
 * Runs workflow code against a history.
 *
 * Owns: what each recorded event does to the calls of the code (CodeCalls makes them, CallTable keeps them), and to its mailbox.
 * Does not own: running steps, writing events, time. The owner applies events one at a time and lets the microtask queue
 * drain after each one that settled a call, live and in replay alike.
 *
 * R1: a call's position depends only on the order of deliveries before it.
 * R2: an event about a position that the code has not reached, or reached with another kind or name of call, is a mismatch.
 * R3: a settled call never settles again, so late records about it (a lost race, a cancelled step) change nothing.
 * R4: once the code has continued as new nothing is applied any more, and it makes no calls: what is left is the next run's.
 */
export class Replay {
  readonly identity: ReplayIdentity;
  readonly workflow: AnyWorkflow;
  readonly random: SeededRandom;
  readonly mailbox: Mailbox;
  /** Whether the code has asked for the next run: nothing that it does any more is recorded. */
  hasContinued = false;
  /** Number of the latest applied event. */
  historyLength = 1;
  /** Time of the latest applied event. */
  nowMs = 0;
  cancelRequested: CancelState | undefined;
  /** What started the run, if a schedule did. */
  schedule: ScheduleLink | undefined;
  /** The calls that the code makes. */
  readonly calls: CodeCalls;
  /** The run that this one goes on from as new. */
  continuedFrom: ContinuationLink | undefined;
  /** What its code runs in, once it is called. */
  #ambient: Ambient | undefined;
  readonly #patches = new Patches();
  readonly #host: ReplayHost;
  readonly #table = new CallTable();
  readonly #failures = new Failures();
  readonly #laterSeeds: Seeds["later"];

  /** @param seeds identical for every replay of this run */
  constructor(workflow: AnyWorkflow, identity: ReplayIdentity, seeds: Seeds, host: ReplayHost) {
    this.workflow = workflow;
    this.identity = identity;
    this.random = new SeededRandom(seeds.first);
    this.#laterSeeds = seeds.later;
    this.mailbox = new Mailbox(workflow);
    this.#host = host;
    this.calls = new CodeCalls(this, this.#table, host);
  }

  /** Calls whose outcome is not recorded yet, by position. */
  get open(): ReadonlyMap<number, Call> {
    return this.#table.open;
  }

  /** What is known of the run before its code is called. */
  begin(history: readonly RecordedEvent[]): void {
    const { at, event } = history[0]!;
    const started = event as ExecutionStarted;
    const { schedule, continuedFrom } = started;
    this.calls.has(started);
    this.#patches.read(history);
    this.nowMs = at;
    this.schedule = schedule;
    this.continuedFrom = continuedFrom;
  }

  /** Calls the workflow's code with its parsed input. */
  start(input: unknown): void {
    const context = createContext(this, false);
    this.#ambient = { kind: "workflow", context };
    const run = async (): Promise<unknown> => {
      // What it throws is an error of the code.
      void this.mailbox.state;
      return this.workflow.run(context as never, input as never);
    };
    runAmbient(this.#ambient, run).then(
      (value) => this.#ended({ outcome: "returned", value }),
      (error: unknown) => this.#ended({ outcome: "threw", error, cause: this.#failures.behind(error, this.#table.calls) }),
    );
  }

  /** Ends the run for the next one. Throws always: nothing that stands behind it in the code happens any more. */
  callContinue(input: unknown, options: ContinueOptions): never {
    if (this.cancelRequested !== undefined) throw this.cancelError();
    const next = continuation(this.workflow, input, options);
    if (!this.hasContinued) {
      this.hasContinued = true;
      runOutside(() => this.#host.ended({ outcome: "continued", next }));
    }
    throw new ContinuedAsNew(this.identity.executionId);
  }

  #ended(outcome: CodeOutcome): void {
    if (!this.hasContinued) this.#host.ended(outcome);
  }

  /**
   * Applies one event. Returns whether it settled a call, so that code may now go on.
   *
   * @throws NondeterminismDetected if the code has not made the call the event is about (R2).
   */
  apply({ seq, at, event }: RecordedEvent): boolean {
    if (this.hasContinued) return false;
    this.historyLength = seq;
    this.#patches.applied();
    const seed = this.#laterSeeds?.get(seq);
    if (seed !== undefined) this.random.reseed(seed);
    if (isGivenAnew(event)) this.calls.giveTimeAnew();
    switch (event.type) {
      case "StepStarted": {
        const call = this.#table.of(event, "step", event.name);
        if (call?.kind === "step") {
          call.lastAttempt = Math.max(call.lastAttempt, event.attempt);
          call.startedAt = Math.min(call.startedAt ?? at, at);
        }
        return false;
      }
      case "StepHeartbeat": {
        const call = this.#table.of(event, "step", event.name);
        if (call?.kind === "step") call.lastHeartbeat = readPayload(event.heartbeat);
        return false;
      }
      case "StepAttemptFailed": {
        const call = this.#table.of(event, "step", event.name);
        if (call?.kind === "step") {
          call.lastAttempt = event.attempt;
          call.failures++;
          call.retryAt = at + event.retryInMs;
          call.lastFailure = event.failure;
          if (event.heartbeat !== undefined) call.lastHeartbeat = readPayload(event.heartbeat);
        }
        return false;
      }
      case "StepCompleted":
        return this.#settle(at, this.#table.of(event, "step", event.name), (call) => call.resolve(readPayload(event.result)));
      case "StepFailed":
        return this.#settle(at, this.#table.of(event, "step", event.name), (call) => this.#reject(call, seq, toError(event.failure)));
      case "TimerStarted": {
        const call = this.#table.of(event, "timer");
        if (call?.kind === "timer") call.fireAt = at + event.durationMs;
        return false;
      }
      case "TimerFired":
        return this.#settle(at, this.#table.of(event, "timer"), (call) => call.resolve(undefined));
      case "ChildStarted": {
        const call = this.#table.of(event, "child", event.workflow);
        if (call?.kind === "child") {
          call.executionId = event.executionId;
          call.runId = event.runId;
          if (call.remote?.scheduleToStartMs !== undefined) call.startBy = at + call.remote.scheduleToStartMs;
        } else if (this.cancelRequested !== undefined) this.#host.orphaned(event.runId);
        return false;
      }
      case "ChildCompleted":
        return this.#settle(at, this.#table.of(event, "child"), (call) => call.resolve(readPayload(event.result)));
      case "ChildFailed":
        return this.#settle(at, this.#table.of(event, "child"), (call) => this.#reject(call, seq, childError(call, event)));
      case "WaitStarted": {
        const call = this.#table.of(event, "wait", event.signal ?? null);
        if (call?.kind === "wait") {
          call.started = true;
          call.fireAt = event.timeoutMs === undefined ? undefined : at + event.timeoutMs;
        }
        return false;
      }
      case "WaitTimedOut":
        return this.#settle(at, this.#table.of(event, "wait"), (call) =>
          this.#reject(call, seq, new WaitTimeout(waitedFor(call as WaitCall), (call as WaitCall).timeoutMs!)),
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
        return this.#settle(at, this.#table.of(event, "value", event.key), (call) => call.resolve(undefined));
      case "LabelsSet":
        return this.#settle(at, this.#table.of(event, "labels"), (call) => call.resolve(undefined));
      case "AttributesSet":
        return this.#settle(at, this.#table.of(event, "attributes"), (call) => call.resolve(undefined));
      case "StreamWritten":
        return this.#settle(at, this.#table.of(event, "stream", event.stream), (call) => call.resolve(undefined));
      case "CancelRequested":
        return this.#cancel(at, event.reason);
      case "ExecutionResumed":
        if (event.runNumber !== undefined) this.calls.startChildrenAnew(`.r${event.runNumber}`);
        this.calls.has(event);
        return false;
      default:
        return false;
    }
  }

  /**
   * Goes on with code that waited for its state and has it now, or whose condition throws, and with a task of a race for whose
   * signal nobody has waited. To be called when everything that an event led to has happened, before the next is applied. Returns
   * whether there was such code.
   */
  settleWaits(): boolean {
    if (this.hasContinued) return false;
    for (const call of this.#table.waits) {
      if (isRaceOver(call.race)) {
        // The timeout of one that has such a one still ends it, and code may go on behind that.
        if (call.timeoutMs === undefined) this.#table.lose(call);
        else this.#table.waits.delete(call);
        continue;
      }
      const settle = this.#ask(call);
      if (settle === undefined) continue;
      this.#table.close(call);
      settle();
      return true;
    }
    return false;
  }

  /** How a wait for the state ends now; undefined: it does not. No event says so: on replay the condition gives the same at the same place. */
  #ask(call: WaitCall): (() => void) | undefined {
    if (call.signal !== undefined) {
      const taken = this.mailbox.take(call.signal);
      return taken && (() => call.resolve(taken.value));
    }
    try {
      return runAmbient(this.#ambient!, () => isSo(call.isTrue!)) ? () => call.resolve(undefined) : undefined;
    } catch (error) {
      return () => call.reject(error as Error);
    }
  }

  /** Whether code goes the new way at a patch. The first answer for an id is the answer for the whole run. */
  patched(patchId: string): boolean {
    checkName(patchId, "ctx.patched id");
    const answer = this.#patches.isPatched(patchId);
    if (answer === "now" && !this.hasContinued) runOutside(() => this.#host.patched(patchId));
    return answer !== "not";
  }

  /** @throws NondeterminismDetected in a run that went the old way there */
  deprecatePatch(patchId: string): void {
    if (!this.patched(patchId)) throw new NondeterminismDetected(this.#table.nextPosition, `no mark of patch "${patchId}"`, `deprecatePatch("${patchId}")`);
  }

  log(level: "info" | "warn" | "error", message: string): void {
    runOutside(() => this.#host.logged(level, message));
  }

  #settle(at: number, call: Call | undefined, deliver: (call: Call) => void): boolean {
    this.nowMs = at;
    if (call === undefined) return false;
    this.#table.close(call);
    deliver(call);
    return true;
  }

  #reject(call: Call, seq: number, error: Error): void {
    this.#failures.add(error, seq, this.#table.calls);
    call.reject(error);
  }

  #signal(at: number, event: SignalReceived, seq: number): boolean {
    this.nowMs = at;
    const parsed = this.mailbox.parse(event);
    if ("issues" in parsed) {
      const issues = parsed.issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
      this.#host.unread(event, `its payload does not fit its schema and nobody gets it (${issues})`);
      return false;
    }
    for (const call of this.open.values()) {
      if (call.kind !== "wait" || call.signal !== event.name || isRaceOver(call.race)) continue;
      this.#table.close(call);
      call.resolve(parsed.value);
      return true;
    }
    if (!this.mailbox.declares(event.name))
      this.#host.unread(event, `workflow "${this.workflow.name}" declares none of that name; nobody gets it unless its code waits for it`);
    this.mailbox.keep(event, parsed.value, seq);
    return false;
  }

  #cancel(at: number, reason: string | undefined): boolean {
    this.nowMs = at;
    if (this.cancelRequested !== undefined) return false;
    this.cancelRequested = { reason };
    for (const call of this.#table.cancellable) {
      if (call.shielded) continue;
      this.#table.close(call);
      this.#host.abandoned(call);
      call.reject(this.cancelError());
    }
    return true;
  }

  /** What a call that a cancel request rejects throws. */
  cancelError(): ExecutionCancelled {
    return new ExecutionCancelled(this.identity.executionId, this.cancelRequested?.reason);
  }
}

export interface CancelState {
  readonly reason: string | undefined;
}

function waitedFor(call: WaitCall): string {
  return call.signal === undefined ? "The state that was waited for" : `Signal "${call.signal}"`;
}
