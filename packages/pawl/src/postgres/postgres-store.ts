import type { Runtime } from "../base/runtime.ts";
import type { RecordedEvent } from "../kernel/event.ts";
import type { UpdateReply } from "../kernel/mailbox.ts";
import { isTerminal, type ExecutionState, type TerminalState } from "../kernel/execution-state.ts";
import type { ChildMessage, MergeStart, StartOperation } from "../store/operations.ts";
import type { ImportOperation } from "../store/import.ts";
import type { RetentionOutcome, RetentionPolicyRow, RetentionRequest, RetentionRule } from "../store/retention.ts";
import type { ClaimRuleNames } from "../store/claim-rules.ts";
import type { PauseInfoRow, PauseTarget } from "../store/pauses.ts";
import type { FilterField } from "../store/filter.ts";
import type {
  Backlog,
  ClaimOutcome,
  ClaimRequest,
  NextDueRequest,
  CloseOutcome,
  CommitBatch,
  CommitOutcome,
  CountedGroup,
  DatabaseFacts,
  ExecutionSummary,
  HistoryPlace,
  ForkOperation,
  Hint,
  Inbox,
  InboxMessage,
  ListFilter,
  ListPage,
  LeaseKeeper,
  LeaseOptions,
  NextRunOperation,
  Outcome,
  VersionCount,
  OutsideMessage,
  Receipt,
  SignalWithStartOutcome,
  PastRunSummary,
  PauseOperation,
  PauseOutcome,
  ScheduleCount,
  Store,
  Takeover,
  ValueOutcome,
  WatchedWorkers,
  WorkerRegistration,
  WorkerSummary,
} from "../store/store.ts";
import type { TransactionStore } from "../store/transact.ts";
import { claimedExecutions, recordedEvent } from "./claimed-executions.ts";
import { HistoryCache, type HistoryCacheOptions } from "./history-cache.ts";
import { CommitIds, commitBatch, heldUpOr } from "./commit-batch.ts";
import type { TransactionGateway } from "./gateway.ts";
import type { HintChannel } from "./hint-channel.ts";
import { PostgresQueues } from "./postgres-queues.ts";
import { PostgresSchedules } from "./postgres-schedules.ts";
import { PostgresStreams } from "./postgres-streams.ts";
import { PostgresTransactions } from "./postgres-transactions.ts";
import type { Sessions } from "./sessions.ts";
import type { Queries } from "./queries.ts";
import { claim, type ClaimRow } from "./statements/claim.ts";
import { retentionOutcome } from "./retention-step.ts";
import { readClaimRules, type ClaimRuleRow } from "./statements/claim-rules.ts";
import { claimLimited } from "./statements/claim-limited.ts";
import { closeExecution } from "./statements/close-execution.ts";
import { deleteContinued } from "./statements/delete-continued.ts";
import { deleteEnded } from "./statements/delete-ended.ts";
import { expireWorkers } from "./statements/expire-workers.ts";
import { fork } from "./statements/fork.ts";
import { importExecution } from "./statements/import-execution.ts";
import { nextRun } from "./statements/next-run.ts";
import { pause, type PauseRow } from "./statements/pause.ts";
import { pauseClaimed } from "./statements/pause-claimed.ts";
import { lostClaims, readHistory, readInboxes } from "./statements/reads.ts";
import { mergeStart } from "./statements/merge-start.ts";
import { registerWorker } from "./statements/register-worker.ts";
import { release } from "./statements/release.ts";
import { addPause, readPauses, removePause } from "./statements/pauses.ts";
import { requestCancel } from "./statements/request-cancel.ts";
import { nextDue } from "./statements/next-due.ts";
import { resume } from "./statements/resume.ts";
import { unpause, type UnpauseRow } from "./statements/unpause.ts";
import { tellChildren } from "./statements/tell-children.ts";
import { sendMessages } from "./statements/send-messages.ts";
import { signalWithStart } from "./statements/signal-with-start.ts";
import { deleteRetention, retentionPolicies, setRetention } from "./statements/retention-policies.ts";
import { stopWorker } from "./statements/stop-worker.ts";
import { takeOver } from "./statements/take-over.ts";
import type { Transaction } from "./transaction.ts";
import { toFailure } from "../base/values.ts";
import { ExecutionCancelled, ExecutionTerminated } from "../base/errors.ts";

