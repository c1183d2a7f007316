import { fold, type Event, type StepContext } from "pawl";
import { decodeEvent, endsRun, isCallResult, isCallStart, isWrittenByCode, openWaits, readPayload, searchValuesOf, stepKey } from "pawl/internal";
import { earliestDue } from "./earliest-due.ts";
import { isTerminal } from "./execution-rows.ts";
import { Violation } from "./violation.ts";
import { isNewWay } from "./workflows.ts";
import type { SimDatabase } from "./sim-database.ts";
import { readSnapshot, type ChunkRow, type ExecutionRow, type HistoryRow } from "./snapshot.ts";
import type { SimProcess } from "./sim-process.ts";
import type { World } from "./world.ts";

interface Recorded {
  readonly seq: number;
  readonly epoch: number;
  readonly at: number;
  readonly event: Event;
}

const noProgress: ReadonlySet<Event["type"]> = new Set(["StepStarted", "StepHeartbeat", "ExecutionPaused", "ExecutionUnpaused"]);

const endsCancelRequest: ReadonlySet<Event["type"]> = new Set(["CancelRequested", "ExecutionResumed", "ExecutionForked"]);

/** A lease, and what a process may stand still. */
const hearsOfRollbackMs = 20_000;

const changesNoExecution =
  /^(read-|lost-claims|find-|outcomes|describe|list|workers|update-replies|value|stream-end|dead-workers|database-facts|backlog|stranded|heartbeat|due-schedules|list-queues|queue-load|database-time|create-schedule|change-schedule|register-worker|expire-workers|stop-worker|add-pause|remove-pause)/;

/**
 * Watches the database from outside: after every transaction it reads what is new and checks, against everything it has seen
 * before, what must hold at every commit point. It knows nothing of how the statements work.
 */
export class Monitor {
  readonly #database: SimDatabase;
  readonly #world: World;
  /** Every event of every run, in the order in which they became visible. */
  readonly histories = new Map<string, Recorded[]>();
  executions = new Map<string, ExecutionRow>();
  /** Of all streams, in order. */
  chunks: readonly ChunkRow[] = [];
  /** Runs that were left behind, and what they were runs of. */
  readonly #past = new Map<string, string>();
  /** When a resume or rollback of its parent has taken a child from the worker that ran it. */
  readonly #freed = new Map<string, number>();
  /** Whether a retention policy lets ended executions go. */
  mayForget = false;
  /** Those that it has let go, by their ids. */
  readonly #forgotten = new Set<string>();
  #lastTransaction = 0;
  #runOf = new Map<string, string>();

  constructor(database: SimDatabase, world: World) {
    this.#database = database;
    this.#world = world;
  }

