import type { QueuePlace } from "../base/queue-place.ts";
import type { Attributes, AttributeValue, Labels } from "../base/search-values.ts";
import type { Event, RecordedEvent } from "../kernel/event.ts";
import type { UpdateReply } from "../kernel/mailbox.ts";
import type { ExecutionState } from "../kernel/execution-state.ts";
import type { ClaimRuleNames } from "./claim-rules.ts";
import type { QueueStore } from "./queues.ts";
import type { ScheduleStore } from "./schedules.ts";
import type { StreamStore } from "./streams.ts";
import type { TransactionStore } from "./transact.ts";
import type { Filter, FilterField } from "./filter.ts";
import type { ImportOperation } from "./import.ts";
import type { RetentionOutcome, RetentionPolicyRow, RetentionRequest, RetentionRule } from "./retention.ts";
import type { PauseInfoRow, PauseTarget } from "./pauses.ts";
import type { AppendOperation, AppendOutcome, ChildMessage, MergeStart, StartOperation, StartOutcome } from "./operations.ts";

/** One round trip's worth of writes: all are durable together, each is accepted or not on its own. */
export interface CommitBatch {
  readonly starts: readonly StartOperation[];
  /** At most one per execution. */
  readonly appends: readonly AppendOperation[];
}

export interface CommitOutcome {
  /** In the order of the batch. */
  readonly starts: readonly StartOutcome[];
  readonly appends: readonly AppendOutcome[];
}

/** Who a worker is and what it offers. */
export interface WorkerRegistration {
  readonly workerId: string;
  readonly namespace: string;
  readonly taskQueues: readonly string[];
  /** `name@version` of every workflow it has. */
  readonly definitions: readonly string[];
  /** The task queue each definition names, in the same order. */
  readonly definitionQueues: readonly string[];
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly host: string;
  readonly pid: number;
  readonly pidStarted: string;
}

export interface ClaimRequest {
  readonly workerId: string;
  readonly namespace: string;
  readonly taskQueues: readonly string[];
  readonly definitions: readonly string[];
  readonly limit: number;
  /** Whether it may take one execution more that is suspect of killing its workers. */
  readonly suspects: boolean;
  /** These queues have limits; of those that have none, nothing is claimed. */
  readonly limited?: boolean;
  /** What the outcome of the claim before gave, to go on from there. */
  readonly search?: string | undefined;
}

export interface NextDueRequest extends Pick<ClaimRequest, "namespace" | "taskQueues" | "definitions"> {
  /** No further ahead than this, in milliseconds. */
  readonly withinMs: number;
}

/** An execution that this worker now owns under `epoch`, with its whole history. */
export interface ClaimedExecution {
  readonly runId: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly version: string;
  readonly taskQueue: string;
  readonly epoch: number;
  readonly inboxSeq: number;
  /** It has been claimed twice without progress; a worker runs one such at a time. */
  readonly suspect: boolean;
  readonly parentRunId: string | null;
  readonly parentPosition: number | null;
  readonly place: QueuePlace;
  readonly history: readonly RecordedEvent[];
  /** Of the data of these events, as they are stored. */
  readonly characters: number;
}

export interface ClaimOutcome {
  readonly executions: readonly ClaimedExecution[];
  /** Database time of the claim, milliseconds; undefined if nothing was claimed. */
  readonly now: number | undefined;
  /** The reply to an earlier send was lost: this worker may own executions it does not know of. */
  readonly repeated: boolean;
  /** It stopped before it had seen all that is due: claim again at once. */
  readonly more?: boolean;
  /** Of the queues that were said to have limits, those that have none any more: nothing was claimed from them. */
  readonly unlimited?: readonly string[];
  /** In so many milliseconds a rate lets more of them begin. */
  readonly waitMs?: number | undefined;
  /** It stopped looking before it had seen all keys: where the next claim goes on. */
  readonly search?: string | undefined;
}

export interface LeaseOptions {
  readonly workerId: string;
  readonly leaseMs: number;
  /** Monotonic time of this process, in milliseconds, before it registered: the lease may have begun then. */
  readonly heldSince: number;
  /** The main loop counts as hung after so long without a turn; the lease is then let go. */
  readonly hangMs: number;
  /** Kill this process when its main loop hangs, so that a supervisor starts it anew. */
  readonly killOnHang: boolean;
  /** The lease has ended and others may have taken over. Called once. */
  readonly onLost: () => void;
}