export interface PostgresStoreParts {
  readonly gateway: TransactionGateway;
  /** Tells this store's commits from those of others. */
  readonly runtime: Pick<Runtime, "random">;
  readonly queries: Queries;
  readonly hints: HintChannel;
  /** For transactions with users' SQL in them. */
  readonly sessions: Sessions;
  /** Puts something around them; tests crash there. Production has nothing. */
  readonly aroundTransactions?: (transactions: TransactionStore) => TransactionStore;
  /** Where Pawl's tables are; checked by whoever gives it. */
  readonly schema: string;
  readonly historyCache?: HistoryCacheOptions;
  readonly startLeaseKeeper: (options: LeaseOptions) => LeaseKeeper;
  readonly disconnect: () => Promise<void>;
}

/** The store on PostgreSQL: hands each verb to its statement and turns rows into the port's types. */
export class PostgresStore implements Store {
  readonly schedules: PostgresSchedules;
  readonly streams: PostgresStreams;
  readonly transactions: TransactionStore;
  readonly queues: PostgresQueues;
  readonly #gateway: TransactionGateway;
  readonly #sessions: Sessions;
  readonly #commitIds: CommitIds;
  readonly #histories: HistoryCache;
  readonly #queries: Queries;
  readonly #hints: HintChannel;
  readonly #startLeaseKeeper: (options: LeaseOptions) => LeaseKeeper;
  readonly #disconnect: () => Promise<void>;

