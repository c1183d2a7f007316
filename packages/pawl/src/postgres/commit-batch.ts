import type { AppendOperation, AppendOutcome, ExistingExecution, StartConflict, StartOperation, StartOutcome } from "../store/operations.ts";
import type { CommitBatch, CommitOutcome } from "../store/store.ts";
import type { Runtime } from "../base/runtime.ts";
import type { ExecutionState } from "../kernel/execution-state.ts";
import { StartHeldUp } from "../store/start-held-up.ts";
import { classifyFault } from "./faults.ts";
import type { TransactionGateway } from "./gateway.ts";
import { nothingCommitted, prepareOne } from "./statements/commit-one.ts";
import { prepareCommit } from "./statements/commit.ts";
import { continueAsNew, findContinued } from "./statements/continue-as-new.ts";
import { findExisting } from "./statements/find-existing.ts";
import { findCommitted, type ExistingRow } from "./statements/reads.ts";

/** Commit ids only have to differ from the one before on the same row: a random base per store, then counting. */
export class CommitIds {
  #last: bigint;

  constructor(runtime: Pick<Runtime, "random">) {
    this.#last = BigInt(Math.floor(runtime.random() * 2 ** 46)) * 65_536n;
  }

  next(): string {
    return String(++this.#last);
  }
}

interface Committed extends CommitOutcome {
  /** Namespace and queue of what may be claimed now, but for what was started. After a lost reply it may not be known. */
  readonly woken: readonly (readonly [namespace: string, taskQueue: string])[];
}

/**
 * Sends one batch and says what became of each part. When the reply to a first send was lost, the statement has been sent
 * again: what the first send had written is then found by its commit id (appends) or run id (starts) and counts as written.
 *
 * @param commitId from `CommitIds`
 * @param whenHeldUp where a start may wait for an open transaction
 * @throws StartHeldUp
 */
export async function commitBatch(
  gateway: TransactionGateway,
  batch: CommitBatch,
  commitId: string,
  whenHeldUp: "repeat" | "throw" = "throw",
): Promise<Committed> {
  if (batch.appends.some(({ after }) => after.kind === "continue")) return commitWithContinuations(gateway, batch, commitId, whenHeldUp);
  const prepared = prepareOne(batch, commitId) ?? prepareCommit(batch, commitId);
  const mayBeHeldUp = prepared.starts.some(({ chosen }) => chosen === true);
  const { rows, repeated } = await heldUpOr(gateway.send(prepared.transaction, mayBeHeldUp ? whenHeldUp : "repeat"));
  const row = rows[0] ?? nothingCommitted;

  const accepted = new Map<AppendOperation, { at: number; parked: boolean }>();
  const unparked = new Set(row.unparked);
  const take = (ordinal: number): void => {
    const append = prepared.targets[ordinal - 1];
    if (append !== undefined) accepted.set(append, { at: row.at, parked: append.after.kind === "park" && !unparked.has(ordinal) });
  };
  if (row.accepted === null) for (let ordinal = 1; ordinal <= prepared.targets.length; ordinal++) take(ordinal);
  else for (const ordinal of row.accepted) take(ordinal);

  const missing = batch.appends.filter((append) => !accepted.has(append));
  if (repeated && missing.length > 0) {
    const found = await gateway.run(
      findCommitted(
        missing.map((append) => append.runId),
        missing.map((append) => append.expectedSeq + 1),
        commitId,
      ),
    );
    for (const { run_id, epoch, at } of found) {
      const append = missing.find(({ runId }) => runId === run_id)!;
      accepted.set(append, { at, parked: append.after.kind === "park" && epoch > append.epoch });
    }
  }

  const starts = await startOutcomes(gateway, prepared.starts, row.started === null ? null : new Set(row.started), row.at, commitId);
  return {
    starts: batch.starts.map((start) => starts.get(start)!),
    appends: batch.appends.map((append): AppendOutcome => {
      const outcome = accepted.get(append);
      if (outcome === undefined) return { outcome: "rejected" };
      return { outcome: "accepted", ...outcome, conflicts: conflictsOf(append.starts, starts) };
    }),
    woken: row.woken ?? [],
  };
}

/**
 * Runs that continue as new have a statement of their own. They go first: should the database refuse the rest for what is in
 * it, all is sent again in parts, and a continuation that is there already is recognised by the next run's id.
 */
async function commitWithContinuations(gateway: TransactionGateway, batch: CommitBatch, commitId: string, whenHeldUp: "repeat" | "throw"): Promise<Committed> {
  const continued = new Map<AppendOperation, AppendOutcome>();
  const woken: (readonly [string, string])[] = [];
  for (const append of batch.appends) {
    if (append.after.kind !== "continue") continue;
    const [row] = await gateway.run(continueAsNew(append, append.after));
    if (row !== undefined) woken.push([row.namespace, row.task_queue]);
    const found = row ?? (await gateway.run(findContinued(append)))[0];
    continued.set(append, found === undefined ? { outcome: "rejected" } : { outcome: "accepted", at: found.at, parked: false, conflicts: [] });
  }
  const others = batch.appends.filter((append) => !continued.has(append));
  const rest =
    others.length + batch.starts.length === 0 ? undefined : await commitBatch(gateway, { starts: batch.starts, appends: others }, commitId, whenHeldUp);
  let next = 0;
  return {
    starts: rest?.starts ?? [],
    appends: batch.appends.map((append) => continued.get(append) ?? rest!.appends[next++]!),
    woken: [...woken, ...(rest?.woken ?? [])],
  };
}

/** @throws StartHeldUp where the statement has given up on a lock */
export async function heldUpOr<Result>(sent: Promise<Result>): Promise<Result> {
  try {
    return await sent;
  } catch (error) {
    throw classifyFault(error).kind === "locked" ? new StartHeldUp(error) : error;
  }
}

async function startOutcomes(
  gateway: TransactionGateway,
  starts: readonly StartOperation[],
  started: ReadonlySet<string> | null,
  at: number,
  commitId: string,
): Promise<ReadonlyMap<StartOperation, StartOutcome>> {
  const outcomes = new Map<StartOperation, StartOutcome>();
  const conflicting: StartOperation[] = [];
  const vanished: StartOperation[] = [];
  for (const start of starts) {
    if (started === null || started.has(start.runId)) outcomes.set(start, { outcome: "started", at });
    else conflicting.push(start);
  }
  if (conflicting.length === 0) return outcomes;
  const found = new Map<string, ExistingRow>();
  // Where they belong to different executions, the id decides, then the idempotency key: that is their order here.
  for (const row of await gateway.run(findExisting(conflicting))) if (!found.has(row.wanted)) found.set(row.wanted, row);
  for (const start of conflicting) {
    const row = found.get(start.runId);
    if (row === undefined) {
      // Retention has deleted it meanwhile. A child's parent has learned already that the id was taken, when it was.
      if (start.parentRunId === null) vanished.push(start);
      else outcomes.set(start, { outcome: "exists", existing: deletedExecution(start) });
      continue;
    }
    if (row.run_id === start.runId) outcomes.set(start, { outcome: "started", at: row.created_at });
    else outcomes.set(start, { outcome: "exists", existing: existingExecution(row) });
  }
  if (vanished.length > 0) {
    // What was sent before is committed, so the batch as a whole cannot be held up any more.
    const again = await commitBatch(gateway, { starts: vanished, appends: [] }, commitId, "repeat");
    for (const [index, start] of vanished.entries()) outcomes.set(start, again.starts[index]!);
  }
  return outcomes;
}

/** Some other execution, of which nothing is left. */
function deletedExecution({ executionId, workflow, version }: StartOperation): ExistingExecution {
  return { runId: "", executionId, workflow, version, state: "completed", parentRunId: null, parentPosition: null, hasKey: false };
}

function existingExecution(row: ExistingRow) {
  return {
    runId: row.run_id,
    executionId: row.execution_id,
    workflow: row.workflow,
    version: row.version,
    state: row.state as ExecutionState,
    parentRunId: row.parent_run_id,
    parentPosition: row.parent_position,
    hasKey: row.has_key,
  };
}

function conflictsOf(starts: readonly StartOperation[], outcomes: ReadonlyMap<StartOperation, StartOutcome>): StartConflict[] {
  const conflicts: StartConflict[] = [];
  for (const start of starts) {
    const outcome = outcomes.get(start);
    if (outcome?.outcome === "exists") conflicts.push({ runId: start.runId, existing: outcome.existing });
  }
  return conflicts;
}
