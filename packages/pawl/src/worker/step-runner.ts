import { StepTimeout } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { encodeValue, toError, toFailure } from "../base/values.ts";
import type { StepCall } from "../kernel/call.ts";
import type { StepAttemptFailed, StepCompleted, StepFailed, StepHeartbeat, StepStarted } from "../kernel/event.ts";
import { decideRetry } from "../kernel/retry.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { ExecutionSlot } from "./execution-slot.ts";
import type { HistoryWriter } from "./history-writer.ts";
import type { OpenCalls } from "./open-calls.ts";
import { deadlineOf, StepAttempt, type AttemptOutcome, type StepOwner } from "./step-attempt.ts";
import type { WakeTimer } from "./wake-timer.ts";

/** A step that runs longer than this is announced. */
export const announceAfterMs = 250;

/** While a step runs, a heartbeat is recorded so long after the one before, or after this part of its running time if that is longer. */
const heartbeatEveryMs = 5000;
const heartbeatEveryFraction = 0.1;

/** What running steps lead to. */
type StepEvent = StepStarted | StepHeartbeat | StepCompleted | StepAttemptFailed | StepFailed;

/** Runs the attempts of one execution's steps and turns their outcomes into events. */
export class StepRunner {
  readonly #owner: StepOwner;
  readonly #writer: HistoryWriter;
  readonly #slot: ExecutionSlot;
  readonly #timer: WakeTimer;
  readonly #host: Pick<ExecutionHost, "mayStartSteps" | "runtime">;
  readonly #attempts = new Map<number, StepAttempt>();
  /** Positions of steps whose latest attempt has an outcome, which is on its way into the history. */
  readonly #over = new Set<number>();

  constructor(owner: StepOwner, writer: HistoryWriter, slot: ExecutionSlot, timer: WakeTimer, host: Pick<ExecutionHost, "mayStartSteps" | "runtime">) {
    this.#owner = owner;
    this.#writer = writer;
    this.#slot = slot;
    this.#timer = timer;
    this.#host = host;
  }

  get running(): number {
    return this.#attempts.size;
  }

