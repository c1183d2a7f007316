import type { Logger } from "../base/logger.ts";
import type { Telemetry } from "../base/telemetry.ts";
import type { Runtime } from "../base/runtime.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { ChildCall } from "../kernel/call.ts";
import type { Committer } from "../store/committer.ts";
import type { AppendOutcome, ChildMessage, StartOperation } from "../store/operations.ts";
import type { ClaimedExecution, PauseOperation } from "../store/store.ts";
import type { TransactionStore } from "../store/transact.ts";
import type { ActiveExecution } from "./active-execution.ts";
import type { ChildOutcomes } from "./child-outcomes.ts";
import type { EndEvent } from "./end-event.ts";
import type { HistoryLimit } from "./history-limit.ts";

/** All an active execution knows of its worker. */
export interface ExecutionHost {
  readonly namespace: string;
  readonly runtime: Runtime;
  readonly committer: Pick<Committer, "enlist">;
  readonly historyLimit: HistoryLimit;
  readonly logger: Logger;
  readonly telemetry: Telemetry | undefined;
  /** Database time, milliseconds; never ahead of it. */
  now(): number;
  observe(at: number): void;
  /** False while this worker's lease may have ended, and once it stops: then nothing new is started. */
  mayStartSteps(): boolean;
  /** Whether its task queue or its workflow is paused. */
  isPaused(execution: Pick<ClaimedExecution, "taskQueue" | "workflow">): boolean;
  /** Whether what it has claimed is still its own, as far as it knows. */
  holdsLease(): boolean;
  /** Keeps a slot for an execution about to be started and claimed in one commit; null if there is none here. */
  reserveSlot(runId: string, workflow: AnyWorkflow, taskQueue: string): string | null;
  startsSettled(starts: readonly StartOperation[], outcome: AppendOutcome | "rejected"): void;
  messagesSent(toRunIds: readonly string[]): void;
  /** It may have messages: read its inbox. */
  wantsInbox(execution: ActiveExecution): void;
  /** It waits and needs no slot. */
  resting(execution: ActiveExecution): void;
  /** Its code has ended, and the end is on its way into the history. */
  ending(execution: ActiveExecution): void;
  /** It goes on after having waited, and needs a slot again. */
  working(execution: ActiveExecution): void;
  /** Whether it may start steps; if not, `resumeSteps` is called when there is a slot for it. */
  hasSlot(execution: ActiveExecution): boolean;
  /** How children have ended, as the messages they sent or would have sent; and calls whose id belongs to another execution. */
  childOutcomes(runId: string, children: readonly ChildCall[]): Promise<ChildOutcomes>;
  readonly transactions: TransactionStore;
  /** Where a stream of an execution ends, as far as it is recorded. */
  streamLength(executionId: string, stream: string): Promise<number>;
  /** Something that shows that it gets on is recorded. */
  progressed(execution: ActiveExecution): void;
  /** It has recorded the reply to an update, a value, or chunks of a stream, or goes on as the next run: whoever waits for it may look. */
  news(execution: ActiveExecution): void;
  rejected(execution: ActiveExecution): void;
  ended(execution: ActiveExecution, end: EndEvent): void;
  /** Tells children of its end, whichever run they are in by now. */
  tellChildren(runId: string, messages: readonly ChildMessage[]): Promise<void>;
  failed(execution: Pick<ActiveExecution, "log">, error: unknown): void;
  /** Pauses it; "not yet" if a message came before, or the claim no longer holds. Says itself why it failed. */
  pause(execution: ActiveExecution, operation: PauseOperation): Promise<"paused" | "not yet" | "failed">;
  /** It goes back into its queue, for whoever claims it next: nothing of it is under way. */
  givesBack(execution: ActiveExecution): void;
  /** It is no longer active here. */
  gone(execution: ActiveExecution): void;
}
