export { Pawl, type PawlOptions } from "./pawl.ts";
export {
  defineWorkflow,
  type AnyWorkflow,
  type InputOf,
  type MessageOptions,
  type OutputOf,
  type Workflow,
  type WorkflowOptions,
} from "./definition/workflow.ts";
export { update, type Messages, type SignalSchemas, type Update } from "./definition/messages.ts";
export { step } from "./definition/step.ts";
export type { ReusableStep } from "./definition/remote-step.ts";
export { workflow, workflowsOf, type WorkflowsOf } from "./definition/workflow-decorator.ts";
export { stepContext, workflowContext } from "./definition/ambient.ts";
export type {
  ChildOptions,
  ConcurrencyOptions,
  ContinueOptions,
  ParentClosePolicy,
  Saga,
  StepContext,
  StepFunction,
  StepInPlaceOptions,
  StepOptions,
  WaitOptions,
  WorkflowContext,
} from "./definition/context.ts";
export type { RetryPolicy } from "./definition/retry-policy.ts";
export type { Schedules, SchedulePage } from "./client/schedules.ts";
export type { ScheduleDescription, ScheduleHandle } from "./client/schedule-handle.ts";
export type { ScheduleInfo } from "./client/schedule-info.ts";
export type {
  BackfillOptions,
  CalendarField,
  CalendarOptions,
  ScheduledInput,
  ScheduleListOptions,
  ScheduledWorkOptions,
  ScheduleOptions,
  SchedulePolicies,
  ScheduleUpdate,
  TimingOptions,
  Weekday,
} from "./client/schedule-options.ts";
export type { BackfillOverlap, CalendarEntry, OverlapPolicy, Timing } from "./kernel/schedule/definition.ts";
export type { SignalWithStartOptions } from "./client/signal-with-start.ts";
export type { StreamChunk, StreamOptions } from "./client/stream-reader.ts";
export type { IsolationLevel, OpenTransaction, SqlClient, SqlResult, TransactionFunction, TransactionOptions } from "./definition/transaction.ts";
export type { StepStream, WorkflowStream } from "./definition/stream.ts";
export type { ExecutionHandle, ExecutionInfo, HistoryEvent, HistoryOptions, SignalOptions, UpdateOptions, ValueOptions } from "./client/execution-handle.ts";
export type { BulkCheckpoint, BulkFailure, BulkOperation, BulkOptions, BulkProgress, BulkRequest } from "./client/bulk/bulk-options.ts";
export type { ForkOptions } from "./client/fork.ts";
export type { NextRunOptions, RollbackOptions } from "./client/next-run.ts";
export type { PauseInfo, Pauses, PauseScope } from "./client/pauses.ts";
export type { Checkpoint, CheckpointChoice, RunInfo } from "./client/runs.ts";
export type { PawlClient } from "./client/pawl-client.ts";
export type { StartOptions } from "./client/start-options.ts";
export type { CountOptions, ExecutionCount, ExecutionPage, FilterOptions, ListOptions } from "./client/list-options.ts";
export type { AttributeChanges, Attributes, AttributeValue, LabelChanges, Labels } from "./base/search-values.ts";
export type { ChunkDocument, EventDocument, ExecutionDocument, RunDocument } from "./client/document/execution-document.ts";
export type { BatchOptions, DebounceOptions } from "./client/merging.ts";
export type { QueueDescription, QueueInfo, QueueOptions, Queues, RateOptions } from "./client/queues.ts";
export type { Retention, RetentionCount, RetentionPolicy, RetentionScope } from "./client/retention.ts";
export type { Workflows, WorkflowVersion } from "./client/workflow-versions.ts";
export type { StopOptions, WorkerOptions } from "./worker/worker-options.ts";
export type { Worker, WorkerHealth } from "./worker/worker.ts";
export type { CountedGroup, WorkerSummary } from "./store/store.ts";
export type { Event } from "./kernel/event.ts";
export { executionStates, terminalStates, type ExecutionState, type TerminalState } from "./kernel/execution-state.ts";
export { fold, type ExecutionView, type StepView } from "./kernel/fold.ts";
export type { Duration } from "./base/duration.ts";
export type { Failure } from "./base/failure.ts";
export type { LogFields, Logger } from "./base/logger.ts";
export type { Telemetry } from "./base/telemetry.ts";
export * from "./base/errors.ts";
