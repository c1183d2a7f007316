import type { Failure } from "../base/failure.ts";
import type { LabelChanges, Labels, StoredAttributes, StoredChanges } from "../base/search-values.ts";
import type { Payload } from "./payload.ts";

/**
 * What can happen in a run: the closed vocabulary of a history. `position` is the number of the durable call in call
 * order, from 1. Adding an event means: here, in `event-codec.ts`, in `fold.ts` and, where code waits for it, `replay.ts`.
 */
export type Event =
  | ExecutionStarted
  | StartMerged
  | StepStarted
  | StepHeartbeat
  | StepCompleted
  | StepAttemptFailed
  | StepFailed
  | TimerStarted
  | TimerFired
  | ChildStarted
  | ChildCompleted
  | ChildFailed
  | WaitStarted
  | WaitTimedOut
  | SignalReceived
  | UpdateReceived
  | UpdateCompleted
  | UpdateRejected
  | ValueSet
  | LabelsSet
  | AttributesSet
  | StreamWritten
  | PatchMarked
  | CancelRequested
  | WorkerLost
  | ExecutionPaused
  | ExecutionUnpaused
  | ExecutionResumed
  | ExecutionForked
  | ExecutionCompleted
  | ExecutionFailed
  | ExecutionCancelled
  | ExecutionTerminated
  | ExecutionTimedOut
  | ExecutionContinuedAsNew
  | ExecutionQuarantined;

/** The execution that started this one, and the durable call in it that waits for the outcome. */
export interface ParentLink {
  readonly executionId: string;
  readonly runId: string;
  readonly position: number;
  /** Of a step on another queue: the call is shielded. */
  readonly shielded?: true;
}

/** The schedule that started the execution, and the instant it did so for. */
export interface ScheduleLink {
  readonly scheduleId: string;
  /** ISO 8601, UTC. Of an execution that was triggered by hand, when that was. */
  readonly at: string;
  readonly triggered?: true;
  /** It started another execution, of which this one is a fork or an imported copy: code that asks for it has to get the same. */
  readonly copied?: true;
}

/** The run that a continuation goes on from, which ended `continued_as_new`. */
export interface ContinuationLink {
  readonly runId: string;
  /** How often the execution has continued as new: 1 for its first continuation. */
  readonly count: number;
  /** Inbox ids (`signal:…`, `update:…`) of the last signals and updates that earlier runs have read: sent again, they are not read again. */
  readonly messages?: readonly string[];
}

/** Always the first event of a run. */
export interface ExecutionStarted {
  readonly type: "ExecutionStarted";
  readonly continuedFrom?: ContinuationLink;
  readonly schedule?: ScheduleLink;
  /** W3C trace context that the execution belongs to. */
  readonly traceparent?: string;
  readonly input: Payload;
  readonly parent?: ParentLink;
  /** It ends as timed out so long after `timeoutFrom`. */
  readonly timeoutMs?: number;
  /** What was to pass between this event and the beginning of that time; of those that are merged, the longest that it could be. */
  readonly delayMs?: number;
  /** From when its time counts, milliseconds since 1970, in a run that continues another and has a timeout or a deadline. Else from this event and the delay. */
  readonly timeoutFrom?: number;
  /** Its parent's deadline, milliseconds since 1970: it ends as timed out then at the latest. */
  readonly deadline?: number;
  readonly labels?: Labels;
  readonly attributes?: StoredAttributes;
  /** Starts with the same key were merged into it until it began: it gets the input of the last, or the elements of all. */
  readonly merge?: "debounce" | "batch";
}

/** Another start that became part of this execution before it began. */
export interface StartMerged {
  readonly type: "StartMerged";
  readonly startId: string;
  readonly input: Payload;
}

/** A step that runs longer than a moment is announced; short steps have no such event. */
export interface StepStarted {
  readonly type: "StepStarted";
  readonly position: number;
  readonly name: string;
  readonly attempt: number;
}

/** What a step that runs for long last passed to `heartbeat()`: the next attempt gets it even if nothing more is heard of this one. */
export interface StepHeartbeat {
  readonly type: "StepHeartbeat";
  readonly position: number;
  readonly name: string;
  readonly attempt: number;
  readonly heartbeat: Payload;
}

