import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { ExecutionNotFound, ExecutionStateInvalid, QueryNeedsCode, ResultTimeout, UpdateRejected, WaitTimeout } from "../base/errors.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { checkKey, checkName } from "../base/ids.ts";
import { nextTurn, type Runtime, type Timer } from "../base/runtime.ts";
import type { Telemetry } from "../base/telemetry.ts";
import { encodeValue, toError } from "../base/values.ts";
import type { AnyMessages, Messages, SignalPayload, UpdateInput } from "../definition/messages.ts";
import type { OpenTransaction } from "../definition/transaction.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import { checkpointsOf } from "../kernel/checkpoint.ts";
import { encodeEvent } from "../kernel/event-codec.ts";
import type { Event } from "../kernel/event.ts";
import { isTerminal, type ExecutionState } from "../kernel/execution-state.ts";
import { updateInboxId } from "../kernel/inbox-id.ts";
import type { UpdateReply } from "../kernel/mailbox.ts";
import { readPayload } from "../kernel/payload.ts";
import { Replay, type ReplayHost } from "../kernel/replay.ts";
import { seedsOf } from "../kernel/seed.ts";
import { replayEvents } from "../kernel/replay-events.ts";
import type { ExecutionSummary, HistoryPlace, OutsideMessage, Receipt, Store } from "../store/store.ts";
import { fork, type ForkOptions } from "./fork.ts";
import { retry, rollBack, type NextRunOptions, type RollbackOptions } from "./next-run.ts";
import { checkRunId, Runs, type Checkpoint, type RunInfo } from "./runs.ts";
import { waitForNews } from "./news.ts";
import { checkReceipt } from "./message-sender.ts";
import { checkMessage, signalMessage } from "./outgoing-message.ts";
import { reasonOf } from "./reason.ts";
import { resultOf } from "./result-of.ts";
import type { ResultHub } from "./result-hub.ts";
import { checkClient } from "./transaction-client.ts";
import { checkStreamOptions, readStream, type StreamChunk, type StreamOptions } from "./stream-reader.ts";

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

export interface HistoryOptions {
  /** Of an earlier run, as `runs()` gives it (the latest). */
  readonly runId?: string;
}

/** What a handle needs of the Pawl it came from. */
export interface HandleParent {
  readonly store: Store;
  readonly namespace: string;
  readonly results: ResultHub;
  readonly runtime: Runtime;
  readonly telemetry: Telemetry | undefined;
  isLocal(runId: string): boolean;
  /** Sends it in order; resolves when it is durable. */
  sendMessage(message: OutsideMessage): Promise<Receipt>;
  /** The answer of an execution that runs in this process. */
  queryLocal(runId: string, name: string, argument: unknown): { readonly value: unknown } | undefined;
  /** The code of a workflow, if a worker in this process has it. */
  definition(workflow: string, version: string): AnyWorkflow | undefined;
  /** @throws Closed */
  checkOpen(): void;
}

export interface SignalOptions {
  /** Sent twice with the same id, it arrives once (made), and neither is refused, although the execution may have ended in between. */
  readonly signalId?: string;
  /**
   * An open transaction of your own on the database that Pawl is in: a client of node-postgres, or what runs SQL in one of another library.
   * The signal arrives if and when you commit.
   */
  readonly transaction?: OpenTransaction;
}

export interface UpdateOptions {
  /** Sent twice with the same id, it is applied once, and both get the same reply, also after the end (made). */
  readonly updateId?: string;
  /** Throws `WaitTimeout` when the reply takes longer (waits for ever). It may be applied all the same. */
  readonly timeout?: Duration;
}

export interface ValueOptions {
  /** Wait until it is set, or the execution ends (false). */
  readonly wait?: boolean;
  /** Throws `WaitTimeout` when that takes longer (waits for ever). */
  readonly timeout?: Duration;
}

const runKeys = { runId: true } satisfies KnownKeys<HistoryOptions>;
const signalKeys = { signalId: true, transaction: true } satisfies KnownKeys<SignalOptions>;
const updateKeys = { updateId: true, timeout: true } satisfies KnownKeys<UpdateOptions>;
const valueKeys = { wait: true, timeout: true } satisfies KnownKeys<ValueOptions>;