export interface LeaseKeeper {
  /** Whether, by this process's monotonic clock, nobody can have taken over yet. */
  isValid(): boolean;
  stop(): Promise<void>;
}

/** A signal or an update on its way into an execution. Idempotent by `messageId`. */
export interface OutsideMessage {
  readonly executionId: string;
  readonly messageId: string;
  readonly type: "SignalReceived" | "UpdateReceived";
  /** The event it becomes, encoded. */
  readonly data: string;
}

/** A place in the history of a run of an execution. */
export interface HistoryPlace {
  readonly runId: string;
  readonly seq: number;
}

/** What `handle.value` reads. Undefined `event`: nothing is set under this key. */
export interface ValueOutcome {
  /** The latest run. */
  readonly runId: string;
  readonly state: ExecutionState;
  readonly event: RecordedEvent | undefined;
}

/** Where a message came to: an execution in a state that takes none has ended. */
export interface Receipt {
  readonly runId: string;
  readonly state: ExecutionState;
}

/** Whom a signal reached that may start its receiver. An execution in a terminal state, or of another workflow, it has not reached. */
export interface SignalWithStartOutcome extends Receipt {
  readonly workflow: string;
  readonly started: boolean;
}

export interface InboxMessage {
  readonly messageId: string;
  /** Its place in the order of arrival; tells a message from a later one of the same id. */
  readonly ordinal: number | undefined;
  readonly type: string;
  readonly data: string;
}

export interface Inbox {
  readonly runId: string;
  readonly inboxSeq: number;
  /** In order of arrival. */
  readonly messages: readonly InboxMessage[];
}

/** What the row of one execution says. Times in milliseconds since 1970, database clock. */
export interface ExecutionSummary {
  readonly executionId: string;
  readonly runId: string;
  readonly runNumber: number;
  readonly workflow: string;
  readonly version: string;
  readonly taskQueue: string;
  readonly state: ExecutionState;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly events: number;
  readonly workerId: string | null;
  readonly parentRunId: string | null;
  readonly idempotencyKey: string | null;
  readonly deduplicationId: string | null;
  /** Its key and priority within its queue. */
  readonly key: string | null;
  readonly priority: number;
  readonly waitingFor: string | null;
  readonly labels: Labels;
  readonly attributes: Attributes;
}

/** An earlier run of an execution. */
export type PastRunSummary = Pick<ExecutionSummary, "runId" | "runNumber" | "version" | "state" | "startedAt" | "finishedAt" | "events">;

export interface ListFilter {
  readonly namespace: string;
  readonly workflow?: string;
  readonly state?: readonly ExecutionState[];
  readonly taskQueue?: string;
  readonly parentExecutionId?: string;
  readonly createdAfter?: number;
  readonly createdBefore?: number;
  readonly filter?: Filter;
}

export interface ListPage {
  readonly limit: number;
  /** `runId` of the last row of the page before: rows come newest first. */
  readonly before?: string;
  /**
   * Rows come in the order of their ids instead, from behind this one on, "" from the first. An execution that goes on as another run keeps
   * its place, so each that was there at the first page is on exactly one of them.
   */
  readonly afterExecutionId?: string;
}

/** How many executions have one value of what they are grouped by; null: those that have none. */
export interface CountedGroup {
  readonly value: AttributeValue | null;
  readonly count: number;
}

/** Executions of one version of a workflow in one state. */
export interface VersionCount {
  readonly workflow: string;
  readonly version: string;
  readonly state: ExecutionState;
  readonly count: number;
  /** When the oldest of them was made. */
  readonly oldest: number;
}

/** Schedules that start executions of one version of a workflow. */
export interface ScheduleCount {
  readonly workflow: string;
  readonly version: string;
  readonly count: number;
}

/** A closing event written by a client, with what the statement found. */
export interface CloseOutcome {
  readonly found: boolean;
  readonly closed: boolean;
  readonly state: ExecutionState | undefined;
}

/** An event whose copy has other data, and is of another type perhaps. */
export interface EditedEvent {
  readonly seq: number;
  readonly type: Event["type"];
  readonly data: string;
}

