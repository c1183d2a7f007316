import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Duration } from "../base/duration.ts";
import type { Logger } from "../base/logger.ts";
import type { SignalSchemas } from "./messages.ts";
import type { AttributeChanges, Attributes, LabelChanges, Labels } from "../base/search-values.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { SqlClient, TransactionFunction, TransactionOptions } from "./transaction.ts";
import type { StepStream, WorkflowStream } from "./stream.ts";
import type { AnyWorkflow, InputOf, OutputOf } from "./workflow.ts";

/** What a step's function is given. To be passed on whole: copied, as by `{ ...step }`, it lacks most of its fields. */
export interface StepContext {
  readonly executionId: string;
  readonly step: string;
  /** Which try this is, from 1. */
  readonly attempt: number;
  /** The same for every attempt of this step, also after a crash: hand it to services that deduplicate. */
  readonly idempotencyKey: string;
  /** Fires on timeout, cancellation, termination, and when this worker lost the execution. */
  readonly signal: AbortSignal;
  /** The last details that an attempt before this one passed to `heartbeat` and that are recorded. */
  readonly lastHeartbeat: unknown;
  /** Writes to the logger of this Pawl, with `executionId`, `runId`, `workflow`, `step` and `attempt`. */
  readonly log: Logger;
  /**
   * Says "still alive"; must come at least every `heartbeatTimeout` where one is set. Details are handed to the next attempt, as they are at
   * this call. @throws ValueNotSerializable, ValueTooDeep or ValueTooLarge where they cannot be stored
   */
  readonly heartbeat: (details?: unknown) => void;
  /** A stream of this execution, for others to follow while the step runs (`handle.stream`). */
  readonly stream: (name: string) => StepStream;
}

export interface StepOptions {
  /** Overrides the workflow's policy field by field. */
  readonly retry?: RetryPolicy;
  /** Longest time one attempt may take (none). */
  readonly timeout?: Duration;
  /** Longest time all attempts may take together, waits between them and crashes included, from the start of the first (none). */
  readonly totalTimeout?: Duration;
  /** Longest time between two heartbeats of one attempt (none). */
  readonly heartbeatTimeout?: Duration;
  /** Runs the step on a worker of this queue that has it in its `steps`. Only for reusable steps, made by `step(name, fn, options)`. */
  readonly taskQueue?: string;
  /** With `taskQueue`: throws `StepNotStarted` when no worker has begun it so long after it was asked for (none). */
  readonly scheduleToStart?: Duration;
  /** With `taskQueue`: its key within that queue, see `StartOptions` (that of the execution). */
  readonly key?: string;
  /** With `taskQueue`: its priority within that queue, from -1000 (first) to 1000 (that of the execution). */
  readonly priority?: number;
}

/** Of steps that can run only where their workflow runs. */
export type StepInPlaceOptions = Omit<StepOptions, "taskQueue" | "scheduleToStart">;

export type StepFunction<Result> = (step: StepContext) => Result | Promise<Result>;

/** What happens to a child that is open when its parent ends, or that a cancel request takes away from it. */
export type ParentClosePolicy = "cancel" | "terminate" | "abandon";

export interface ChildOptions {
  /**
   * What happens to the child if it is open when this execution ends, however it ends: it is asked to cancel (the default), it is
   * terminated, or it goes on, and then it has no part in its parent's deadline and cancel requests either.
   */
  readonly parentClosePolicy?: ParentClosePolicy;
  /** Defaults to `<parent's id>.<position of the call>`. */
  readonly executionId?: string;
  /** Defaults to the child workflow's own queue. */
  readonly taskQueue?: string;
  /** How long the child may take (its workflow's `timeout`). Never longer than its parent. */
  readonly timeout?: Duration;
  /** Its key within its queue, see `StartOptions`; it does not inherit its parent's. */
  readonly key?: string;
  /** Its priority within its queue, from -1000 (first) to 1000 (0). */
  readonly priority?: number;
  /** What the child belongs to; it does not inherit those of its parent. */
  readonly labels?: Labels;
  /** What the child can be found by; its code may change them. */
  readonly attributes?: Attributes;
}

export interface WaitOptions {
  /** Throws `WaitTimeout` when so much time has passed (waits for ever). */
  readonly timeout?: Duration;
}

export interface ContinueOptions {
  /** The version of the workflow that the next run is of (the present one). */
  readonly version?: string;
}

/** What a saga has done so far, and how to undo it. */
export interface Saga {
  /** Undoes what has just been done, should the saga fail. A cancel request leaves alone the context it is called with, and reusable steps that it calls. */
  compensate(undo: (ctx: WorkflowContext) => Promise<unknown>): void;
}

export interface ConcurrencyOptions {
  /** At most so many at a time (no limit). */
  readonly concurrency?: number;
}

/** Several durable calls to run together: functions, so that a limit can hold some back. */
export type Tasks<Results extends readonly unknown[]> = { readonly [I in keyof Results]: () => Promise<Results[I]> };

/**
 * The durable calls of a workflow. Each takes the next position in call order; its outcome is recorded once and, on
 * replay, delivered in the order of the history. After a cancel request every call throws `ExecutionCancelled`, except
 * through the context that `shield` gives, and by reusable steps in its function.
 */
