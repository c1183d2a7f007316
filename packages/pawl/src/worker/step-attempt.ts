import { StepTimeout, StreamOutOfReach, type StepTime } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import { loggerOf, type Logger } from "../base/logger.ts";
import type { AttemptSpan, Telemetry, TracedExecution } from "../base/telemetry.ts";
import type { Runtime, Timer } from "../base/runtime.ts";
import { encodeChunk, encodeValue } from "../base/values.ts";
import { withoutContext } from "../base/without-context.ts";
import { runAmbient } from "../definition/ambient.ts";
import type { StepContext } from "../definition/context.ts";
import { remoteStepName } from "../definition/remote-step.ts";
import type { StepCall, TransactionCall } from "../kernel/call.ts";

export type AttemptOutcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

interface Stored {
  readonly text: string;
}

/** Node's timers take no more. */
const longestTimerMs = 2 ** 31 - 1;

/** When all attempts of a step together have had their time (database clock, milliseconds). */
export function deadlineOf({ startedAt, totalTimeoutMs }: StepCall): number | undefined {
  return startedAt === undefined || totalTimeoutMs === undefined ? undefined : startedAt + totalTimeoutMs;
}

/** The execution that steps belong to. */
export interface StepOwner extends TracedExecution {
  readonly telemetry: Telemetry | undefined;
  readonly logger: Logger;
  /** The idempotency key of a step of it. */
  keyOf(call: StepCall): string;
  /** Database time, milliseconds; never ahead of it. */
  now(): number;
  /** Runs a transaction. Its result is recorded when this resolves, and the attempt over; rejects with what makes the attempt fail. */
  transact(attempt: StepAttempt, transaction: TransactionCall, context: StepContext): Promise<unknown>;
  /**
   * Takes what an attempt writes to a stream. `taken` settles when it is on its way into the stream; undefined: it is. `room`: wait for it
   * before writing more; undefined: there is room.
   */
  write(attempt: StepAttempt, stream: string, data: string): { readonly taken: Promise<void> | undefined; readonly room: Promise<void> | undefined };
}

/**
 * One try of a step in this process: calls the function, watches its timeouts, and can be aborted. The outcome is reported
 * once; after an abort or a timeout whatever the function still does is ignored.
 */
export class StepAttempt {
  readonly call: StepCall;
  readonly attempt: number;
  /** By this process's monotonic clock. */
  readonly startedAt: number;
  announced = false;
  /** Details that an attempt before this one has left. */
  readonly heartbeatBefore: unknown;
  /** The details of its last heartbeat, as they are stored. */
  lastHeartbeat: Stored | undefined;
  /** The last heartbeat that was to be recorded while this runs, and how long it had been running by then. */
  recorded: { readonly heartbeat: Stored | undefined; readonly ranMs: number } = { heartbeat: undefined, ranMs: 0 };
  readonly #owner: StepOwner;
  readonly #runtime: Runtime;
  readonly #onEnd: (attempt: StepAttempt, outcome: AttemptOutcome) => void;
  /** Chunks that nobody has taken yet. */
  #writing: Promise<void> | undefined;
  #forgotten = false;
  #sealed = false;
  #expired: { readonly timeoutMs: number; readonly time: StepTime } | undefined;
  // Made when the function first asks for its signal: most steps never do, and a controller costs more than a short step.
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #aborted = false;
  #ended = false;
  #span: AttemptSpan | undefined;
  #timeout: Timer | undefined;
  #totalTimeout: Timer | undefined;
  /** Its time, and that of the step, is over. */
  #isLast = false;
  #heartbeatTimeout: Timer | undefined;

  constructor(call: StepCall, owner: StepOwner, runtime: Runtime, onEnd: (attempt: StepAttempt, outcome: AttemptOutcome) => void) {
    this.call = call;
    this.attempt = call.lastAttempt + 1;
    this.heartbeatBefore = call.lastHeartbeat;
    this.#owner = owner;
    this.#runtime = runtime;
    this.startedAt = runtime.monotonicMs();
    this.#onEnd = onEnd;
  }