  constructor(parts: PostgresStoreParts) {
    this.schedules = new PostgresSchedules(parts.gateway);
    this.streams = new PostgresStreams(parts.gateway);
    this.queues = new PostgresQueues(parts.gateway);
    this.#gateway = parts.gateway;
    this.#commitIds = new CommitIds(parts.runtime);
    this.#sessions = parts.sessions;
    const transactions = new PostgresTransactions(parts.gateway, parts.sessions, parts.schema, this.#commitIds);
    this.transactions = parts.aroundTransactions?.(transactions) ?? transactions;
    this.#histories = new HistoryCache(parts.historyCache);
    this.#queries = parts.queries;
    this.#hints = parts.hints;
    this.#startLeaseKeeper = parts.startLeaseKeeper;
    this.#disconnect = parts.disconnect;
  }

  async commit(batch: CommitBatch): Promise<CommitOutcome> {
    const { woken, ...outcome } = await commitBatch(this.#gateway, batch, this.#commitIds.next());
    for (const [index, append] of batch.appends.entries()) this.#histories.settled(append, outcome.appends[index]!);
    for (const [namespace, taskQueue] of woken) this.hint({ kind: "tasks", namespace, taskQueue });
    return outcome;
  }

  async mergeStart(merge: MergeStart): Promise<boolean> {
    const [row] = await this.#gateway.run(mergeStart(merge));
    return row!.merged;
  }

  async registerWorker(registration: WorkerRegistration): Promise<void> {
    await this.#gateway.run(registerWorker(registration));
  }

  keepLease(options: LeaseOptions): LeaseKeeper {
    return this.#startLeaseKeeper(options);
  }

  async claim(request: ClaimRequest): Promise<ClaimOutcome> {
    if (request.limited === true) return this.#claimLimited(request);
    const { rows, repeated } = await this.#gateway.send(claim(request));
    return { ...(await claimedExecutions(this.#gateway, this.#histories, rows)), repeated };
  }

  async nextDue(request: NextDueRequest): Promise<number | undefined> {
    const [row] = await this.#gateway.run(nextDue(request));
    return row?.wait_ms ?? undefined;
  }

  async #claimLimited(request: ClaimRequest): Promise<ClaimOutcome> {
    const { rows, repeated } = await this.#gateway.send(claimLimited(request));
    const last = rows.at(-1)!;
    const claimed = await claimedExecutions(this.#gateway, this.#histories, rows.slice(0, -1) as ClaimRow[]);
    return {
      ...claimed,
      repeated,
      more: last.more ?? false,
      waitMs: last.wait_ms ?? undefined,
      unlimited: last.unlimited ?? [],
      search: last.search ?? undefined,
    };
  }

  async release(workerId: string, keep: readonly string[]): Promise<number> {
    return (await this.#gateway.run(release(workerId, keep))).length;
  }

  async stopWorker(workerId: string): Promise<void> {
    await this.#gateway.run(stopWorker(workerId));
  }

  async expireWorkers(gone: readonly string[]): Promise<readonly string[]> {
    return (await this.#gateway.run(expireWorkers(gone))).map((row) => row.id);
  }

  async takeOver(workerId: string, limit: number): Promise<Takeover> {
    const rows = await this.#gateway.run(takeOver(workerId, limit));
    const quarantined = rows.filter((row) => row.state === "quarantined").length;
    return { workerId, released: rows.length - quarantined, quarantined };
  }

  deadWorkersWithClaims(): Promise<readonly string[]> {
    return this.#gateway.read("dead-workers-with-claims", () => this.#queries.deadWorkersWithClaims());
  }

  watchedWorkers(host: string): Promise<WatchedWorkers> {
    return this.#gateway.read("read-watched-workers", () => this.#queries.watchedWorkers(host));
  }

  async readInboxes(runIds: readonly string[]): Promise<readonly Inbox[]> {
    const inboxes = new Map<string, { runId: string; inboxSeq: number; messages: InboxMessage[] }>();
    for (const row of await this.#gateway.run(readInboxes(runIds))) {
      let inbox = inboxes.get(row.run_id);
      if (inbox === undefined) inboxes.set(row.run_id, (inbox = { runId: row.run_id, inboxSeq: row.inbox_seq, messages: [] }));
      if (row.message_id !== null) inbox.messages.push({ messageId: row.message_id, ordinal: row.ordinal!, type: row.type!, data: row.data! });
    }
    return [...inboxes.values()];
  }

  async lostClaims(claims: readonly { readonly runId: string; readonly epoch: number }[]): Promise<readonly string[]> {
    return (await this.#gateway.run(lostClaims(claims))).map((row) => row.run_id);
  }

  async cancel(namespace: string, executionId: string, reason: string | undefined): Promise<CloseOutcome> {
    const data = JSON.stringify({ reason });
    for (;;) {
      const [requested] = await this.#gateway.run(requestCancel(namespace, executionId, data));
      if (requested !== undefined) {
        if (requested.due_in === null) this.hint({ kind: "inbox", runIds: [requested.run_id] });
        else this.#hintTasks(namespace, [requested.due_in]);
        return { found: true, closed: false, state: requested.state as ExecutionState };
      }
      // It has not begun, or is held: there is no code to ask.
      const outcome = await this.#close(namespace, executionId, "cancelled", ["pending", "quarantined"], reason);
      if (outcome.closed || (outcome.state !== "running" && outcome.state !== "paused")) return outcome;
      // A worker claimed it between the two statements: now there is code to ask.
    }
  }

  terminate(namespace: string, executionId: string, reason: string | undefined): Promise<CloseOutcome> {
    return this.#close(namespace, executionId, "terminated", ["pending", "running", "paused", "quarantined"], reason);
  }

  async pause(namespace: string, executionId: string, reason: string | undefined): Promise<PauseOutcome> {
    const stale = ({ outcome, state }: PauseRow): boolean => outcome === "unchanged" && (state === "pending" || state === "running");
    const { row } = await this.#untilDone(pause(namespace, executionId, reason ?? null), (found) => !stale(found));
    if (row === undefined) return { outcome: "unchanged", state: undefined };
    if (row.outcome === "asked") this.hint({ kind: "inbox", runIds: [row.run_id] });
    return { outcome: row.outcome, state: row.outcome === "paused" ? "paused" : (row.state as ExecutionState) };
  }

  async pauseClaimed(operation: PauseOperation): Promise<boolean> {
    return (await this.#gateway.run(pauseClaimed(operation))).length > 0;
  }

  async unpause(namespace: string, executionId: string): Promise<{ readonly runId: string } | undefined> {
    const stale = ({ outcome, state }: UnpauseRow): boolean => outcome === "unchanged" && state === "paused";
    const { row, repeated } = await this.#untilDone(unpause(namespace, executionId), (found) => !stale(found));
    if (row === undefined) return undefined;
    if (row.due_in !== null) this.#hintTasks(namespace, [row.due_in]);
    else if (row.outcome === "withdrawn") this.hint({ kind: "inbox", runIds: [row.run_id] });
    // The reply to an earlier send may have been lost after it had worked.
    const worked = row.outcome !== "unchanged" || (repeated && (row.state === "running" || row.state === "pending"));
    return worked ? { runId: row.run_id } : undefined;
  }

  async tellChildren(namespace: string, parentRunId: string, messages: readonly ChildMessage[]): Promise<readonly string[]> {
    const told: string[] = [];
    let left = messages;
    while (left.length > 0) {
      const rows = await this.#gateway.run(tellChildren(parentRunId, left));
      for (const row of rows) if (row.reached) told.push(row.run_id);
      this.#hintTasks(
        namespace,
        rows.map((row) => row.due_in),
      );
      const missed = new Set(rows.filter(({ reached }) => !reached).map(({ execution_id }) => execution_id));
      left = left.filter(({ executionId }) => missed.has(executionId));
    }
    return told;
  }

  async resume(namespace: string, executionId: string, newRunId: string): Promise<{ readonly runId: string } | undefined> {
    const { row, repeated } = await this.#untilDone(resume(namespace, executionId, newRunId), ({ run_id }) => run_id !== null);
    if (row !== undefined) {
      this.#hintTasks(namespace, row.due_in ?? []);
      return { runId: newRunId };
    }
    // The reply to an earlier send may have been lost after it had worked.
    if (repeated && (await this.describe(namespace, executionId))?.runId === newRunId) return { runId: newRunId };
    return undefined;
  }

  async startNextRun(operation: NextRunOperation): Promise<boolean> {
    const { namespace, executionId, fromRunId, newRunId } = operation;
    const { row, repeated } = await this.#untilDone(nextRun(operation), ({ run_id }) => run_id !== null);
    // The reply to an earlier send may have been lost after it had worked.
    const worked = row !== undefined || (repeated && (await this.describe(namespace, executionId))?.runId === newRunId);
    if (worked) {
      // Whoever owned the run before finds that there is no such run.
      this.hint({ kind: "inbox", runIds: [fromRunId, ...(row?.asked ?? [])] });
      this.#hintTasks(namespace, row?.due_in ?? []);
    }
    return worked;
  }

  async fork(operation: ForkOperation): Promise<"forked" | "not-forked"> {
    const { rows, repeated } = await this.#gateway.send(fork(operation));
    const { namespace, executionId, taskQueue, runId } = operation;
    // The reply to an earlier send may have been lost after it had worked.
    if (rows.length === 0 && !(repeated && (await this.describe(namespace, executionId))?.runId === runId)) return "not-forked";
    this.hint({ kind: "tasks", namespace, taskQueue });
    return "forked";
  }

  async sendMessages(namespace: string, messages: readonly OutsideMessage[]): Promise<ReadonlyMap<string, Receipt>> {
    const receipts = new Map<string, Receipt>();
    let left = messages;
    while (left.length > 0) {
      const rows = await this.#gateway.run(sendMessages(namespace, left));
      const owned = rows.filter((row) => row.owned);
      if (owned.length > 0) this.hint({ kind: "inbox", runIds: owned.map((row) => row.run_id) });
      this.#hintTasks(
        namespace,
        rows.map((row) => row.due_in),
      );
      const again = new Set<string>();
      for (const row of rows) {
        if (!row.reached && !isTerminal(row.state as ExecutionState)) again.add(row.execution_id);
        else receipts.set(row.execution_id, { runId: row.run_id, state: row.state as ExecutionState });
      }
      left = left.filter(({ executionId }) => again.has(executionId));
    }
    return receipts;
  }

  async signalWithStart(start: StartOperation, signal: OutsideMessage): Promise<SignalWithStartOutcome> {
    const { namespace, workflow } = start;
    for (;;) {
      const [row] = (await heldUpOr(this.#gateway.send(signalWithStart(start, signal), "throw"))).rows;
      // Somebody started it, or it was resumed, while the statement waited.
      if (row === undefined || (!row.reached && row.workflow === workflow && !isTerminal(row.state as ExecutionState))) continue;
      if (row.owned) this.hint({ kind: "inbox", runIds: [row.run_id] });
      else this.#hintTasks(namespace, [row.due_in]);
      return { runId: row.run_id, state: row.state as ExecutionState, workflow: row.workflow, started: row.run_id === start.runId };
    }
  }

  hasReceived(namespace: string, executionId: string, messageId: string): Promise<boolean> {
    return this.#gateway.read("has-received", () => this.#queries.hasReceived(namespace, executionId, messageId));
  }

  updateReply(namespace: string, executionId: string, updateId: string, after?: HistoryPlace): Promise<UpdateReply | undefined> {
    return this.#gateway.read("update-reply", () => this.#queries.updateReply(namespace, executionId, updateId, after));
  }

  value(namespace: string, executionId: string, key: string): Promise<ValueOutcome | undefined> {
    return this.#gateway.read("value", () => this.#queries.value(namespace, executionId, key));
  }

  outcomes(namespace: string, executionIds: readonly string[]): Promise<ReadonlyMap<string, Outcome>> {
    return this.#gateway.read("outcomes", () => this.#queries.outcomes(namespace, executionIds));
  }

  describe(namespace: string, executionId: string): Promise<ExecutionSummary | undefined> {
    return this.#gateway.read("describe", () => this.#queries.describe(namespace, executionId));
  }

  async history(runId: string, afterSeq: number, limit: number): Promise<readonly RecordedEvent[]> {
    return (await this.#gateway.run(readHistory(runId, afterSeq, limit))).map(recordedEvent);
  }

  list(filter: ListFilter, page: ListPage): Promise<readonly ExecutionSummary[]> {
    return this.#gateway.read("list", () => this.#queries.list(filter, page));
  }

  count(filter: ListFilter, groupBy: FilterField | undefined, limit: number): Promise<readonly CountedGroup[]> {
    return this.#gateway.read("count", () => this.#queries.count(filter, groupBy, limit));
  }

  workers(namespace: string): Promise<readonly WorkerSummary[]> {
    return this.#gateway.read("workers", () => this.#queries.workers(namespace));
  }

  unfinishedByVersion(namespace: string, workflow: string | undefined): Promise<readonly VersionCount[]> {
    return this.#gateway.read("unfinished-by-version", () => this.#queries.unfinishedByVersion(namespace, workflow));
  }

  schedulesByVersion(namespace: string, workflow: string | undefined): Promise<readonly ScheduleCount[]> {
    return this.#gateway.read("schedules-by-version", () => this.#queries.schedulesByVersion(namespace, workflow));
  }

  databaseFacts(): Promise<DatabaseFacts> {
    return this.#gateway.read("database-facts", () => this.#queries.databaseFacts());
  }

  backlog(namespace: string): Promise<readonly Backlog[]> {
    return this.#gateway.read("backlog", () => this.#queries.backlog(namespace));
  }

  stranded() {
    return this.#gateway.read("stranded", () => this.#queries.stranded());
  }

  pastRuns(namespace: string, executionId: string): Promise<readonly PastRunSummary[]> {
    return this.#gateway.read("past-runs", () => this.#queries.pastRuns(namespace, executionId));
  }

  async importExecution(operation: ImportOperation): Promise<boolean> {
    const { rows, repeated } = await this.#gateway.send(importExecution(operation));
    if (rows.length > 0) return true;
    // The reply to an earlier send may have been lost after it had worked.
    return repeated && (await this.describe(operation.namespace, operation.executionId))?.runId === operation.runs.at(-1)!.runId;
  }

  async addPause(namespace: string, target: PauseTarget, reason: string | undefined): Promise<void> {
    await this.#gateway.run(addPause(namespace, target, reason ?? null));
  }

  async removePause(namespace: string, target: PauseTarget): Promise<boolean> {
    const { rows, repeated } = await this.#gateway.send(removePause(namespace, target));
    return rows.length > 0 || repeated;
  }

  async readPauses(namespace: string): Promise<readonly PauseInfoRow[]> {
    return this.#gateway.run(readPauses(namespace));
  }

  async readClaimRules(namespace: string): Promise<ClaimRuleNames> {
    const rows = await this.#gateway.run(readClaimRules(namespace));
    const named = (wanted: ClaimRuleRow["kind"]): string[] => rows.filter(({ kind }) => kind === wanted).map(({ name }) => name);
    return { pausedQueues: named("task-queue"), pausedWorkflows: named("workflow"), limitedQueues: named("limited-queue") };
  }

  async setRetention(namespace: string, rule: RetentionRule, keepMs: number | null): Promise<void> {
    await this.#gateway.run(setRetention(namespace, rule, keepMs));
  }

  async deleteRetention(namespace: string, rule: RetentionRule): Promise<boolean> {
    const { rows, repeated } = await this.#gateway.send(deleteRetention(namespace, rule));
    return rows.length > 0 || repeated;
  }

  async retentionPolicies(namespace: string): Promise<readonly RetentionPolicyRow[]> {
    const rows = await this.#gateway.run(retentionPolicies(namespace));
    return rows.map(({ workflow, state, keep_ms }) => ({
      ...(workflow === null ? {} : { workflow }),
      ...(state === null ? {} : { state: state as TerminalState }),
      keepMs: keep_ms,
    }));
  }

  async deleteEnded(request: RetentionRequest): Promise<RetentionOutcome> {
    return retentionOutcome(await this.#gateway.run(deleteEnded(request)));
  }

  async deleteContinued(request: RetentionRequest): Promise<RetentionOutcome> {
    return retentionOutcome(await this.#gateway.run(deleteContinued(request)));
  }

  hint(hint: Hint): void {
    this.#hints.send(hint);
  }

  onHint(listener: (hint: Hint) => void): () => void {
    return this.#hints.onHint(listener);
  }

  async close(): Promise<void> {
    this.#gateway.close();
    await this.#hints.close();
    await this.#sessions.close();
    await this.#disconnect();
  }

  /** Tells the queues of what may be claimed now; null: it may not. */
  #hintTasks(namespace: string, taskQueues: readonly (string | null)[]): void {
    for (const taskQueue of new Set(taskQueues)) if (taskQueue !== null) this.hint({ kind: "tasks", namespace, taskQueue });
  }

  /** Sends a statement again that found rows with a new run id once it had their locks; each time, another resume has succeeded. */
  async #untilDone<Row>(transaction: Transaction<Row>, isDone: (row: Row) => boolean): Promise<{ readonly row: Row | undefined; readonly repeated: boolean }> {
    let repeated = false;
    for (;;) {
      const sent = await this.#gateway.send(transaction);
      repeated ||= sent.repeated;
      const [row] = sent.rows;
      if (row === undefined || isDone(row)) return { row, repeated };
    }
  }

  async #close(
    namespace: string,
    executionId: string,
    state: "terminated" | "cancelled",
    onlyFrom: readonly ExecutionState[],
    reason: string | undefined,
  ): Promise<CloseOutcome> {
    const event = { type: state === "cancelled" ? "ExecutionCancelled" : "ExecutionTerminated", data: JSON.stringify({ reason }) };
    const failure = toFailure(state === "cancelled" ? new ExecutionCancelled(executionId, reason) : new ExecutionTerminated(executionId, reason));
    delete failure.stack;
    const childFailed = JSON.stringify({ state, failure }).slice(1, -1);
    const toChildren = JSON.stringify({ reason: `its parent ${executionId} was ${state}` });
    const statement = closeExecution({ namespace, executionId, state, onlyFrom, event, childFailed, toChildren });
    const { row, repeated } = await this.#untilDone(statement, ({ found_state }) => found_state !== null);
    if (row === undefined) return { found: false, closed: false, state: undefined };
    const closed = row.closed_state !== null || (repeated && row.found_state === state);
    if (closed) {
      this.hint({ kind: "ended", runIds: [row.run_id] });
      if (row.owned !== null) this.hint({ kind: "inbox", runIds: row.owned });
      this.#hintTasks(namespace, row.due_in ?? []);
    }
    return { found: true, closed, state: (row.closed_state ?? row.found_state) as ExecutionState };
  }
}