/** Starts an execution with a part of another one's history. */
export interface ForkOperation {
  readonly namespace: string;
  readonly executionId: string;
  readonly runId: string;
  readonly workflow: string;
  readonly version: string;
  readonly taskQueue: string;
  /** Its key and priority within that. */
  readonly key: string | null;
  readonly priority: number;
  readonly labels: string | null;
  readonly attributes: string | null;
  readonly fromRunId: string;
  /** Events up to this one are copied, but those `without`; `kept` is how many that are. */
  readonly toSeq: number;
  readonly without: readonly number[];
  readonly kept: number;
  /** Higher than that of every copied event. */
  readonly epoch: number;
  readonly edits: readonly EditedEvent[];
  /** Data of its `ExecutionForked`. */
  readonly forked: string;
}

/** Starts the next run of an execution from a part of the last one's history. */
export interface NextRunOperation {
  readonly namespace: string;
  readonly executionId: string;
  /** The run that it goes on from; nothing happens if that is not the latest any more. */
  readonly fromRunId: string;
  readonly newRunId: string;
  /** States it may be in. */
  readonly from: readonly ExecutionState[];
  readonly operation: "rollback" | "retry";
  readonly reason: string | null;
  /** Events up to this one are kept, but those `without`; `kept` is how many that are. */
  readonly toSeq: number;
  readonly without: readonly number[];
  readonly kept: number;
  /** The children that these have started, by the position of the call. */
  readonly children: readonly { readonly position: number; readonly executionId: string }[];
  /** As the kept events leave them, JSON; null if there are none. */
  readonly labels: string | null;
  readonly attributes: string | null;
}

/** The owner of an execution holds it, as it was asked to. Takes effect only if no message has come since `seenInbox`. */
export interface PauseOperation {
  readonly runId: string;
  readonly epoch: number;
  readonly expectedSeq: number;
  readonly seenInbox: number;
  readonly reason: string | null;
}

/** What became of a request to pause, and the state that it found or made. Undefined state: there is no such execution. */
export interface PauseOutcome {
  readonly outcome: "paused" | "asked" | "ending" | "unchanged";
  readonly state: ExecutionState | undefined;
}

/** How an execution ended, or where it is. */
export interface Outcome {
  readonly runId: string;
  readonly workflow: string;
  readonly state: ExecutionState;
  /** Whether a worker has ever claimed it. */
  readonly hasBegun: boolean;
  readonly parentRunId: string | null;
  readonly parentPosition: number | null;
  /** The last event, for ends and quarantine. */
  readonly last: RecordedEvent | undefined;
}

/** A worker whose lease ended and what became of what it had claimed. */
export interface Takeover {
  readonly workerId: string;
  readonly released: number;
  readonly quarantined: number;
}

export interface LiveWorker {
  readonly workerId: string;
  readonly pid: number;
  readonly pidStarted: string;
}

export interface WatchedWorkers {
  /** Live workers registered from this machine. */
  readonly neighbours: readonly LiveWorker[];
  /** Dead ones that still have executions: a takeover was cut short. */
  readonly dead: readonly string[];
}

export interface WorkerSummary {
  readonly workerId: string;
  readonly state: "live" | "stopped" | "dead";
  readonly host: string;
  readonly pid: number;
  readonly taskQueues: readonly string[];
  readonly definitions: readonly string[];
  readonly definitionQueues: readonly string[];
  readonly concurrency: number;
  readonly startedAt: number;
  readonly leaseUntil: number;
  readonly claimed: number;
}

/** What the database server says about itself, where a promise depends on it. */
export interface DatabaseFacts {
  readonly version: string;
  /** Its clock, in milliseconds since 1970. */
  readonly now: number;
  /** A standby, or set to refuse writes. */
  readonly readOnly: boolean;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  readonly synchronousCommit: string;
}

/** Tasks of one definition in one queue that are due and not claimed. */
export interface Backlog {
  readonly taskQueue: string;
  /** `name@version` of the workflow. */
  readonly definition: string;
  readonly tasks: number;
  readonly oldestDueAt: number;
}