export interface StepCompleted {
  readonly type: "StepCompleted";
  readonly position: number;
  readonly name: string;
  readonly attempt: number;
  readonly result: Payload;
}

/** An attempt failed and another one follows `retryInMs` after this event. */
export interface StepAttemptFailed {
  readonly type: "StepAttemptFailed";
  readonly position: number;
  readonly name: string;
  readonly attempt: number;
  readonly failure: Failure;
  readonly retryInMs: number;
  /** The last details the attempt passed to `heartbeat()`, handed to the next attempt. */
  readonly heartbeat?: Payload;
}

/** The last attempt failed: the step's error is thrown into the workflow. */
export interface StepFailed {
  readonly type: "StepFailed";
  readonly position: number;
  readonly name: string;
  readonly attempt: number;
  readonly failure: Failure;
}

/** Due `durationMs` after this event's time. */
export interface TimerStarted {
  readonly type: "TimerStarted";
  readonly position: number;
  readonly durationMs: number;
}

export interface TimerFired {
  readonly type: "TimerFired";
  readonly position: number;
}

export interface ChildStarted {
  readonly type: "ChildStarted";
  readonly position: number;
  readonly workflow: string;
  readonly executionId: string;
  readonly runId: string;
  /** What happens to it when this execution ends; it is asked to cancel without. */
  readonly parentClosePolicy?: "terminate" | "abandon";
}

export interface ChildCompleted {
  readonly type: "ChildCompleted";
  readonly position: number;
  readonly result: Payload;
}

/** The child ended without a result, or could not be started (`state` is then `failed`). */
export interface ChildFailed {
  readonly type: "ChildFailed";
  readonly position: number;
  readonly state: "failed" | "cancelled" | "terminated" | "timed_out";
  readonly failure: Failure;
  /** When the time of one that timed out was over, milliseconds since 1970. Never as late as its parent's, who ends then itself. */
  readonly deadline?: number;
}

/** Code waits for a signal, or for its state to change. What is there already is taken without such an event. */
export interface WaitStarted {
  readonly type: "WaitStarted";
  readonly position: number;
  /** The name of the signal. */
  readonly signal?: string;
  /** Given up so long after this event. */
  readonly timeoutMs?: number;
}

export interface WaitTimedOut {
  readonly type: "WaitTimedOut";
  readonly position: number;
}

/** Taken by the wait for its name that was made first, or kept for the next one. */
export interface SignalReceived {
  readonly type: "SignalReceived";
  readonly signalId: string;
  readonly name: string;
  /** W3C trace context of its sender. */
  readonly traceparent?: string;
  readonly payload: Payload;
}

/** Applied to the state at this place in the history; the reply follows as an event of its own. */
export interface UpdateReceived {
  readonly type: "UpdateReceived";
  readonly updateId: string;
  readonly name: string;
  readonly payload: Payload;
}

export interface UpdateCompleted {
  readonly type: "UpdateCompleted";
  readonly updateId: string;
  readonly result: Payload;
}

/** It did not fit its schema, or the workflow's function threw. */
export interface UpdateRejected {
  readonly type: "UpdateRejected";
  readonly updateId: string;
  readonly failure: Failure;
}

/** A value published for others to read. */
export interface ValueSet {
  readonly type: "ValueSet";
  readonly position: number;
  readonly key: string;
  readonly value: Payload;
}

/** Code has changed labels of its execution; null takes one away. */
export interface LabelsSet {
  readonly type: "LabelsSet";
  readonly position: number;
  readonly labels: LabelChanges;
}

/** Code has changed attributes of its execution; null takes one away. */
export interface AttributesSet {
  readonly type: "AttributesSet";
  readonly position: number;
  readonly attributes: StoredChanges;
}

/** Code has written a chunk to a stream, or closed it; the chunk itself stands in the stream. */
export interface StreamWritten {
  readonly type: "StreamWritten";
  readonly position: number;
  readonly stream: string;
  /** Its place in the stream, from 0. */
  readonly offset: number;
  readonly closed?: true;
}