  /** Whether one waits for a slot or for the lease. */
  hasOneToStart(open: OpenCalls): boolean {
    const now = this.#owner.now();
    for (const call of open.values()) {
      if (call.kind === "step" && (call.retryAt === undefined || call.retryAt <= now) && !this.#over.has(call.position)) return true;
    }
    return false;
  }

  /** Starts the next attempt if it is time and there is a slot. */
  advance(call: StepCall): void {
    if (this.#attempts.has(call.position) || this.#over.has(call.position)) return;
    if (call.retryAt !== undefined && call.retryAt > this.#owner.now()) return this.#timer.arm();
    // Without a valid lease someone else may be running it; the worker calls again when the lease is back.
    if (!this.#host.mayStartSteps()) return;
    this.#slot.work();
    // Others have all the slots; the worker calls when there is one for it.
    if (!this.#slot.isHeld) return;
    const deadline = deadlineOf(call);
    if (deadline !== undefined && deadline <= this.#owner.now()) return this.#emit(tooLate(call, call.lastAttempt + 1));
    // It is no longer waited for: a due time left standing would wake the execution without end.
    call.retryAt = undefined;
    this.#start(call);
  }

  /** The failure of its latest attempt is recorded. */
  mayTryAgain(position: number): void {
    this.#over.delete(position);
  }

  #emit(event: StepEvent): void {
    if (event.type !== "StepStarted" && event.type !== "StepHeartbeat") this.#over.add(event.position);
    this.#writer.emit(event);
  }

  #start(call: StepCall): void {
    const attempt = new StepAttempt(call, this.#owner, this.#host.runtime, (ended, outcome) => this.#ended(ended, outcome));
    this.#attempts.set(call.position, attempt);
    // The time for all attempts counts from the first, also after a crash: that must be recorded.
    if (call.totalTimeoutMs !== undefined && call.startedAt === undefined) {
      call.startedAt = this.#owner.now();
      this.announce(attempt);
    }
    attempt.run();
  }

  abort(position: number, reason: unknown): void {
    const attempt = this.#attempts.get(position);
    this.#attempts.delete(position);
    attempt?.abort(reason);
  }

  abortAll(reason: unknown): void {
    const attempts = [...this.#attempts.values()];
    this.#attempts.clear();
    for (const attempt of attempts) attempt.abort(reason);
  }

  /** Announces attempts that have been running for a while, once each, and records their heartbeats. */
  announceLong(): void {
    const now = this.#host.runtime.monotonicMs();
    for (const attempt of this.#attempts.values()) {
      const ranMs = now - attempt.startedAt;
      if (ranMs >= announceAfterMs) this.announce(attempt);
      this.#recordHeartbeat(attempt, ranMs);
    }
  }

  /**
   * The next attempt has the details even if this process dies. They are recorded the more rarely the longer the attempt runs: an hour
   * leaves some fifty events, a day some eighty. A transaction that dies has done nothing, so its details would be wrong.
   */
  #recordHeartbeat(attempt: StepAttempt, ranMs: number): void {
    if (ranMs - attempt.recorded.ranMs < Math.max(heartbeatEveryMs, ranMs * heartbeatEveryFraction)) return;
    this.#recordHeartbeatNow(attempt, ranMs);
  }

  /** @returns whether there was something to record */
  #recordHeartbeatNow(attempt: StepAttempt, ranMs: number): boolean {
    const { lastHeartbeat, recorded } = attempt;
    if (lastHeartbeat === recorded.heartbeat || attempt.call.transaction !== undefined) return false;
    attempt.recorded = { heartbeat: lastHeartbeat, ranMs };
    if (lastHeartbeat === undefined || lastHeartbeat.text.length > limits.heartbeatCharacters) return false;
    this.announce(attempt);
    this.#emit({ type: "StepHeartbeat", position: attempt.call.position, name: attempt.call.name, attempt: attempt.attempt, heartbeat: lastHeartbeat });
    return true;
  }

  /** Its worker stops: records how far each attempt is, for the next one to go on from there. @returns whether there was something to record */
  recordHeartbeats(): boolean {
    const now = this.#host.runtime.monotonicMs();
    return [...this.#attempts.values()].filter((attempt) => this.#recordHeartbeatNow(attempt, now - attempt.startedAt)).length > 0;
  }

  /** Its result is recorded already, by a transaction. */
  finish(attempt: StepAttempt): void {
    this.#over.add(attempt.call.position);
    this.#attempts.delete(attempt.call.position);
    attempt.finish();
  }

  announce(attempt: StepAttempt): void {
    // What is written while a transaction has its turn would stand behind the result.
    if (attempt.announced || attempt.isSealed || (attempt.call.transaction !== undefined && this.#writer.isTurnTaken)) return;
    attempt.announced = true;
    this.#emit({ type: "StepStarted", position: attempt.call.position, name: attempt.call.name, attempt: attempt.attempt });
  }

  #ended(attempt: StepAttempt, outcome: AttemptOutcome): void {
    const { position } = attempt.call;
    this.#attempts.delete(position);
    this.#emit(outcome.ok ? this.#completed(attempt, outcome.value) : this.#failed(attempt, outcome.error));
  }

  /** The event of a transaction's result, to be written in it. @throws what cannot be stored */
  static completed({ call: { position, name }, attempt }: StepAttempt, value: unknown): StepCompleted {
    return { type: "StepCompleted", position, name, attempt, result: { text: encodeValue(value, "result") } };
  }

  /** A result that cannot be stored fails the step at once: another attempt would return the like of it. */
  #completed(attempt: StepAttempt, value: unknown): StepEvent {
    try {
      return StepRunner.completed(attempt, value);
    } catch (error) {
      return { type: "StepFailed", position: attempt.call.position, name: attempt.call.name, attempt: attempt.attempt, failure: toFailure(error) };
    }
  }

  #failed(stepAttempt: StepAttempt, error: unknown): StepEvent {
    const { call, attempt } = stepAttempt;
    const { position, name } = call;
    const failure = toFailure(error);
    const decision = decideRetry(call.retry, call.failures + 1, failure, this.#host.runtime.random());
    const deadline = deadlineOf(call);
    // Where the next attempt would come too late, this was the last one.
    if (deadline !== undefined && (stepAttempt.isLast || (decision.retry && this.#owner.now() + decision.inMs >= deadline)))
      return tooLate(call, attempt, stepAttempt.isLast ? undefined : failure);
    if (!decision.retry) return { type: "StepFailed", position, name, attempt, failure };
    const { lastHeartbeat } = stepAttempt;
    const heartbeat = lastHeartbeat === undefined ? {} : { heartbeat: lastHeartbeat };
    return { type: "StepAttemptFailed", position, name, attempt, failure, retryInMs: decision.inMs, ...heartbeat };
  }
}

/** The end of a step whose attempts have had all their time together. @param failure of its last attempt, if that is not recorded yet */
function tooLate({ position, name, totalTimeoutMs, lastFailure }: StepCall, attempt: number, failure = lastFailure): StepFailed {
  const error = new StepTimeout(name, totalTimeoutMs!, "totalTimeout", failure === undefined ? {} : { cause: toError(failure) });
  return { type: "StepFailed", position, name, attempt, failure: toFailure(error) };
}