type ArgumentOf<Query> = Query extends (state: never, ...argument: infer Argument) => unknown ? Argument : never;
type AnswerOf<Query> = Query extends (...args: never) => infer Answer ? Answer : never;
type UpdateResult<Definition> = Definition extends { apply(...args: never): infer Result } ? Result : never;

/**
 * A reference to one execution, by id. Holding one costs nothing and needs no connection. `Sent` is what its workflow can be
 * sent: any name and payload for a handle that was made from an id alone.
 */
export class ExecutionHandle<Result = unknown, Sent extends Messages = AnyMessages> {
  readonly executionId: string;
  /** The run it was started with; undefined for a handle made from an id alone. */
  readonly runId: string | undefined;
  readonly #parent: HandleParent;
  readonly #workflow: AnyWorkflow | undefined;

  constructor(parent: HandleParent, executionId: string, runId: string | undefined, workflow: AnyWorkflow | undefined) {
    this.#parent = parent;
    this.executionId = executionId;
    this.runId = runId;
    this.#workflow = workflow;
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
    checkKeys(options, { timeout: true }, "result");
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

  /** Everything that happened, in order: in the latest run, or in the one of `runId`. @throws ExecutionNotFound, OptionInvalid */
  async history(options: HistoryOptions = {}): Promise<HistoryEvent[]> {
    this.#parent.checkOpen();
    checkKeys(options, runKeys, "history");
    checkRunId(options.runId, "runId");
    const recorded = await new Runs(this.#parent, this.executionId).history(options.runId);
    return recorded.map(({ seq, at, event }) => ({ seq, at: new Date(at), event }));
  }

  /** All its runs, oldest first: what a resume, rollback or retry left behind stays as it was. @throws ExecutionNotFound */
  async runs(): Promise<readonly RunInfo[]> {
    this.#parent.checkOpen();
    return new Runs(this.#parent, this.executionId).list();
  }

  /** One for every completed step of the latest run, or of another one. @throws ExecutionNotFound, OptionInvalid */
  async checkpoints(options: { readonly runId?: string } = {}): Promise<readonly Checkpoint[]> {
    this.#parent.checkOpen();
    checkKeys(options, runKeys, "checkpoints");
    checkRunId(options.runId, "runId");
    const runs = new Runs(this.#parent, this.executionId);
    const runId = options.runId ?? (await runs.latest()).runId;
    return checkpointsOf(await runs.history(runId)).map((checkpoint) => ({ ...checkpoint, runId, at: new Date(checkpoint.at) }));
  }

  /**
   * Starts the next run from a checkpoint of the latest one, whatever state that is in. What came after the checkpoint is not kept;
   * a worker that runs it is stopped, children that were started since are asked to cancel, signals received since are sent again.
   *
   * @throws ExecutionNotFound; OptionInvalid if there is no such checkpoint, or it is one of another run; ExecutionStateInvalid if it went on meanwhile
   */
  async rollback(options: RollbackOptions): Promise<ExecutionHandle<Result, Sent>> {
    this.#parent.checkOpen();
    return this.#at(await rollBack(this.#parent, this.executionId, options));
  }

  /**
   * Starts the next run of a failed or timed-out execution from where it failed: completed steps do not run again, and what failed
   * begins anew.
   *
   * @throws ExecutionNotFound; ExecutionStateInvalid in any other state
   */
  async retry(options: NextRunOptions = {}): Promise<ExecutionHandle<Result, Sent>> {
    this.#parent.checkOpen();
    return this.#at(await retry(this.#parent, this.executionId, options));
  }

  /**
   * Starts a new execution from a checkpoint of this one: it has its history up to there, with another input, other results of steps or
   * another version of the workflow if you like, and goes on by itself. This one is not changed.
   *
   * @throws ExecutionNotFound; OptionInvalid if there is no such checkpoint or step; ExecutionConflict if the id is taken; InputInvalid
   */
  async fork(options: ForkOptions): Promise<ExecutionHandle<Result, Sent>> {
    this.#parent.checkOpen();
    const forked = await fork(this.#parent, this.executionId, options, this.#workflow);
    return new ExecutionHandle<Result, Sent>(this.#parent, forked.executionId, forked.runId, this.#workflow);
  }

  #at(runId: string): ExecutionHandle<Result, Sent> {
    return new ExecutionHandle<Result, Sent>(this.#parent, this.executionId, runId, this.#workflow);
  }

  /**
   * Sends a signal. When this returns, it is durable, and the execution gets it once, whether it waits for it now or later.
   * Signals that one process sends to one execution arrive in order; those of a `transaction` come with its commit, in their order.
   *
   * @throws ExecutionNotFound; ExecutionStateInvalid if it has ended; MessageUnknown, PayloadInvalid, OptionInvalid
   */
  async signal<Name extends keyof Sent["signals"] & string>(
    name: Name,
    payload: SignalPayload<Sent["signals"][Name]>,
    options: SignalOptions = {},
  ): Promise<void> {
    this.#parent.checkOpen();
    checkKeys(options, signalKeys, "signal");
    const message = signalMessage({ executionId: this.executionId, workflow: this.#workflow }, { name, payload, ...options }, this.#parent);
    if (options.transaction === undefined) await this.#parent.sendMessage(message);
    else await this.#signalIn(checkClient(options.transaction), message);
  }

  async #signalIn(client: OpenTransaction, message: OutsideMessage): Promise<void> {
    const { store, namespace } = this.#parent;
    checkReceipt(this.executionId, await store.transactions.signal(client, namespace, message));
  }

  /**
   * Asks the execution to change its state and waits for the reply. It is applied once, at one place in the history.
   * While a pause is asked or holds, the reply waits until the resume.
   *
   * @throws UpdateRejected (with what the workflow threw as `cause`), ExecutionNotFound; ExecutionStateInvalid if it has ended;
   *   MessageUnknown, PayloadInvalid, WaitTimeout
   */
  async update<Name extends keyof Sent["updates"] & string>(
    name: Name,
    input: UpdateInput<Sent["updates"][Name]>,
    options: UpdateOptions = {},
  ): Promise<UpdateResult<Sent["updates"][Name]>> {
    this.#parent.checkOpen();
    checkKeys(options, updateKeys, "update");
    checkName(name, "update name");
    checkMessage(this.#workflow, "update", name, input);
    const { store, namespace, runtime } = this.#parent;
    const timeoutMs = options.timeout === undefined ? undefined : toMilliseconds(options.timeout, "timeout");
    const updateId = options.updateId === undefined ? runtime.newUuid() : checkKey(options.updateId, "updateId");
    const data = encodeEvent({ type: "UpdateReceived", updateId, name, payload: { text: encodeValue(input, "input") } });
    const message = { executionId: this.executionId, messageId: updateInboxId(updateId), type: "UpdateReceived", data } as const;
    let { runId } = await this.#parent.sendMessage(message);
    // First where the reply should be, then once wherever it may be, since an earlier run knows a repeated update; then in what is new.
    let seen: HistoryPlace | undefined = { runId, seq: 0 };
    let isSearched = false;
    const read = async (): Promise<UpdateReply | undefined> => {
      // In this order: the reply comes with the end at the latest.
      const summary = await store.describe(namespace, this.executionId);
      const isOver = summary === undefined || isTerminal(summary.state);
      const after = isOver && !isSearched ? undefined : seen;
      const reply = await store.updateReply(namespace, this.executionId, updateId, after);
      if (reply !== undefined) return reply;
      if (isOver) throw new ExecutionStateInvalid(this.executionId, summary?.state ?? "gone", "updated", "It ended without a reply to the update.");
      isSearched ||= after === undefined;
      ({ runId } = summary);
      seen = isSearched ? { runId, seq: summary.events } : undefined;
      return undefined;
    };
    const reply = await waitForNews(store, runtime, read, timeoutMs, { runId: () => runId });
    if (reply?.type === "UpdateCompleted") return readPayload(reply.result) as UpdateResult<Sent["updates"][Name]>;
    if (reply?.type === "UpdateRejected") throw new UpdateRejected(this.executionId, name, toError(reply.failure));
    throw new WaitTimeout(`The reply to update "${name}"`, timeoutMs ?? 0);
  }

  /**
   * Asks the execution something about its state. Leaves no trace; works on ended executions too. Answered by the worker that
   * runs it, if that is in this process, and otherwise by replaying its history here. The answer is a copy, and what can be stored.
   *
   * @throws ExecutionNotFound, MessageUnknown; QueryNeedsCode if this process does not have its code; ValueNotSerializable, ValueTooDeep,
   *   ValueTooLarge
   */
  async query<Name extends keyof Sent["queries"] & string>(
    name: Name,
    ...argument: ArgumentOf<Sent["queries"][Name]>
  ): Promise<AnswerOf<Sent["queries"][Name]>> {
    this.#parent.checkOpen();
    checkName(name, "query name");
    const { runId, workflow, version } = await this.status();
    const here = this.#parent.queryLocal(runId, name, argument[0]);
    if (here !== undefined) return here.value as AnswerOf<Sent["queries"][Name]>;
    const known = this.#workflow;
    const definition = known?.name === workflow && known.version === version ? known : this.#parent.definition(workflow, version);
    if (definition === undefined) throw new QueryNeedsCode(this.executionId, name, workflow, version);
    const { namespace, runtime } = this.#parent;
    const history = (await this.history()).map(({ seq, at, event }) => ({ seq, at: at.getTime(), epoch: 0, event }));
    const replay = new Replay(definition, { executionId: this.executionId, runId }, seedsOf(namespace, this.executionId, history), nothingStarts);
    await replayEvents(replay, history, () => nextTurn(runtime));
    return replay.mailbox.query(name, argument[0]) as AnswerOf<Sent["queries"][Name]>;
  }

  /**
   * The value that the execution has published under a key (`ctx.set`); undefined if it has not.
   *
   * @throws ExecutionNotFound, WaitTimeout; with `wait`, ExecutionStateInvalid if it ends without having set it
   */
  async value(key: string, options: ValueOptions = {}): Promise<unknown> {
    this.#parent.checkOpen();
    checkKeys(options, valueKeys, "value");
    checkName(key, "key");
    const { store, namespace, runtime } = this.#parent;
    const timeoutMs = options.timeout === undefined ? undefined : toMilliseconds(options.timeout, "timeout");
    let runId: string | undefined;
    const read = async (): Promise<{ readonly value: unknown } | undefined> => {
      const outcome = await store.value(namespace, this.executionId, key);
      if (outcome === undefined) throw new ExecutionNotFound(this.executionId);
      ({ runId } = outcome);
      const event = outcome.event?.event;
      if (event?.type === "ValueSet") return { value: readPayload(event.value) };
      if (options.wait === true && isTerminal(outcome.state))
        throw new ExecutionStateInvalid(this.executionId, outcome.state, "waited for", `It ended without having set "${key}".`);
      return undefined;
    };
    if (options.wait !== true) return (await read())?.value;
    const found = await waitForNews(store, runtime, read, timeoutMs, { runId: () => runId });
    if (found === undefined) throw new WaitTimeout(`The value "${key}"`, timeoutMs ?? 0);
    return found.value;
  }

  /**
   * Reads a stream that the execution writes (`ctx.stream`, `step.stream`), from any offset, and follows it until it is closed or
   * the execution has ended. Iterating throws ExecutionNotFound.
   *
   * @throws OptionInvalid
   */
  stream(name: string, options: StreamOptions = {}): AsyncGenerator<StreamChunk, void, void> {
    this.#parent.checkOpen();
    checkName(name, "stream name");
    checkStreamOptions(options);
    // Read when it is asked for the first chunk.
    return readStream(this.#parent, this.executionId, name, { ...options });
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
    const outcome = await this.#parent.store.cancel(this.#parent.namespace, this.executionId, reasonOf(options, "cancel"));
    if (!outcome.found || outcome.state === undefined) throw new ExecutionNotFound(this.executionId);
    if (outcome.closed || outcome.state === "running" || outcome.state === "paused" || outcome.state === "cancelled") return outcome.state;
    throw new ExecutionStateInvalid(this.executionId, outcome.state, "cancelled", "It has ended; nothing was changed.");
  }

  /** Ends the execution at once; none of its code runs again. @throws ExecutionNotFound; ExecutionStateInvalid if it ended otherwise */
  async terminate(options: { readonly reason?: string } = {}): Promise<void> {
    this.#parent.checkOpen();
    const outcome = await this.#parent.store.terminate(this.#parent.namespace, this.executionId, reasonOf(options, "terminate"));
    if (!outcome.found || outcome.state === undefined) throw new ExecutionNotFound(this.executionId);
    if (!outcome.closed && outcome.state !== "terminated") {
      throw new ExecutionStateInvalid(this.executionId, outcome.state, "terminated", "It has ended; nothing was changed.");
    }
  }

  /**
   * Holds the execution before its next step: what is running may end and is recorded, and nothing begins until `resume`.
   * Messages wait. One that is parked, or has not begun, is paused at once; a claimed one as soon as no step of it runs.
   *
   * @returns the state the request found or made
   * @throws ExecutionNotFound; ExecutionStateInvalid if it has ended, is quarantined, is being cancelled, or ends with its parent
   */
  async pause(options: { readonly reason?: string } = {}): Promise<ExecutionState> {
    this.#parent.checkOpen();
    const { outcome, state } = await this.#parent.store.pause(this.#parent.namespace, this.executionId, reasonOf(options, "pause"));
    if (state === undefined) throw new ExecutionNotFound(this.executionId);
    if (outcome === "ending")
      throw new ExecutionStateInvalid(this.executionId, state, "paused", "It is being cancelled, or ends with its parent; wait for its end, or terminate it.");
    if (outcome !== "unchanged" || state === "paused") return state;
    const why = state === "quarantined" ? "It is held already; `resume` lets it go on." : "It has ended; nothing was changed.";
    throw new ExecutionStateInvalid(this.executionId, state, "paused", why);
  }

  /**
   * Lets a paused execution go on, or takes a request to pause back. Of a cancelled or quarantined one it starts the next run,
   * from what it had recorded.
   *
   * @throws ExecutionNotFound; ExecutionStateInvalid in any other state
   */
  async resume(): Promise<ExecutionHandle<Result, Sent>> {
    this.#parent.checkOpen();
    const unpaused = await this.#parent.store.unpause(this.#parent.namespace, this.executionId);
    if (unpaused !== undefined) return this.#at(unpaused.runId);
    const resumed = await this.#parent.store.resume(this.#parent.namespace, this.executionId, this.#parent.runtime.newUuid());
    if (resumed !== undefined) return this.#at(resumed.runId);
    const { state } = await this.status();
    throw new ExecutionStateInvalid(
      this.executionId,
      state,
      "resumed",
      `Only paused, cancelled and quarantined executions can be resumed. ${insteadOfResume(state)}`,
    );
  }
}

function insteadOfResume(state: ExecutionState): string {
  if (!isTerminal(state)) return "Nothing holds it.";
  const others = "`rollback` starts its next run from a checkpoint, and `fork` a new execution.";
  return state === "failed" || state === "timed_out" ? `\`retry\` goes on where it failed; ${others}` : `It has ended; ${others}`;
}

/** For a replay that only reads. */
const nothingStarts: ReplayHost = {
  called: () => {},
  abandoned: () => {},
  orphaned: () => {},
  replied: () => {},
  patched: () => {},
  logged: () => {},
  ended: () => {},
  unread: () => {},
};

export function executionInfo(summary: ExecutionSummary): ExecutionInfo {
  return {
    ...summary,
    createdAt: new Date(summary.createdAt),
    startedAt: summary.startedAt === null ? null : new Date(summary.startedAt),
    finishedAt: summary.finishedAt === null ? null : new Date(summary.finishedAt),
  };
}
