import { Closed, ExecutionNotFound, ExecutionStateInvalid, OptionInvalid, PawlError } from "../../base/errors.ts";
import type { ExecutionState } from "../../kernel/execution-state.ts";
import type { ExecutionHandle } from "../execution-handle.ts";
import type { BulkFailure, BulkProgress, BulkRequest } from "./bulk-options.ts";

/** An execution that the filter found, in the run that it had then. */
export interface BulkTarget {
  readonly executionId: string;
  readonly runId: string;
  /** It is left alone. */
  readonly left?: boolean;
  /** It was paused then. */
  readonly paused?: boolean;
}

const concurrency = 8;
const mostFailures = 100;

export const nothingDone: BulkProgress = { matched: 0, done: 0, skipped: 0, failed: 0, failures: [] };

export function addProgress(a: BulkProgress, b: BulkProgress): BulkProgress {
  return {
    matched: a.matched + b.matched,
    done: a.done + b.done,
    skipped: a.skipped + b.skipped,
    failed: a.failed + b.failed,
    failures: [...a.failures, ...b.failures].slice(0, mostFailures),
  };
}

/**
 * Does it to each of them, some at a time. Done again after a crash it changes nothing more: requests are idempotent, the next run
 * is started only from the run that was found, by a resume as well, what ends or pauses reaches no run that somebody began since, and
 * a signal or a fork has an id made of the bulk operation's.
 *
 * @param signal once it has fired, no further one is begun
 * @throws what says nothing about one execution, such as that the database is gone: the step is tried again
 */
export async function applyBulk(
  handleOf: (executionId: string) => ExecutionHandle,
  request: BulkRequest,
  bulkId: string,
  targets: readonly BulkTarget[],
  signal: AbortSignal,
): Promise<BulkProgress> {
  let progress: BulkProgress = { ...nothingDone, matched: targets.length };
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < targets.length) {
      signal.throwIfAborted();
      const target = targets[next++]!;
      const outcome = await applyToOne(handleOf(target.executionId), request, bulkId, target);
      progress = addProgress(progress, outcome);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, targets.length) }, lane));
  return progress;
}

async function applyToOne(handle: ExecutionHandle, request: BulkRequest, bulkId: string, target: BulkTarget): Promise<BulkProgress> {
  if (target.left === true) return { ...nothingDone, skipped: 1 };
  try {
    await act(handle, request, bulkId, target.runId);
    return { ...nothingDone, done: 1 };
  } catch (error) {
    if (!(error instanceof PawlError) || error instanceof Closed) throw error;
    if (isGone(error)) return { ...nothingDone, skipped: 1 };
    if (error instanceof ExecutionStateInvalid) {
      return (await wasDone(handle, request, target)) ? { ...nothingDone, done: 1 } : { ...nothingDone, skipped: 1 };
    }
    const failure: BulkFailure = { executionId: target.executionId, code: error.code, message: error.message };
    return { ...nothingDone, failed: 1, failures: [failure] };
  }
}

/** Retention deleted the execution that was found, or only the run that it had then. */
function isGone(error: PawlError): boolean {
  return error instanceof ExecutionNotFound || (error instanceof OptionInvalid && error.path === "runId");
}

async function act(handle: ExecutionHandle, request: BulkRequest, bulkId: string, runId: string): Promise<unknown> {
  const why = request.reason === undefined ? {} : { reason: request.reason };
  switch (request.operation) {
    case "cancel":
      await checkRun(handle, runId, "cancelled");
      return handle.cancel(why);
    case "terminate":
      await checkRun(handle, runId, "terminated");
      return handle.terminate(why);
    case "pause":
      await checkRun(handle, runId, "paused");
      return handle.pause(why);
    case "resume":
      return resumeOnce(handle, runId);
    case "retry":
      return handle.retry({ ...why, runId });
    case "rollback":
      return handle.rollback({ ...why, runId, to: request.to! });
    case "fork": {
      const version = request.version === undefined ? {} : { version: request.version };
      return handle.fork({ ...version, from: request.from!, runId, executionId: `${handle.executionId}.${bulkId}` });
    }
    case "signal":
      return handle.signal(request.signal!.name, request.signal!.payload, { signalId: bulkId });
  }
}

/**
 * Whether the run that was found is the latest, or has only continued as new since: another one was begun by somebody who resumed, retried
 * or rolled back what this operation may have cancelled, terminated or paused before a crash.
 *
 * @throws ExecutionStateInvalid
 */
async function checkRun(handle: ExecutionHandle, runId: string, done: string): Promise<void> {
  const latest = await handle.status();
  if (latest.runId === runId) return;
  const runs = await handle.runs();
  const found = runs.findIndex((run) => run.runId === runId);
  // Retention deletes first runs that continued as new. Where the first is there and the one that was found is not, the id was given anew.
  const since = found === -1 && runs[0]?.runNumber === 1 ? undefined : runs.slice(Math.max(0, found), -1);
  if (since?.every(({ state }) => state === "continued_as_new") !== true) throw isAnotherRun(handle.executionId, latest.state, done);
}

function isAnotherRun(executionId: string, state: ExecutionState, done: string): ExecutionStateInvalid {
  return new ExecutionStateInvalid(executionId, state, done, "It has gone on as another run meanwhile.");
}

/** What this operation resumed before a crash may be held again, in the run that this gave it. */
async function resumeOnce(handle: ExecutionHandle, runId: string): Promise<unknown> {
  const latest = await handle.status();
  if (latest.runId !== runId) throw isAnotherRun(handle.executionId, latest.state, "resumed");
  return handle.resume();
}

/** Whether what its state does not allow now has been done: by this operation, before a crash hid the answer. */
async function wasDone(handle: ExecutionHandle, { operation }: BulkRequest, { runId, paused }: BulkTarget): Promise<boolean> {
  if (operation !== "retry" && operation !== "rollback" && operation !== "resume") return false;
  const events = (await handle.history()).map(({ event }) => event);
  const last = events.findLast(({ type }) => type === "ExecutionResumed" || (operation === "resume" && type === "ExecutionUnpaused"));
  if (last?.type === "ExecutionUnpaused") return paused === true;
  return last?.type === "ExecutionResumed" && last.fromRunId === runId && (last.operation === undefined) === (operation === "resume");
}
