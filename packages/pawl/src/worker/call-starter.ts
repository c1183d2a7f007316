import type { Call, SearchValuesCall, TimerCall, ValueCall, WaitCall } from "../kernel/call.ts";
import type { Event } from "../kernel/event.ts";
import type { Children } from "./children.ts";
import type { ExecutionHost } from "./execution-host.ts";
import type { HistoryWriter } from "./history-writer.ts";
import type { OpenCalls } from "./open-calls.ts";
import type { OutgoingStreams } from "./outgoing-streams.ts";
import type { StepRunner } from "./step-runner.ts";
import type { WakeTimer } from "./wake-timer.ts";

/** Calls that ask for nothing but to be recorded. */
const recordedOnly: ReadonlySet<Call["kind"]> = new Set(["value", "labels", "attributes", "stream"]);

/** Who does what calls of one kind ask for. */
export interface CallRunners {
  readonly steps: StepRunner;
  readonly children: Children;
  readonly streams: OutgoingStreams;
}

/**
 * Does what the open calls of one execution ask for, as far as their records allow.
 *
 * Owns: which timers, waits and values are on their way into the history.
 * Does not own: when it may begin (only once the history that was there is applied), steps, children, streams.
 */
export class CallStarter {
  readonly #open: OpenCalls;
  readonly #runners: CallRunners;
  readonly #writer: HistoryWriter;
  readonly #mayBegin: (call: Call) => boolean;
  readonly #timer: WakeTimer;
  readonly #host: Pick<ExecutionHost, "now">;
  /** Positions whose start is on its way into the history; negative: whose end is. */
  readonly #requested = new Set<number>();
  #announcingWaits = false;
  #stopped = false;

  /** @param mayBegin asked before each thing that is done for a call */
  constructor(
    open: OpenCalls,
    runners: CallRunners,
    writer: HistoryWriter,
    mayBegin: (call: Call) => boolean,
    timer: WakeTimer,
    host: Pick<ExecutionHost, "now">,
  ) {
    this.#open = open;
    this.#runners = runners;
    this.#writer = writer;
    this.#mayBegin = mayBegin;
    this.#timer = timer;
    this.#host = host;
  }

  /** Whether something is under way. */
  get isAtWork(): boolean {
    const { steps, children, streams } = this.#runners;
    return children.isAsking || streams.isReading || steps.running > 0;
  }

  /** Whether something is under way, or waits for a slot or the lease, that nothing in the database would wake a parked execution for. */
  get isBusy(): boolean {
    const { steps } = this.#runners;
    return this.isAtWork || steps.hasOneToStart(this.#open);
  }

  /** The code has asked for the next run, which may take a moment to record: nothing of this one begins any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Does the next thing for an open call; harmless when there is nothing to do. */
  advance(call: Call): void {
    if (this.#stopped || call.settled || !this.#mayBegin(call)) return;
    switch (call.kind) {
      case "step":
        return this.#runners.steps.advance(call);
      case "timer":
        return this.#advanceTimer(call);
      case "child":
        return this.#runners.children.advance(call);
      case "wait":
        return this.#advanceWait(call);
      case "value":
        return this.#advanceValue(call);
      case "labels":
      case "attributes":
        return this.#advanceSearchValues(call);
      case "stream":
        return this.#runners.streams.advance(call);
    }
  }

  advanceAll(): void {
    for (const call of this.#open.values()) this.advance(call);
  }

  /**
   * The code has ended without waiting for these: what only has to be recorded is, as where it ends in the turn in which it asks for them.
   *
   * @param recorded positions of what is recorded, although the code has not heard of it
   */
  advanceUnawaited(recorded: ReadonlySet<number> = new Set()): void {
    for (const call of this.#open.values()) {
      const isWanted = call.kind === "child" ? call.runId === undefined : recordedOnly.has(call.kind);
      if (isWanted && !recorded.has(call.position)) this.advance(call);
    }
  }

  /** An event has been applied that settles nothing. */
  advanceAfter(event: Event): void {
    if (!("position" in event)) return;
    if (event.type === "StepAttemptFailed") this.#runners.steps.mayTryAgain(event.position);
    const call = this.#open.get(event.position);
    if (call !== undefined) this.advance(call);
  }

  /** Time has passed, or there is a slot or the lease again. */
  advanceDue(): void {
    this.#timer.whileStarting(() => {
      for (const call of this.#open.values()) if (call.kind !== "child" || call.startBy !== undefined) this.advance(call);
    });
  }

  /** Records what it waits for. Nothing is on its way into the history now that could end a wait meanwhile. */
  announceWaits(): void {
    this.#announcingWaits = true;
    for (const call of this.#open.values()) if (call.kind === "wait" && !call.started) this.advance(call);
    this.#announcingWaits = false;
  }

  #advanceTimer(call: TimerCall): void {
    if (call.fireAt === undefined) {
      // Counted from now: what the code said may be from before a crash.
      const durationMs = call.untilMs === undefined ? call.durationMs : Math.min(call.durationMs, Math.max(0, Math.ceil(call.untilMs - this.#host.now())));
      if (this.#request(call.position)) this.#writer.emit({ type: "TimerStarted", position: call.position, durationMs });
      return;
    }
    if (this.#requested.has(-call.position)) return;
    if (call.fireAt > this.#host.now()) return this.#timer.arm();
    this.#requested.add(-call.position);
    this.#writer.emit({ type: "TimerFired", position: call.position });
  }

  #advanceWait(call: WaitCall): void {
    const { position, signal, timeoutMs } = call;
    if (!call.started) {
      // Without a timeout it is recorded only when there is nothing else to do: most waits are short and leave no trace.
      if ((timeoutMs === undefined && !this.#announcingWaits) || !this.#request(position)) return;
      const named = signal === undefined ? {} : { signal };
      return this.#writer.emit({ type: "WaitStarted", position, ...named, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    }
    if (call.fireAt === undefined || this.#requested.has(-position)) return;
    if (call.fireAt > this.#host.now()) return this.#timer.arm();
    this.#requested.add(-position);
    this.#writer.emit({ type: "WaitTimedOut", position });
  }

  #advanceValue({ position, key, value }: ValueCall): void {
    if (this.#request(position)) this.#writer.emit({ type: "ValueSet", position, key, value: { text: value } });
  }

  #advanceSearchValues({ position, event }: SearchValuesCall): void {
    if (this.#request(position)) this.#writer.emit(event);
  }

  /** Gives whether it had not been requested before. */
  #request(position: number): boolean {
    if (this.#requested.has(position)) return false;
    this.#requested.add(position);
    return true;
  }
}