/** "Something may have changed": never needed for correctness, only for speed. */
export type Hint =
  /** There may be tasks to claim in this queue. */
  | { readonly kind: "tasks"; readonly namespace: string; readonly taskQueue: string }
  /** These runs got a message. */
  | { readonly kind: "inbox"; readonly runIds: readonly string[] }
  /** These runs answered an update, set a value, wrote to a stream or continued as new. */
  | { readonly kind: "news"; readonly runIds: readonly string[] }
  /** These runs ended. */
  | { readonly kind: "ended"; readonly runIds: readonly string[] }
  /** Schedules were made or changed. */
  | { readonly kind: "schedules"; readonly namespace: string }
  /** A task queue or a workflow was paused or resumed. */
  | { readonly kind: "pauses"; readonly namespace: string }
  /** A queue was given limits, or has lost them. */
  | { readonly kind: "queues"; readonly namespace: string };

/**
 * The persistence port: every named transaction of Pawl. Worker and client know only this. Each method is one transaction,
 * safe to repeat after an unknown outcome, and already retried for transient faults by the implementation.
 */
export interface Store {
  readonly schedules: ScheduleStore;
  readonly streams: StreamStore;
  readonly transactions: TransactionStore;
  readonly queues: QueueStore;
  /** @throws StartHeldUp where nothing was written, because a start with a chosen id or key would have to wait for long */
  commit(batch: CommitBatch): Promise<CommitOutcome>;

  /** Gives whether it is part of that execution now, which may have begun in the meantime. */
  mergeStart(merge: MergeStart): Promise<boolean>;

  registerWorker(registration: WorkerRegistration): Promise<void>;
  /** Extends the lease again and again, as far as possible independently of this process's main loop. */
  keepLease(options: LeaseOptions): LeaseKeeper;
  claim(request: ClaimRequest): Promise<ClaimOutcome>;
  /** In how many milliseconds the next task that is not due yet becomes due. Undefined: none does within that time. */
  nextDue(request: NextDueRequest): Promise<number | undefined>;
  /** Gives claims back to their queues without counting them (graceful stop, or a claim whose reply was lost). */
  release(workerId: string, keep: readonly string[]): Promise<number>;
  stopWorker(workerId: string): Promise<void>;
  /** Declares workers dead whose lease has ended, and those named in `gone`, whose processes are known not to exist. */
  expireWorkers(gone: readonly string[]): Promise<readonly string[]>;
  /** Takes over up to `limit` executions of a dead worker; call until it gives 0. */
  takeOver(workerId: string, limit: number): Promise<Takeover>;
  /** Dead workers that still have executions: a takeover was cut short. */
  deadWorkersWithClaims(): Promise<readonly string[]>;
  /** Whom a worker on this machine has to look after. */
  watchedWorkers(host: string): Promise<WatchedWorkers>;
  readInboxes(runIds: readonly string[]): Promise<readonly Inbox[]>;
  /** Of these claims, those that no longer hold. */
  lostClaims(claims: readonly { readonly runId: string; readonly epoch: number }[]): Promise<readonly string[]>;

  cancel(namespace: string, executionId: string, reason: string | undefined): Promise<CloseOutcome>;
  terminate(namespace: string, executionId: string, reason: string | undefined): Promise<CloseOutcome>;
  /** Holds an execution at once if nobody has claimed it; otherwise asks its owner to. */
  pause(namespace: string, executionId: string, reason: string | undefined): Promise<PauseOutcome>;
  /** The owner pauses. False: it did not take effect, because a message came or the claim no longer holds. */
  pauseClaimed(operation: PauseOperation): Promise<boolean>;
  /** Ends a pause, or takes back a request to pause; gives the run that goes on. Undefined: neither was there. */
  unpause(namespace: string, executionId: string): Promise<{ readonly runId: string } | undefined>;
  /** Puts messages into the inboxes of children of a run, whichever run of their own they are in; gives the run ids of those that have not ended. */
  tellChildren(namespace: string, parentRunId: string, messages: readonly ChildMessage[]): Promise<readonly string[]>;
  /** Starts the next run of a cancelled or quarantined execution. Undefined: there is none of this id in such a state. */
  resume(namespace: string, executionId: string, newRunId: string): Promise<{ readonly runId: string } | undefined>;
  /** Rolls back or retries. False: the latest run is another one, or in another state. */
  startNextRun(operation: NextRunOperation): Promise<boolean>;
  /** `not-forked`: its id is taken, or what was to be copied is gone. */
  fork(operation: ForkOperation): Promise<"forked" | "not-forked">;