// What continues may be anything where the workflow's input is not known.
// oxlint-disable-next-line typescript/no-explicit-any
export interface WorkflowContext<Signals extends SignalSchemas = SignalSchemas, State = object, Input = any> {
  readonly executionId: string;
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  /** The schedule that started this execution, and the instant it did so for; undefined if none did. */
  readonly schedule: { readonly scheduleId: string; readonly at: Date } | undefined;
  /** How many events this run's history has, up to the one that let the code go on; the same on every replay. */
  readonly historyLength: number;
  /** Whether that is so many (4,000) that the code should continue as new where it can. */
  readonly continueAsNewSuggested: boolean;
  /** Writes to the logger of the Pawl that runs it, with `executionId`, `runId` and `workflow`; on replay, nothing again. */
  readonly log: Logger;
  /** Whether a cancel request has reached this execution. */
  readonly cancelRequested: boolean;
  /** Runs `fn` and records its result; a recorded step never runs again. */
  readonly step: <Result>(name: string, fn: StepFunction<Result>, options?: StepOptions) => Promise<Result>;
  /**
   * A step that runs SQL in the database that Pawl is in, in one transaction with the recording of its result: both happen, or neither
   * does, exactly once. `fn` gets the transaction's client, or what `using` makes of it, and must do nothing else that lasts.
   */
  readonly transaction: <Result, Tx = SqlClient>(name: string, fn: TransactionFunction<Tx, Result>, options?: TransactionOptions<Tx>) => Promise<Result>;
  /** Waits durably, for so long or until then; costs no memory and survives restarts. A time that is over is not waited for. */
  readonly sleep: (until: Duration | Date) => Promise<void>;
  /** Starts another workflow and waits for its result. Throws `ExecutionFailed` (with its error as cause) if it fails. */
  readonly child: <W extends AnyWorkflow>(workflow: W, input: InputOf<W>, options?: ChildOptions) => Promise<OutputOf<W>>;
  /** The state that queries read and updates change. Code may change it too; it is rebuilt on replay. */
  readonly state: State;
  /**
   * Waits for the next signal of that name that nobody has taken yet, whether it came before or comes now, and gives its
   * payload. Signals of one name are taken in the order in which they came. Throws `WaitTimeout`.
   */
  signal<Name extends keyof Signals & string>(name: Name, options?: WaitOptions): Promise<StandardSchemaV1.InferOutput<Signals[Name]>>;
  /** Waits until `isTrue` of the state; asked after every change. It must change nothing. Throws `WaitTimeout`, and what `isTrue` throws. */
  readonly until: (isTrue: () => boolean, options?: WaitOptions) => Promise<void>;
  /** Publishes a value of this execution for others to read (`handle.value`). Setting it again replaces it. */
  readonly set: (key: string, value: unknown) => Promise<void>;
  /** A stream of this execution, for others to read from any place and to follow (`handle.stream`). */
  readonly stream: (name: string) => WorkflowStream;
  /**
   * Runs `fn`; should it throw, or the execution be cancelled meanwhile, undoes what it has done, the last first, and throws
   * on. Every undoing is durable, and goes on after a crash. If one throws, the others are done all the same.
   */
  readonly saga: <Result>(fn: (saga: Saga) => Promise<Result>) => Promise<Result>;
  /**
   * Changes labels of this execution, by which `pawl.list({ filter })` finds it: those named, `null` takes one away. When it
   * returns, they are recorded. Throws `OptionInvalid` for a name or value that is no label.
   */
  readonly setLabels: (changes: LabelChanges) => Promise<void>;
  /** As `setLabels`, of its attributes. Throws `OptionInvalid` for a name or value that is no attribute. */
  readonly setAttributes: (changes: AttributeChanges) => Promise<void>;
  /**
   * Whether code that was changed goes the new way here. True where nothing is recorded yet, which is then recorded; on replay of
   * a run that came by before the change, false. The first answer for an id holds for the whole run.
   */
  readonly patched: (patchId: string) => boolean;
  /**
   * In the place of `patched` once no run goes the old way any more. Throws `NondeterminismDetected` in one that does all the same,
   * which is then quarantined.
   */
  readonly deprecatePatch: (patchId: string) => void;
  /**
   * Ends this run and begins the next one of this execution, with that input and an empty history. Never returns: it throws
   * `ContinuedAsNew`, which is to be let pass. Steps that run are aborted; children that run go on by themselves. Signals that
   * nobody has taken, and messages that nobody has read, go to the next run.
   */
  readonly continueAsNew: (input: Input, options?: ContinueOptions) => never;
  /** Runs the tasks and gives all results in order; throws the first error. */
  readonly all: <Results extends readonly unknown[]>(tasks: Tasks<Results>, options?: ConcurrencyOptions) => Promise<Results>;
  /** Runs `fn` for every item and gives all results in order; throws the first error. */
  readonly map: <Item, Result>(items: readonly Item[], fn: (item: Item, index: number) => Promise<Result>, options?: ConcurrencyOptions) => Promise<Result[]>;
  /** Runs the tasks and settles as the first of them settles. The others go on, but take no signal any more. */
  readonly race: <Results extends readonly unknown[]>(tasks: Tasks<Results>) => Promise<Results[number]>;
  /** The time of the latest recorded event: the same on every replay. */
  readonly now: () => Date;
  /** A number in [0, 1), the same on every replay. Not for secrets. */
  readonly random: () => number;
  /** A version 4 UUID, the same on every replay. Not for secrets. */
  readonly uuid: () => string;
  /** Runs clean-up whose durable calls work although the execution was cancelled. */
  readonly shield: <Result>(fn: (ctx: WorkflowContext<Signals, State, Input>) => Promise<Result>) => Promise<Result>;
}