  #traced(fn: () => unknown): () => unknown {
    const { telemetry } = this.#owner;
    if (telemetry === undefined) return fn;
    const { namespace, executionId, runId, workflow, version, traceparent } = this.#owner;
    const span = telemetry.attempt({ namespace, executionId, runId, workflow, version, traceparent, step: this.call.name, attempt: this.attempt });
    this.#span = span;
    return () => span.run(fn);
  }

  run(): void {
    const { call } = this;
    if (call.timeoutMs !== undefined) {
      const timeoutMs = call.timeoutMs;
      this.#timeout = this.#runtime.startTimer(timeoutMs, () => this.#expire(timeoutMs, "timeout"));
    }
    if (call.totalTimeoutMs !== undefined) this.#watchDeadline();
    this.#watchHeartbeat();
    const context = new AttemptContext(this.#owner, this);
    let result: unknown;
    let isLater: boolean;
    try {
      const { transaction } = call;
      const fn = this.#traced(() => (transaction === undefined ? call.fn(context) : this.#owner.transact(this, transaction, context)));
      // It begins in the turn of the code that calls it, at a timer, or with the reply to somebody's commit: none of these contexts is its own.
      result = withoutContext(() => runAmbient({ kind: "step", context }, fn));
      // Asks what the function gives, which may throw too.
      isLater = isThenable(result);
    } catch (error) {
      return this.#end({ ok: false, error });
    }
    if (!isLater) return this.#end({ ok: true, value: result });
    Promise.resolve(result).then(
      (value) => this.#end({ ok: true, value }),
      (error: unknown) => this.#end({ ok: false, error }),
    );
  }

  /** Fires the signal and forgets the attempt: its outcome is not reported. */
  abort(reason: unknown): void {
    this.#ended = true;
    this.#forgotten = true;
    this.#clear();
    this.#span?.end(reason);
    this.#fire(reason);
  }

  /** Whether no other attempt may follow, because the time for all of them is over. */
  get isLast(): boolean {
    return this.#isLast;
  }

  get isOver(): boolean {
    return this.#ended;
  }

  /** Whether its outcome is being recorded: what is recorded of it from now on comes after that. */
  get isSealed(): boolean {
    return this.#sealed;
  }

  /** From now on its outcome is being recorded: its time cannot run out any more, unless that comes to nothing. */
  seal(): void {
    this.#sealed = true;
  }

  unseal(): void {
    this.#sealed = false;
    if (this.#expired !== undefined) this.#expire(this.#expired.timeoutMs, this.#expired.time);
  }

  /** It is done, and its result is recorded. */
  finish(): void {
    if (!this.#ended) this.#span?.end(undefined);
    this.#ended = true;
    this.#clear();
  }

  #expire(timeoutMs: number, time: StepTime): void {
    if (this.#sealed) {
      this.#expired = { timeoutMs, time };
      return;
    }
    const error = new StepTimeout(this.call.name, timeoutMs, time);
    this.#end({ ok: false, error });
    this.#fire(error);
  }

  #watchDeadline(): void {
    const leftMs = deadlineOf(this.call)! - this.#owner.now();
    const onTime = (): void => {
      if (leftMs > longestTimerMs) return this.#watchDeadline();
      this.#isLast = true;
      this.#expire(this.call.totalTimeoutMs!, "totalTimeout");
    };
    this.#totalTimeout = this.#runtime.startTimer(Math.max(0, Math.min(Math.ceil(leftMs), longestTimerMs)), onTime);
  }

  #fire(reason: unknown): void {
    this.#aborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  #watchHeartbeat(): void {
    const { heartbeatTimeoutMs } = this.call;
    if (heartbeatTimeoutMs === undefined) return;
    this.#heartbeatTimeout?.clear();
    this.#heartbeatTimeout = this.#runtime.startTimer(heartbeatTimeoutMs, () => this.#expire(heartbeatTimeoutMs, "heartbeatTimeout"));
  }

  #end(outcome: AttemptOutcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clear();
    this.#span?.end(outcome.ok ? undefined : outcome.error);
    if (this.#writing === undefined) return this.#onEnd(this, outcome);
    // What it has written comes before its outcome; what could not be written is its outcome.
    this.#writing.then(
      () => this.#report(outcome),
      (error: unknown) => this.#report({ ok: false, error }),
    );
  }

  #report(outcome: AttemptOutcome): void {
    if (!this.#forgotten) this.#onEnd(this, outcome);
  }

  #clear(): void {
    this.#timeout?.clear();
    this.#totalTimeout?.clear();
    this.#heartbeatTimeout?.clear();
  }

  /** The signal of this attempt, made on first use. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** @throws what cannot be stored */
  heartbeat(details: unknown): void {
    if (this.#ended) return;
    // Without details it says no more than that the step is alive: what was said before stands. They are stored as they are now: the step may
    // go on counting in the same object, and fail before that is done which it counts then.
    if (details !== undefined) this.lastHeartbeat = { text: encodeValue(details, "heartbeat") };
    this.#watchHeartbeat();
  }

  /** @throws StreamClosed, StreamFull; what cannot be stored */
  write(stream: string, chunk: unknown): Promise<void> {
    if (this.#ended) return Promise.resolve();
    const { taken, room } = this.#owner.write(this, stream, encodeChunk(chunk));
    if (taken === undefined) return room ?? Promise.resolve();
    const writing = this.#writing === undefined ? taken : Promise.all([this.#writing, taken]).then(ignore);
    this.#writing = writing;
    // Heard of when the attempt ends, also where nobody waits for the write.
    writing.catch(ignore);
    taken.catch(ignore);
    return taken;
  }
}

function ignore(): void {}

/** What the step's function sees of its attempt. */
class AttemptContext implements StepContext {
  readonly executionId: string;
  readonly #owner: StepOwner;
  readonly #attempt: StepAttempt;

  constructor(owner: StepOwner, attempt: StepAttempt) {
    this.executionId = owner.executionId;
    this.#owner = owner;
    this.#attempt = attempt;
  }

  get step(): string {
    return this.#attempt.call.name;
  }

  get attempt(): number {
    return this.#attempt.attempt;
  }

  get idempotencyKey(): string {
    return this.#owner.keyOf(this.#attempt.call);
  }

  /** Made when the function asks for it: most steps have nothing to say. */
  get log(): Logger {
    const { executionId, runId, workflow, logger } = this.#owner;
    return loggerOf(logger, { executionId, runId, workflow, step: this.step, attempt: this.attempt });
  }

  get lastHeartbeat(): unknown {
    return this.#attempt.heartbeatBefore;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  /** A function of its own, so that it can be taken out of the context; made when asked for. */
  get heartbeat(): StepContext["heartbeat"] {
    return (details) => this.#attempt.heartbeat(details);
  }

  get stream(): StepContext["stream"] {
    return (name) => {
      checkName(name, "step.stream name");
      // Its chunks would have to be ordered with those of another claim's owner.
      if (remoteStepName(this.#owner.workflow) !== undefined) throw new StreamOutOfReach(name, this.step);
      return { write: (chunk) => this.#attempt.write(name, chunk) };
    };
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