/** Code has gone the new way at a patch. In a history without it, code that passed there went the old way. */
export interface PatchMarked {
  readonly type: "PatchMarked";
  readonly patchId: string;
}

export interface CancelRequested {
  readonly type: "CancelRequested";
  readonly reason?: string;
}

/** The worker that had claimed the execution died or lost its lease; `claims` counts claims without progress. */
export interface WorkerLost {
  readonly type: "WorkerLost";
  readonly workerId: string;
  readonly claims: number;
}

/** Held: nothing begins until it is resumed, or woken to be cancelled or because its time is over. */
export interface ExecutionPaused {
  readonly type: "ExecutionPaused";
  /** When it would have woken by itself (milliseconds since 1970; 0: at once); absent if only a message would have woken it. */
  readonly wakeAt?: number;
  readonly reason?: string;
}

/** It was paused and goes on, in the same run. */
export interface ExecutionUnpaused {
  readonly type: "ExecutionUnpaused";
}

/** First own event of a run that goes on from a prefix of an earlier one. */
export interface ExecutionResumed {
  readonly type: "ExecutionResumed";
  readonly fromRunId: string;
  readonly fromState: string;
  /** The labels and attributes that the run before had at its end, where it changed some behind the prefix. */
  readonly labels?: Labels;
  readonly attributes?: StoredAttributes;
  /** How it came to go on, unless by a resume. Its timeout counts from here then. */
  readonly operation?: "rollback" | "retry";
  /** The last event of the run before that may be in the prefix. */
  readonly toSeq?: number;
  /** Of this run: part of the ids of the children that it starts, where the run before may have started others since. */
  readonly runNumber?: number;
  readonly reason?: string;
}

/** First own event of an execution that began as a copy of a part of another one's history. Its timeout counts from here. */
export interface ExecutionForked {
  readonly type: "ExecutionForked";
  /** Of this execution: its random numbers differ from here on. */
  readonly executionId: string;
  readonly fromExecutionId: string;
  readonly fromRunId: string;
  readonly fromSeq: number;
  /** The execution whose random numbers its history begins with, where that was a fork too. */
  readonly origin?: string;
  /** Of the workflow, where this execution has another. */
  readonly fromVersion?: string;
  /** What is not as it was there: "input", or the positions of steps that were given another result. */
  readonly edited?: readonly (number | "input")[];
}

export interface ExecutionCompleted {
  readonly type: "ExecutionCompleted";
  readonly result: Payload;
}

export interface ExecutionFailed {
  readonly type: "ExecutionFailed";
  readonly failure: Failure;
  /** The failure of a durable call that it came from; absent: the code failed by itself. A retry goes back to before it. */
  readonly causeSeq?: number;
  /** How many durable calls the code had made when it got that failure. */
  readonly causeCalls?: number;
}

export interface ExecutionCancelled {
  readonly type: "ExecutionCancelled";
  readonly reason?: string;
}

export interface ExecutionTerminated {
  readonly type: "ExecutionTerminated";
  readonly reason?: string;
  /** Because its parent has ended: written by its own worker, not from outside. */
  readonly byParent?: true;
}

/** Its time was over; none of its code ran any more. */
export interface ExecutionTimedOut {
  readonly type: "ExecutionTimedOut";
  /** How long it was allowed to take since it was started; absent if its parent's time was over by then. */
  readonly timeoutMs?: number;
  /** When its time was over, milliseconds since 1970. Absent in histories written before Pawl recorded it. */
  readonly deadline?: number;
}

/** The run is over; the execution goes on with the next one, from another input and a history of its own. */
export interface ExecutionContinuedAsNew {
  readonly type: "ExecutionContinuedAsNew";
  readonly nextRunId: string;
  /** The next run's version of the workflow, if it is another one. */
  readonly version?: string;
}

/** Held for a person; not terminal. */
export interface ExecutionQuarantined {
  readonly type: "ExecutionQuarantined";
  readonly failure: Failure;
}

/** An event as it stands in a history. `at` is the database's time in milliseconds since 1970. */
export interface RecordedEvent {
  readonly seq: number;
  readonly at: number;
  readonly epoch: number;
  readonly event: Event;
}