  /** @param result what the transaction gave */
  async observe(transaction: string, result: unknown): Promise<void> {
    if (changesNoExecution.test(transaction) || (Array.isArray(result) && result.length === 0)) return;
    const { runIds, executions, added, chunks } = await readSnapshot(this.#database, this.#lastTransaction);
    this.chunks = chunks;
    for (const row of added) {
      this.#lastTransaction = Math.max(this.#lastTransaction, row.transaction);
      this.#added(row);
    }
    const before = this.executions;
    const read = new Map(executions.map((row) => [row.run_id, row]));
    const rows = runIds.map((runId) => read.get(runId) ?? before.get(runId)!);
    this.executions = new Map(rows.map((row) => [row.run_id, row]));
    this.#runOf = new Map(rows.map((row) => [row.execution_id, row.run_id]));
    for (const row of rows) {
      this.#checkRow(row, before.get(row.run_id));
      if ((transaction === "resume" || transaction === "next-run") && row.worker_id === null && (before.get(row.run_id)?.worker_id ?? null) !== null)
        this.#freed.set(row.execution_id, this.#world.now);
    }
    for (const [runId, row] of before) if (!this.executions.has(runId)) this.#gone(row);
    for (const row of rows) this.#checkWaking(row);
    for (const row of rows) this.#checkWakesInTime(row, before.get(row.run_id));
    for (const row of rows) this.#checkFamily(row);
    for (const row of rows) this.#checkMessages(row);
    for (const row of rows) if (isTerminal(row.state) && !isTerminal(before.get(row.run_id)?.state ?? "")) this.#checkChildrenAsked(row);
    if (transaction === "import-execution") this.#imported(rows, before, added);
    for (const row of added) this.#checkEnd(row, transaction);
  }

  /**
   * A step's function begins: what is recorded must not run again (I3, I7), nor what another owns (I5).
   *
   * @param workerId of the worker in that process, whose lease holds as far as it knows
   * @returns the execution; undefined where it may be another run of it, which is over, that begins the step
   */
  began(process: SimProcess, { executionId, step: name, idempotencyKey }: StepContext, workerId: string | undefined): ExecutionRow | undefined {
    const position = positionIn(idempotencyKey);
    const runId = this.#runOf.get(executionId);
    // Terminated while its worker stood still, and gone before that hears of it.
    if (runId === undefined && this.#forgotten.has(executionId)) return undefined;
    if (runId === undefined) throw new Violation("I10", `${process.name} runs step ${idempotencyKey} of an execution that does not exist`);
    // Whoever ran the run before, or a child of it, hears of a rollback a moment later, or when its lease ends.
    const row = this.executions.get(runId)!;
    if (this.#wasJustReverted(runId) || this.#wasJustFreed(executionId)) return row.worker_id === workerId ? row : undefined;
    const first = this.histories.get(runId)?.[0]?.event as Extract<Event, { type: "ExecutionStarted" }>;
    const keys = [false, true].map((shielded) => stepKey({ executionId, workflow: row.workflow }, first, { name, position, shielded }));
    if (!keys.includes(idempotencyKey) && this.#world.steppedForwardMs === 0)
      throw new Violation("I1", `${process.name} begins step ${idempotencyKey} of a run that has continued as new`);
    const result = this.histories.get(runId)?.find(({ event }) => isCallResult(event) && event.position === position);
    // Set forward, the database's clock ends leases before their time: then two workers may run the same step for a moment.
    if (result !== undefined && this.#world.steppedForwardMs === 0) {
      throw new Violation("I3", `${process.name} runs step ${idempotencyKey} again, whose result is recorded at ${result.seq}`);
    }
    if (this.#world.steppedForwardMs > 0) return row;
    if (row.state === "paused") throw new Violation("pause", `${process.name} runs step ${idempotencyKey} of an execution that is paused`);
    if (row.state === "running" && row.worker_id !== workerId) {
      throw new Violation("I5", `${process.name} runs step ${idempotencyKey} as worker ${workerId}; its execution belongs to ${row.worker_id ?? "nobody"}`);
    }
    return row;
  }

  /** What is recorded of a step, if that worker owns its execution. */
  ownedStep({ executionId, idempotencyKey }: StepContext, workerId: string | undefined): { readonly events: readonly Event[] } | undefined {
    const runId = this.#runOf.get(executionId);
    const row = runId === undefined ? undefined : this.executions.get(runId);
    if (row === undefined || row.worker_id !== workerId || workerId === undefined) return undefined;
    // It may be the run before that begins it, in the same worker.
    if (this.#wasJustReverted(row.run_id)) return undefined;
    const position = positionIn(idempotencyKey);
    const events = this.histories.get(runId!)!.map(({ event }) => event);
    return { events: events.filter((event) => "position" in event && event.position === position) };
  }

  /** Set forward, the database's clock ends leases before their time. */
  get areLeasesSure(): boolean {
    return this.#world.steppedForwardMs === 0;
  }

  /** Whether a run goes on from another one, by a rollback, a retry or a resume: then it has what that had not read. */
  keepsMessagesOf(runId: string, before: string | undefined): boolean {
    if (runId === before) return true;
    return (this.histories.get(runId) ?? []).some(({ event }) => event.type === "ExecutionResumed" && event.fromRunId === before);
  }

  /** The run that it continues, if it does. */
  #continuedBy(runId: string): string | undefined {
    const started = this.histories.get(runId)?.[0]?.event;
    return started?.type === "ExecutionStarted" ? started.continuedFrom?.runId : undefined;
  }

  /** The run, or one that it continues. */
  #wasResumed(runId: string): boolean {
    const history = this.histories.get(runId) ?? [];
    if (history.some(({ event }) => event.type === "ExecutionResumed")) return true;
    const from = this.#continuedBy(runId);
    return from !== undefined && this.#wasResumed(from);
  }

  /** The run, or one that it continues. */
  #wasJustReverted(runId: string): boolean {
    const history = this.histories.get(runId);
    if (history === undefined) return false;
    const reverted = history.findLast(({ event }) => event.type === "ExecutionResumed" && event.operation !== undefined);
    const toleratedMs = hearsOfRollbackMs + this.#world.steppedBackMs + this.#world.steppedForwardMs;
    if (reverted !== undefined && this.#world.databaseNow - reverted.at < toleratedMs) return true;
    const from = this.#continuedBy(runId);
    return from !== undefined && this.#wasJustReverted(from);
  }

  #wasJustFreed(executionId: string): boolean {
    const freedAt = this.#freed.get(executionId);
    return freedAt !== undefined && this.#world.now - freedAt < hearsOfRollbackMs;
  }

  #added(row: HistoryRow): void {
    let history = this.histories.get(row.run_id);
    if (history === undefined) this.histories.set(row.run_id, (history = []));
    const where = `event ${row.seq} (${row.type}) of run ${row.run_id}`;
    if (this.#past.has(row.run_id)) throw new Violation("I1", `${where} was added after the run was left behind`);
    const last = history.at(-1);
    if (row.seq !== (last?.seq ?? 0) + 1) throw new Violation("I2", `${where} follows ${last?.seq ?? "nothing"}`);
    if (last !== undefined && row.epoch < last.epoch) throw new Violation("I4", `${where} has epoch ${row.epoch} after ${last.epoch}`);
    const event = decodeEvent(row.type, row.data);
    if (last !== undefined && endsRun(last.event.type)) throw new Violation("I1", `${where} follows the end`);
    if (isWrittenByCode(event.type) && isPaused(history)) throw new Violation("pause", `${where}: it is paused`);
    if (event.type === "ExecutionPaused" && isToBeCancelled(history)) throw new Violation("pause", `${where}: it is to be cancelled`);
    this.#checkDeadline(history, event, where);
    this.#checkCall(history, event, row.at, where);
    this.#checkDeaths(history, event, where);
    this.#checkReceived(history, event, where);
    history.push({ seq: row.seq, epoch: row.epoch, at: row.at, event });
  }

  /** One result per call (I3), attempts in order (I6), nothing before its time (I12), results after their start (I15). */
  #checkCall(history: readonly Recorded[], event: Event, at: number, where: string): void {
    if (!("position" in event)) return;
    if ("name" in event && isNewWay(event.name) && !history.some((recorded) => recorded.event.type === "PatchMarked"))
      throw new Violation("patches", `${where}: no mark says that its code went the new way`);
    const earlier = history.filter((recorded) => "position" in recorded.event && recorded.event.position === event.position);
    if (isCallResult(event) && earlier.some((recorded) => isCallResult(recorded.event)))
      throw new Violation("I3", `${where}: call ${event.position} has a result already`);
    const starts = earlier.filter((recorded) => recorded.event.type === event.type);
    if (isCallStart(event) && starts.length > 0) throw new Violation("I3", `${where}: call ${event.position} was started already`);
    if (event.type === "TimerFired") {
      const started = earlier.find((recorded) => recorded.event.type === "TimerStarted");
      if (started?.event.type !== "TimerStarted") throw new Violation("I15", `${where}: the timer was never started`);
      this.#checkDue(at, started.at + started.event.durationMs, where);
    }
    if (event.type === "WaitTimedOut") {
      const started = earlier.find((recorded) => recorded.event.type === "WaitStarted");
      if (started?.event.type !== "WaitStarted" || started.event.timeoutMs === undefined) throw new Violation("I15", `${where}: the wait was never started`);
      this.#checkDue(at, started.at + started.event.timeoutMs, where);
    }
    if (event.type === "ChildCompleted" && !earlier.some((recorded) => recorded.event.type === "ChildStarted"))
      throw new Violation("I15", `${where}: never started`);
    if (event.type.startsWith("Step") && "attempt" in event) {
      const failed = earlier.filter((recorded) => recorded.event.type === "StepAttemptFailed").at(-1);
      const lastAttempt = Math.max(0, ...earlier.map((recorded) => ("attempt" in recorded.event ? recorded.event.attempt : 0)));
      if (event.attempt < lastAttempt) throw new Violation("I6", `${where}: attempt ${event.attempt} after attempt ${lastAttempt}`);
      if (failed?.event.type === "StepAttemptFailed") {
        if (event.attempt <= failed.event.attempt)
          throw new Violation("I6", `${where}: attempt ${event.attempt} after attempt ${failed.event.attempt} had failed`);
        this.#checkDue(at, failed.at + failed.event.retryInMs, where);
      }
    }
  }

  /** I12: whoever claims a run whose time was over before it began knows that, and only ends it; so does who hears it from a child. */
  #checkDeadline(history: readonly Recorded[], event: Event, where: string): void {
    if (event.type !== "ChildFailed" && !isWrittenByCode(event.type)) return;
    const [first] = history;
    if (first?.event.type !== "ExecutionStarted") return;
    if (history.some((recorded) => recorded.event.type === "ExecutionResumed" || recorded.event.type === "ExecutionForked")) return;
    const { timeoutMs = Infinity, delayMs = 0, timeoutFrom = first.at + delayMs, deadline = Infinity } = first.event;
    const over = Math.min(deadline, timeoutFrom + timeoutMs);
    if (event.type === "ChildFailed" && event.deadline !== undefined && event.deadline >= over)
      throw new Violation("I12", `${where}: its time was over with that of its child`);
    const lateMs = first.at - over - this.#world.steppedBackMs;
    if (lateMs >= 0 && isWrittenByCode(event.type)) throw new Violation("I12", `${where}: its time was over ${lateMs} ms before it began`);
  }

  /** I11: each signal and update is received once and answered once. */
  #checkReceived(history: readonly Recorded[], event: Event, where: string): void {
    for (const { event: earlier } of history) {
      const isTwice =
        (event.type === "PatchMarked" && earlier.type === "PatchMarked" && earlier.patchId === event.patchId) ||
        (event.type === "SignalReceived" && earlier.type === "SignalReceived" && earlier.signalId === event.signalId) ||
        (event.type === "UpdateReceived" && earlier.type === "UpdateReceived" && earlier.updateId === event.updateId) ||
        ((event.type === "UpdateCompleted" || event.type === "UpdateRejected") &&
          (earlier.type === "UpdateCompleted" || earlier.type === "UpdateRejected") &&
          earlier.updateId === event.updateId);
      if (isTwice) throw new Violation("I11", `${where}: it is there already`);
    }
  }

