import type { ExecutionState, TerminalState } from "../kernel/execution-state.ts";
import type { NewChunk } from "./streams.ts";

/** An event on its way into a history: its type and encoded data. */
export interface NewEvent {
  readonly type: string;
  readonly data: string;
}

/** A new execution with its first event. Idempotent by `runId`: sent twice, it starts once. */
export interface StartOperation {
  readonly runId: string;
  readonly namespace: string;
  readonly executionId: string;
  /** Its id or its idempotency key was given by a user, so an open transaction of a user's may have started the same. */
  readonly chosen?: true;
  readonly workflow: string;
  readonly version: string;
  readonly taskQueue: string;
  readonly idempotencyKey: string | null;
  readonly parentRunId: string | null;
  readonly parentPosition: number | null;
  /** What happens to it when its parent ends; undefined: it is asked to cancel. */
  readonly parentClosePolicy?: "terminate" | "abandon";
  /** Milliseconds until it may be claimed; 0 = at once. */
  readonly delayMs: number;
  /** The worker that claims it in the same commit (eager start), or null to put it in its task queue. */
  readonly claimBy: string | null;
  /** Labels and attributes of its row, as JSON. */
  readonly labels?: string;
  readonly attributes?: string;
  /** Its key and priority within its queue, and what no other open execution of its workflow may have. */
  readonly queueKey?: string;
  readonly priority?: number;
  readonly deduplicationId?: string;
  /** While it is pending, starts with the same one are merged into it. */
  readonly mergeKey?: string;
  /** Data of its `ExecutionStarted` event, which has its labels and attributes too. */
  readonly started: string;
}

/** A start that becomes part of a pending execution. Idempotent by `startId`. */
export interface MergeStart {
  /** Of the execution that waits for more starts. */
  readonly runId: string;
  readonly startId: string;
  /** Data of its `StartMerged` event. */
  readonly data: string;
  /** It may begin so long after now, and at the latest so long after its start (debounce). */
  readonly periodMs: number | undefined;
  readonly longestMs: number | undefined;
  /** With so many it takes no more; a batch may begin at once then. */
  readonly size: number;
}

/** A message into another execution, delivered in the commit of the one that sends it. Idempotent by `messageId`. */
export interface Message {
  readonly toRunId: string;
  readonly messageId: string;
  readonly type: MessageType;
  readonly data: string;
}

/** A message to a child of a run, whichever run of its own it is in. Idempotent by `messageId`. */
export interface ChildMessage extends Omit<Message, "toRunId"> {
  readonly executionId: string;
  /** A run of the child that has it already, and gets nothing. */
  readonly reachedRunId?: string;
}

/** The type of the event that the message becomes. The last one ends its receiver, without its code. */
export type MessageType = "ChildCompleted" | "ChildFailed" | "CancelRequested" | "SignalReceived" | "UpdateReceived" | "ExecutionTerminated";

/**
 * What the owner of an execution writes: events, and what becomes of the claim. Accepted only if the row still has this
 * epoch, this last seq and state `running`; otherwise nothing of it is written, its starts and messages included.
 */
export interface AppendOperation {
  readonly runId: string;
  readonly epoch: number;
  readonly expectedSeq: number;
  readonly events: readonly NewEvent[];
  /** Whether this shows that the execution gets on; announcements alone do not. */
  readonly progress: boolean;
  readonly after: After;
  readonly starts: readonly StartOperation[];
  readonly messages: readonly Message[];
  /** What the events change of the row's labels and attributes, as JSON objects; null takes one away. */
  readonly labels?: string;
  readonly attributes?: string;
  /** What is added to streams of the execution. */
  readonly chunks?: readonly NewChunk[];
  /** Ids of inbox messages that became events here. */
  readonly consumed: readonly string[];
}

/** What becomes of the execution and its claim after an append. */
export type After =
  | { readonly kind: "keep" }
  /**
   * Give the claim back and wait. Takes effect only if no message has come since `seenInbox`; the outcome says so.
   * `wakeAt`: database time in milliseconds of the next timer, null when only a message can wake it.
   */
  | { readonly kind: "park"; readonly wakeAt: number | null; readonly seenInbox: number; readonly waitingFor: string }
  | { readonly kind: "end"; readonly state: TerminalState | "quarantined" }
  /** The run is over, by the one event of this append, and the next one begins in the same transaction. */
  | ({ readonly kind: "continue" } & NextRunOperation);

/** The next run of an execution that continues as new. Idempotent by `runId`. */
export interface NextRunOperation {
  readonly runId: string;
  readonly version: string;
  /** Data of its `ExecutionStarted`, without labels and attributes: those are the row's. */
  readonly started: string;
  /** Events of the run that ends which the next one is to receive (again): signals that nobody has taken, and what came too late. */
  readonly received: readonly number[];
}

export type StartOutcome =
  | { readonly outcome: "started"; readonly at: number }
  /** Its id or one of its keys is taken: here is who has it. */
  | { readonly outcome: "exists"; readonly existing: ExistingExecution };

export interface ExistingExecution {
  readonly runId: string;
  readonly executionId: string;
  readonly workflow: string;
  readonly version: string;
  readonly state: ExecutionState;
  readonly parentRunId: string | null;
  readonly parentPosition: number | null;
  /** Whether it has the idempotency key of the start that found it, which may have found it by something else. */
  readonly hasKey: boolean;
}

export type AppendOutcome =
  /** `parked`: whether a park took effect. `conflicts`: starts whose id is taken. */
  | { readonly outcome: "accepted"; readonly at: number; readonly parked: boolean; readonly conflicts: readonly StartConflict[] }
  /** Another claim owns the execution, or it ended: drop it. */
  | { readonly outcome: "rejected" };

export interface StartConflict {
  readonly runId: string;
  readonly existing: ExistingExecution;
}
