import { ExecutionNotFound, ExecutionStateInvalid, OptionInvalid, ResultTimeout } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import type { Runtime, Timer } from "../base/runtime.ts";
import type { Event } from "../kernel/event.ts";
import type { ExecutionState } from "../kernel/execution-state.ts";
import type { ExecutionSummary, Store } from "../store/store.ts";
import { resultOf } from "./result-of.ts";
import type { ResultHub } from "./result-hub.ts";

/** An execution as `status()` and `list()` show it. */
export interface ExecutionInfo extends Omit<ExecutionSummary, "createdAt" | "startedAt" | "finishedAt"> {
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
}

/** One event of `history()`. */
export interface HistoryEvent {
  readonly seq: number;
  readonly at: Date;
  readonly event: Event;
}

/** What a handle needs of the Pawl it came from. */
export interface HandleParent {
  readonly store: Store;
  readonly namespace: string;
  readonly results: ResultHub;
  readonly runtime: Runtime;
  isLocal(runId: string): boolean;
  /** @throws Closed */
  checkOpen(): void;
}

const historyPage = 1000;
const longestReason = 2000;

/** A reference to one execution, by id. Holding one costs nothing and needs no connection. */
export class ExecutionHandle<Result = unknown> {
  readonly executionId: string;
  /** The run it was started with; undefined for a handle made from an id alone. */
  readonly runId: string | undefined;
  readonly #parent: HandleParent;

  constructor(parent: HandleParent, executionId: string, runId: string | undefined) {
    this.#parent = parent;
    this.executionId = executionId;
    this.runId = runId;
  }

  /** Where it is. */
  get namespace(): string {
    return this.#parent.namespace;
  }

  /**
   * Waits until the execution ends and gives its result; for one that has ended already, at once.
   *
   * @throws ExecutionFailed (its error as `cause`), ExecutionCancelled, ExecutionTerminated, ExecutionQuarantined,
   *   ExecutionNotFound, ResultTimeout when `timeout` runs out first
   */
  async result(options: { readonly timeout?: Duration } = {}): Promise<Result> {
    this.#parent.checkOpen();
    const timeoutMs = options.timeout === undefined ? undefined : toMilliseconds(options.timeout, "timeout");
    const { runId } = this;
    const isLocal = (): boolean => runId !== undefined && this.#parent.isLocal(runId);
    const { ending, cancel } = this.#parent.results.wait(this.executionId, isLocal, () => new ExecutionNotFound(this.executionId));
    if (timeoutMs === undefined) return resultOf(this.executionId, await ending) as Result;
    let timer: Timer | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = this.#parent.runtime.startTimer(timeoutMs, () => reject(new ResultTimeout(this.executionId, timeoutMs)));
    });
    try {
      return resultOf(this.executionId, await Promise.race([ending, timeout])) as Result;
    } finally {
      timer?.clear();
      cancel();
    }
  }

  /** @throws ExecutionNotFound */
  async status(): Promise<ExecutionInfo> {
    this.#parent.checkOpen();
    const summary = await this.#parent.store.describe(this.#parent.namespace, this.executionId);
    if (summary === undefined) throw new ExecutionNotFound(this.executionId);
    return executionInfo(summary);
  }

  /** Everything that happened in the latest run, in order. @throws ExecutionNotFound */
  async history(): Promise<HistoryEvent[]> {
    const { runId } = await this.status();
    const events: HistoryEvent[] = [];
    for (;;) {
      const page = await this.#parent.store.history(runId, events.at(-1)?.seq ?? 0, historyPage);
      for (const { seq, at, event } of page) events.push({ seq, at: new Date(at), event });
      if (page.length < historyPage) return events;
    }
  }

  /**
   * Asks the execution to stop: its next durable call throws `ExecutionCancelled`, running steps see their signal fire, and
   * its code may clean up. One that has not begun, or is quarantined, is cancelled at once. Asking again changes nothing.
   *
   * @returns the state the request found or made
   * @throws ExecutionNotFound; ExecutionStateInvalid if it ended otherwise
   */
  async cancel(options: { readonly reason?: string } = {}): Promise<ExecutionState> {
    this.#parent.checkOpen();
    const outcome = await this.#parent.store.cancel(this.#parent.namespace, this.executionId, checkReason(options.reason));
    if (!outcome.found || outcome.state === undefined) throw new ExecutionNotFound(this.executionId);
    if (outcome.closed || outcome.state === "running" || outcome.state === "paused" || outcome.state === "cancelled") return outcome.state;
    throw new ExecutionStateInvalid(this.executionId, outcome.state, "cancelled", "It has ended; nothing was changed.");
  }

  /** Ends the execution at once; none of its code runs again. @throws ExecutionNotFound; ExecutionStateInvalid if it ended otherwise */
  async terminate(options: { readonly reason?: string } = {}): Promise<void> {
    this.#parent.checkOpen();
    const outcome = await this.#parent.store.terminate(this.#parent.namespace, this.executionId, checkReason(options.reason));
    if (!outcome.found || outcome.state === undefined) throw new ExecutionNotFound(this.executionId);
    if (!outcome.closed && outcome.state !== "terminated") {
      throw new ExecutionStateInvalid(this.executionId, outcome.state, "terminated", "It has ended; nothing was changed.");
    }
  }

  /**
   * Starts the next run of a cancelled or quarantined execution, from what it had recorded.
   *
   * @throws ExecutionNotFound; ExecutionStateInvalid in any other state
   */
  async resume(): Promise<ExecutionHandle<Result>> {
    this.#parent.checkOpen();
    const resumed = await this.#parent.store.resume(this.#parent.namespace, this.executionId, this.#parent.runtime.newUuid());
    if (resumed !== undefined) return new ExecutionHandle<Result>(this.#parent, this.executionId, resumed.runId);
    const { state } = await this.status();
    throw new ExecutionStateInvalid(this.executionId, state, "resumed", "Only cancelled and quarantined executions can be resumed.");
  }
}

function checkReason(reason: string | undefined): string | undefined {
  if (reason !== undefined && (typeof reason !== "string" || reason.length > longestReason)) {
    throw new OptionInvalid("reason", `must be a text of at most ${longestReason} characters`);
  }
  return reason;
}

export function executionInfo(summary: ExecutionSummary): ExecutionInfo {
  return {
    ...summary,
    createdAt: new Date(summary.createdAt),
    startedAt: summary.startedAt === null ? null : new Date(summary.startedAt),
    finishedAt: summary.finishedAt === null ? null : new Date(summary.finishedAt),
  };
}