  /** Sends messages from outside; those of one execution arrive in their order. Without an entry: there is no such execution. */
  sendMessages(namespace: string, messages: readonly OutsideMessage[]): Promise<ReadonlyMap<string, Receipt>>;
  /** Sends a signal to the execution, which is started if there is none of this id. @throws StartHeldUp */
  signalWithStart(start: StartOperation, signal: OutsideMessage): Promise<SignalWithStartOutcome>;
  /** Whether the latest run, or one that it goes on from as new, has recorded the message. Of the latter, the last few are known. */
  hasReceived(namespace: string, executionId: string, messageId: string): Promise<boolean>;
  /** The recorded reply to an update, of the latest run or the runs that it goes on from as new. @param after nothing up to there is looked at */
  updateReply(namespace: string, executionId: string, updateId: string, after?: HistoryPlace): Promise<UpdateReply | undefined>;
  /** The latest value set under a key by the latest run. */
  value(namespace: string, executionId: string, key: string): Promise<ValueOutcome | undefined>;

  outcomes(namespace: string, executionIds: readonly string[]): Promise<ReadonlyMap<string, Outcome>>;
  describe(namespace: string, executionId: string): Promise<ExecutionSummary | undefined>;
  history(runId: string, afterSeq: number, limit: number): Promise<readonly RecordedEvent[]>;
  list(filter: ListFilter, page: ListPage): Promise<readonly ExecutionSummary[]>;
  /** Without `groupBy` one group of value null; at most `limit` groups, the largest first. */
  count(filter: ListFilter, groupBy: FilterField | undefined, limit: number): Promise<readonly CountedGroup[]>;
  /** Every live one first, then the newest of those whose lease ended within the last day. */
  workers(namespace: string): Promise<readonly WorkerSummary[]>;
  /** Of every version of every workflow, or of one, what has not ended, or failed, timed out or was cancelled. Reads every execution's row. */
  unfinishedByVersion(namespace: string, workflow: string | undefined): Promise<readonly VersionCount[]>;
  schedulesByVersion(namespace: string, workflow: string | undefined): Promise<readonly ScheduleCount[]>;
  databaseFacts(): Promise<DatabaseFacts>;
  /** What waits for a worker, longest wait first; at most 100 rows. */
  backlog(namespace: string): Promise<readonly Backlog[]>;
  /** Executions that nothing would ever wake. Must be empty (invariant I19). */
  stranded(): Promise<readonly { readonly executionId: string; readonly state: string; readonly namespace: string }[]>;

  /** Earlier runs, oldest first. */
  pastRuns(namespace: string, executionId: string): Promise<readonly PastRunSummary[]>;
  /** Writes a whole execution; false if its id is taken, and then nothing. */
  importExecution(operation: ImportOperation): Promise<boolean>;

  addPause(namespace: string, target: PauseTarget, reason: string | undefined): Promise<void>;
  /** Whether it was paused. */
  removePause(namespace: string, target: PauseTarget): Promise<boolean>;
  readPauses(namespace: string): Promise<readonly PauseInfoRow[]>;
  /** What is paused, and which queues have limits. */
  readClaimRules(namespace: string): Promise<ClaimRuleNames>;

  setRetention(namespace: string, rule: RetentionRule, keepMs: number | null): Promise<void>;
  /** Whether there was one. */
  deleteRetention(namespace: string, rule: RetentionRule): Promise<boolean>;
  retentionPolicies(namespace: string): Promise<readonly RetentionPolicyRow[]>;
  /** Deletes what the policies no longer keep, of the next executions of a walk. */
  deleteEnded(request: RetentionRequest): Promise<RetentionOutcome>;
  /** Deletes runs that continued as new and that the policies no longer keep, with those before them, of the next earlier runs of a walk. */
  deleteContinued(request: RetentionRequest): Promise<RetentionOutcome>;

  hint(hint: Hint): void;
  onHint(listener: (hint: Hint) => void): () => void;
  close(): Promise<void>;
}