  /** I6: deaths are counted from the claim on, and the third in a row without progress is the last. */
  #checkDeaths(history: readonly Recorded[], event: Event, where: string): void {
    if (event.type !== "WorkerLost" && event.type !== "ExecutionQuarantined") return;
    let deaths = 0;
    for (const { event: earlier } of history.toReversed()) {
      if (earlier.type === "WorkerLost") deaths++;
      else if (!noProgress.has(earlier.type)) break;
    }
    // Parking is progress too, and leaves no event: then fewer claims count than there were deaths.
    if (event.type === "WorkerLost" && (event.claims < 1 || event.claims > deaths + 1))
      throw new Violation("I6", `${where} counts ${event.claims} claims, after ${deaths} deaths`);
    if (event.type !== "ExecutionQuarantined") return;
    if (event.failure.name !== "WorkerDeaths")
      throw new Violation("determinism", `${where}: ${event.failure.name}: ${event.failure.message}; its code does the same whenever it is replayed`);
    if (deaths > 0 && deaths < 3) throw new Violation("I6", `${where} comes after ${deaths} deaths`);
  }

  /** I21: children are started by their parents, and what parents hear of them is true. */
  #checkFamily(row: ExecutionRow): void {
    if (row.parent_run_id === null) return;
    const parent = this.histories.get(row.parent_run_id) ?? [];
    const start = parent.find(({ event }) => event.type === "ChildStarted" && event.executionId === row.execution_id);
    if (start === undefined) throw new Violation("I21", `${row.execution_id} has a parent that never started it`);
    const position = "position" in start.event ? start.event.position : 0;
    const heard = parent.find(({ event }) => (event.type === "ChildCompleted" || event.type === "ChildFailed") && event.position === position)?.event;
    if (heard === undefined) return;
    const end = this.histories.get(row.run_id)?.at(-1)?.event;
    const isTrue =
      heard.type === "ChildCompleted"
        ? end?.type === "ExecutionCompleted" && JSON.stringify(end.result) === JSON.stringify(heard.result)
        : isTerminal(row.state) && row.state !== "completed";
    // Quarantined and resumed again, it may have ended otherwise in a run that came later.
    if (!isTrue && row.run_number === 1) throw new Violation("I21", `${row.execution_id} is ${row.state}; its parent was told ${heard.type}`);
  }

  /** I21: the end of a child is sent in the commit that ends it. I19: whoever waits is woken for what has come. */
  #checkMessages(row: ExecutionRow): void {
    if (row.messages === null) return;
    const waits = row.state === "running" && row.worker_id === null;
    const until = this.#world.databaseNow + this.#world.steppedBackMs + 1;
    const isToWake = waits || (row.state === "paused" && row.messages.includes("CancelRequested"));
    if (isToWake && (row.visible_at === null || row.visible_at > until))
      throw new Violation("I19", `${row.execution_id} waits with messages, and nothing wakes it: ${row.messages}`);
    for (const { type, data } of JSON.parse(row.messages) as { type: string; data: string }[]) {
      const event = decodeEvent(type, data);
      if (event.type !== "ChildCompleted" && event.type !== "ChildFailed") continue;
      const start = this.histories.get(row.run_id)?.find((recorded) => recorded.event.type === "ChildStarted" && recorded.event.position === event.position);
      if (start === undefined && !this.#wasResumed(row.run_id))
        throw new Violation("I21", `${row.execution_id} is told of the end of call ${event.position}, which run ${row.run_number} has not made`);
      const child = start?.event.type === "ChildStarted" ? this.row(start.event.executionId) : undefined;
      // One that was resumed on its own has ended in an earlier run.
      if (child?.parent_run_id === row.run_id && !this.#wasResumed(child.run_id) && !isTerminal(child.state))
        throw new Violation("I21", `${row.execution_id} is told that ${child.execution_id} has ended; it is ${child.state}`);
    }
  }

  /** I21: in the commit that ends an execution, its open children get what their policies say. */
  #checkChildrenAsked(row: ExecutionRow): void {
    for (const child of this.executions.values()) {
      if (child.parent_run_id !== row.run_id || isTerminal(child.state)) continue;
      if (child.parent_close_policy === "abandon" || this.#knowsEndOf(row.run_id, child.execution_id)) continue;
      // It was told, and then rolled back to before that; or it was cancelled, and then resumed on its own.
      if (this.histories.get(child.run_id)?.some(({ event }) => event.type === "ExecutionResumed" && (event.operation ?? event.fromState) !== "quarantined"))
        continue;
      const type = child.parent_close_policy === "terminate" ? "ExecutionTerminated" : "CancelRequested";
      const told = (child.messages ?? "").includes(type) || this.histories.get(child.run_id)?.some(({ event }) => event.type === type);
      if (told !== true) throw new Violation("I21", `${row.execution_id} is ${row.state}, and its child ${child.execution_id} was never told (${type})`);
    }
  }

  /** Resumed since, a child is on its own. */
  #knowsEndOf(parentRunId: string, childId: string): boolean {
    const parent = this.histories.get(parentRunId) ?? [];
    const start = parent.find(({ event }) => event.type === "ChildStarted" && event.executionId === childId)?.event;
    return start?.type === "ChildStarted" && parent.some(({ event }) => isCallResult(event) && event.position === start.position);
  }

  /** Times are written by the database; where its clock was set back in between, they can lie before what they follow. */
  #checkDue(at: number, due: number, where: string): void {
    if (at + this.#world.steppedBackMs + 1 < due) throw new Violation("I12", `${where} came ${due - at} ms before its time`);
  }

  #checkRow(row: ExecutionRow, before: ExecutionRow | undefined): void {
    const name = `${row.execution_id} (${row.state}, run ${row.run_id})`;
    const history = this.histories.get(row.run_id) ?? [];
    const ended = isTerminal(row.state);
    if (history.length !== row.last_seq) throw new Violation("I2", `${name} has last_seq ${row.last_seq} and ${history.length} events`);
    if (row.claims > 3) throw new Violation("I6", `${name} was claimed ${row.claims} times without progress`);
    if (row.worker_id !== null && row.tasks > 0) throw new Violation("I5", `${name} is claimed and queued`);
    if (row.worker_id !== null && row.state !== "running") throw new Violation("I5", `${name} is claimed`);
    if (row.worker_id !== null && row.worker_state === null) throw new Violation("I5", `${name} is claimed by a worker that never was`);
    // Signals that nobody has read are kept for a run that goes on from there.
    const hasMessages = (JSON.parse(row.messages ?? "[]") as { type: string }[]).some(({ type }) => type !== "SignalReceived");
    if (ended && (row.tasks > 0 || hasMessages))
      throw new Violation("I24", `${name} has ended and has ${row.tasks} tasks and the messages ${row.messages ?? "[]"}`);
    const started = history[0]?.event;
    const hasDeadline = started?.type === "ExecutionStarted" && (started.timeoutMs !== undefined || started.deadline !== undefined);
    if (row.state === "paused" && row.tasks > 0 && !hasDeadline && !/CancelRequested|ExecutionTerminated/.test(row.messages ?? ""))
      throw new Violation("pause", `${name} has a task, and nothing to wake it for`);
    if (row.state === "paused" && row.messages?.includes("PauseRequested") === true)
      throw new Violation("pause", `${name} is asked to pause as well: it would be paused again after its resume`);
    if (row.state === "quarantined" && row.tasks > 0) throw new Violation("I24", `${name} is held and has a task`);
    if (row.started_at !== null && row.not_before !== null && row.started_at + this.#world.steppedBackMs + 1 < row.not_before)
      throw new Violation("I12", `${name} began before its time`);
    const said = searchValuesOf(history.map(({ event }) => event));
    for (const what of ["labels", "attributes"] as const)
      if (inOrder(row[what]) !== inOrder(said[what]))
        throw new Violation("I2", `${name} has the ${what} ${inOrder(row[what])}, its history ${inOrder(said[what])}`);
    if (before === undefined) return;
    if (row.epoch < before.epoch) throw new Violation("I4", `${name} fell from epoch ${before.epoch} to ${row.epoch}`);
    if (row.last_seq < before.last_seq) throw new Violation("I2", `${name} fell from ${before.last_seq} events to ${row.last_seq}`);
    if (row.inbox_seq < before.inbox_seq) throw new Violation("I11", `${name} fell from inbox ${before.inbox_seq} to ${row.inbox_seq}`);
    if (before.worker_id !== row.worker_id && row.epoch === before.epoch) throw new Violation("I4", `${name} changed hands within epoch ${row.epoch}`);
    if (isTerminal(before.state) && JSON.stringify({ ...row, parent_run_id: 0 }) !== JSON.stringify({ ...before, parent_run_id: 0 }))
      throw new Violation("I1", `${name} changed after its end: ${JSON.stringify(before)} to ${JSON.stringify(row)}`);
  }

  /** A row goes only when a resume gives the execution a new run, or when it has ended and nobody keeps it. */
  #gone(before: ExecutionRow): void {
    const now = [...this.executions.values()].find((row) => row.execution_id === before.execution_id);
    if (now === undefined && this.mayForget && isTerminal(before.state)) return this.#forget(before);
    if (now === undefined) throw new Violation("I9", `${before.execution_id} has vanished`);
    const end = this.histories.get(before.run_id)?.at(-1)?.event;
    const how = this.histories.get(now.run_id)?.findLast(({ event }) => event.type === "ExecutionResumed")?.event;
    const wasReverted = how?.type === "ExecutionResumed" && how.operation !== undefined && how.fromRunId === before.run_id;
    if (end?.type === "ExecutionContinuedAsNew") this.#continued(before, now, end.nextRunId);
    else if (now.run_number !== before.run_number + 1 || (!wasReverted && before.state !== "cancelled" && before.state !== "quarantined")) {
      throw new Violation("I1", `${before.execution_id} went from run ${before.run_number} (${before.state}) to ${now.run_number}`);
    }
    this.#checkChildrenKept(before, now);
    this.#past.set(before.run_id, before.execution_id);
  }

  /** With all its runs: a start whose reply was lost may come again, of the first of them. */
  #forget(row: ExecutionRow): void {
    this.#forgotten.add(row.execution_id);
    const past = [...this.#past].filter(([, executionId]) => executionId === row.execution_id).map(([runId]) => runId);
    for (const runId of [...past, row.run_id]) {
      this.#past.delete(runId);
      this.histories.delete(runId);
    }
  }

  /** I21: a child that is in the history of the next run belongs to that run. */
  #checkChildrenKept(before: ExecutionRow, now: ExecutionRow): void {
    const history = this.histories.get(now.run_id)!;
    for (const child of this.executions.values()) {
      if (child.parent_run_id !== before.run_id) continue;
      if (history.some(({ event }) => event.type === "ChildStarted" && event.executionId === child.execution_id))
        throw new Violation("I21", `${child.execution_id} was left to run ${before.run_number} of ${before.execution_id}`);
    }
  }

  /** The next run begins with nothing but its first event, keeps what belongs to the execution, and gets what was acknowledged. */
  #continued(before: ExecutionRow, now: ExecutionRow, nextRunId: string): void {
    const name = `${before.execution_id} (run ${before.run_number})`;
    if (before.state !== "running" || now.run_number !== before.run_number + 1 || now.run_id !== nextRunId)
      throw new Violation("I1", `${name} was ${before.state} and continued as ${nextRunId}; the execution is in run ${now.run_number}, ${now.run_id}`);
    if (now.epoch <= before.epoch) throw new Violation("I4", `${name} continued within epoch ${now.epoch}`);
    const isSame = inOrder(now.labels) === inOrder(before.labels) && inOrder(now.attributes) === inOrder(before.attributes);
    if (now.parent_run_id !== before.parent_run_id || !isSame) throw new Violation("I9", `${name} continued with another parent or other labels or attributes`);
    const carried = idsIn(now.messages);
    for (const id of idsIn(before.messages)) if (!carried.has(id)) throw new Violation("I9", `${name} continued without the message ${id}`);
    // Its code had begun nothing with these: they came after the last thing it heard of.
    const history = this.histories.get(before.run_id)!;
    const cancel = history.findLastIndex(({ event }) => event.type === "CancelRequested");
    if (cancel >= 0 && !carried.has("CancelRequested")) throw new Violation("I20", `${name} continued although it was asked to stop`);
  }

  /** I19: whatever has not ended has a reason to wake. */
  #checkWaking(row: ExecutionRow): void {
    if (isTerminal(row.state) || row.state === "quarantined" || row.state === "paused" || row.worker_id !== null || row.tasks > 0) return;
    const history = this.histories.get(row.run_id) ?? [];
    const open = new Map<number, string>();
    for (const { event } of history) {
      if (event.type === "ChildStarted") open.set(event.position, event.executionId);
      else if ("position" in event && isCallResult(event)) open.delete(event.position);
    }
    if (openWaits(history.map(({ event }) => event)).size > 0) return;
    for (const child of open.values()) {
      const childRow = this.executions.get(this.#runOf.get(child) ?? "");
      if (childRow !== undefined && !isTerminal(childRow.state)) return;
    }
    throw new Violation(
      "I19",
      `${row.execution_id} (${row.state}) has no task, no claim and no open child, after ${history.length} events: nothing will wake it`,
    );
  }

  /** I12: what is parked wakes when its first timer or retry is due, or at once where that is over. */
  #checkWakesInTime(row: ExecutionRow, before: ExecutionRow | undefined): void {
    if (row.state !== "running" || row.worker_id !== null || row.visible_at === null) return;
    if (before !== undefined && before.worker_id === row.worker_id && before.visible_at === row.visible_at) return;
    const due = earliestDue(this.histories.get(row.run_id) ?? []);
    const latest = Math.max(due ?? row.visible_at, this.#world.databaseNow + this.#world.steppedBackMs + 1);
    if (row.visible_at > latest) throw new Violation("I12", `${row.execution_id} wakes ${row.visible_at - latest} ms after its first timer is due`);
  }

  /** Its earlier runs come with it. */
  #imported(rows: readonly ExecutionRow[], before: ReadonlyMap<string, ExecutionRow>, added: readonly HistoryRow[]): void {
    const copy = rows.find((row) => !before.has(row.run_id));
    if (copy === undefined) return;
    for (const { run_id: runId } of added) if (runId !== copy.run_id) this.#past.set(runId, copy.execution_id);
  }

  /** The end of a run: its row says what its history says. */
  #checkEnd(added: HistoryRow, transaction: string): void {
    const row = this.executions.get(added.run_id);
    const history = this.histories.get(added.run_id)!;
    // Its last event: the row is the next run's by now.
    const isPast = transaction === "import-execution" || fold(history).state === "continued_as_new";
    if (row === undefined && this.#past.has(added.run_id) && isPast) return;
    if (row === undefined) throw new Violation("I24", `run ${added.run_id} has events and no row`);
    const view = fold(history);
    const held = isTerminal(row.state) || row.state === "quarantined" || row.state === "paused";
    // Woken to be cancelled or at its deadline, and nothing of that is written yet.
    if (view.state === "paused" && row.state === "running") return;
    if (held ? view.state !== row.state : view.state !== "running")
      throw new Violation("I2", `${row.execution_id} is ${row.state}, its history says ${view.state}`);
    if ((view.finishedAt ?? null) !== row.finished_at)
      throw new Violation("I2", `${row.execution_id} finished at ${row.finished_at}, its history says ${view.finishedAt}`);
  }

  row(executionId: string): ExecutionRow | undefined {
    return this.executions.get(this.#runOf.get(executionId) ?? "");
  }

  /** The runs that led from one to the one that an execution is in, each continuing the one before; undefined if it was resumed in between. */
  continuedFrom(executionId: string, runId: string): readonly string[] | undefined {
    const latest = this.#runOf.get(executionId);
    const runs = [runId];
    while (runs.at(-1) !== latest) {
      const end = this.histories.get(runs.at(-1)!)?.at(-1)?.event;
      if (end?.type !== "ExecutionContinuedAsNew") return undefined;
      runs.push(end.nextRunId);
    }
    return runs;
  }

  /** The result of an execution that completed, or how it ended instead, and with what message. */
  outcome(executionId: string): { readonly state: string; readonly value?: unknown } | undefined {
    const row = this.row(executionId);
    if (row === undefined || !isTerminal(row.state)) return undefined;
    const end = this.histories.get(row.run_id)!.at(-1)!.event;
    if (end.type === "ExecutionCompleted") return { state: row.state, value: readPayload(end.result) };
    return end.type === "ExecutionFailed" ? { state: row.state, value: end.failure.message } : { state: row.state };
  }
}

/** Whether a cancel request is in the history, and was not left behind by a resume, rollback or fork. */
export function isToBeCancelled(history: readonly { readonly event: Event }[]): boolean {
  return history.findLast(({ event }) => endsCancelRequest.has(event.type))?.event.type === "CancelRequested";
}

function isPaused(history: readonly Recorded[]): boolean {
  const last = history.findLast(({ event }) => event.type === "ExecutionPaused" || event.type === "ExecutionUnpaused" || event.type === "CancelRequested");
  return last?.event.type === "ExecutionPaused" && !history.some(({ seq, event }) => seq > last.seq && event.type === "ExecutionResumed");
}

/** Of messages from outside; those of children are for the run that waited for them. */
function idsIn(messages: string | null): ReadonlySet<string> {
  const events = (JSON.parse(messages ?? "[]") as { type: string; data: string }[]).map(({ type, data }) => decodeEvent(type, data));
  return new Set(
    events.flatMap((event) => {
      if (event.type === "SignalReceived") return [`signal ${event.signalId}`];
      if (event.type === "UpdateReceived") return [`update ${event.updateId}`];
      return event.type === "CancelRequested" ? ["CancelRequested"] : [];
    }),
  );
}

function inOrder(values: Readonly<Record<string, unknown>> | null | undefined): string {
  return JSON.stringify(Object.entries(values ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function positionIn(idempotencyKey: string): number {
  return Number(idempotencyKey.slice(idempotencyKey.lastIndexOf("/") + 1));
}
