import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { copyOptions } from "../base/copy-options.ts";
import { ExecutionStateInvalid, OptionInvalid } from "../base/errors.ts";
import { lostChildren, retryPrefix, viewPrefix, type Prefix, type StartedChild } from "../kernel/checkpoint.ts";
import type { RecordedEvent } from "../kernel/event.ts";
import { executionStates, isTerminal, type ExecutionState } from "../kernel/execution-state.ts";
import { rowValues } from "../store/search-values.ts";
import type { ExecutionSummary } from "../store/store.ts";
import { checkReason } from "./reason.ts";
import { checkChoice, checkRunId, chooseCheckpoint, runOfCheckpoint, Runs, type CheckpointChoice, type RunsParent } from "./runs.ts";

export interface NextRunOptions {
  /** Kept in the history. */
  readonly reason?: string;
  /** Only if this is still the latest run: repeated after an unknown outcome, it is done once. */
  readonly runId?: string;
}

export interface RollbackOptions extends NextRunOptions {
  /** A checkpoint, its seq, or the last result of a step; 1 is the start, "latest" the last result of any step. */
  readonly to: CheckpointChoice;
}

const nextRunKeys = { reason: true, runId: true } satisfies KnownKeys<NextRunOptions>;
const rollbackKeys = { ...nextRunKeys, to: true } satisfies KnownKeys<RollbackOptions>;

/** Every state but the one in which another run goes on already. */
const rollable: readonly ExecutionState[] = executionStates.filter((state) => state !== "continued_as_new");
const retryable: readonly ExecutionState[] = ["failed", "timed_out"];

/** Gives the new run. @throws ExecutionNotFound, ExecutionStateInvalid, OptionInvalid */
export async function rollBack(parent: RunsParent, executionId: string, given: RollbackOptions): Promise<string> {
  checkKeys(given, rollbackKeys, "rollback");
  const options = copyOptions(given);
  checkReason(options.reason);
  if (options.to === undefined) throw new OptionInvalid("to", "names the checkpoint; handle.checkpoints() lists them");
  checkChoice(options.to, "to");
  const { runs, latest } = await find(parent, executionId, options, "rolled back");
  if (!rollable.includes(latest.state)) throw new ExecutionStateInvalid(executionId, latest.state, "rolled back", "Roll the run that goes on back.");
  const toRunId = runOfCheckpoint(options.to) ?? latest.runId;
  if (toRunId !== latest.runId)
    throw new OptionInvalid(
      "to",
      `is a checkpoint of run ${toRunId.slice(0, 60)}, and ${latest.runId} is the latest; take one of handle.checkpoints(), or go on from that run with handle.fork({ from }).`,
    );
  const history = await runs.historyOf(latest.runId);
  const toSeq = chooseCheckpoint(options.to, history, "to");
  // What it has copied belongs to the other execution, whose random numbers it replays with.
  const forkedAt = history.findLast(({ event }) => event.type === "ExecutionForked")?.seq ?? 0;
  if (toSeq < forkedAt) throw new OptionInvalid("to", `${toSeq} is before the fork (${forkedAt}); fork the execution that it came from instead`);
  return startNextRun(parent, latest, history, { toSeq, without: [] }, { operation: "rollback", from: rollable, reason: options.reason });
}

/** Gives the new run. @throws ExecutionNotFound, ExecutionStateInvalid */
export async function retry(parent: RunsParent, executionId: string, options: NextRunOptions): Promise<string> {
  checkKeys(options, nextRunKeys, "retry");
  checkReason(options.reason);
  const { runs, latest } = await find(parent, executionId, options, "retried");
  if (!retryable.includes(latest.state))
    throw new ExecutionStateInvalid(executionId, latest.state, "retried", "Only failed and timed-out executions can be retried; others can be rolled back.");
  const history = await runs.historyOf(latest.runId);
  return startNextRun(parent, latest, history, retryPrefix(history), { operation: "retry", from: retryable, reason: options.reason });
}

async function find(parent: RunsParent, executionId: string, { runId }: NextRunOptions, done: string) {
  checkRunId(runId, "runId");
  const runs = new Runs(parent, executionId);
  const latest = await runs.latest();
  if (runId !== undefined && runId !== latest.runId) throw overtaken(executionId, latest.state, done);
  return { runs, latest };
}

async function startNextRun(
  parent: RunsParent,
  { executionId, runId: fromRunId, state }: ExecutionSummary,
  history: readonly RecordedEvent[],
  prefix: Prefix,
  how: { readonly operation: "rollback" | "retry"; readonly from: readonly ExecutionState[]; readonly reason: string | undefined },
): Promise<string> {
  const whole = viewPrefix(history, prefix);
  const lost = isTerminal(state) ? await lostWithoutResult(parent, lostChildren(history, executionId, whole), fromRunId) : [];
  const { toSeq } = prefix;
  const without = [...prefix.without, ...lost.map(({ seq }) => seq)];
  const { events, children, searchValues } = viewPrefix(history, { toSeq, without });
  const newRunId = parent.runtime.newUuid();
  const started = await parent.store.startNextRun({
    ...how,
    toSeq,
    without,
    namespace: parent.namespace,
    executionId,
    fromRunId,
    newRunId,
    reason: how.reason ?? null,
    kept: events.length,
    children,
    ...rowValues(searchValues),
  });
  if (!started) throw overtaken(executionId, state, how.operation === "retry" ? "retried" : "rolled back");
  return newRunId;
}

/** Those that have not completed: the end of their parent cancelled or terminated them, or their time was over with its. */
async function lostWithoutResult({ store, namespace }: RunsParent, lost: readonly StartedChild[], parentRunId: string): Promise<readonly StartedChild[]> {
  if (lost.length === 0) return lost;
  const outcomes = await store.outcomes(
    namespace,
    lost.map((child) => child.executionId),
  );
  return lost.filter((child) => {
    const outcome = outcomes.get(child.executionId);
    return outcome?.state !== "completed" || outcome.parentRunId !== parentRunId;
  });
}

function overtaken(executionId: string, state: ExecutionState, done: string): ExecutionStateInvalid {
  return new ExecutionStateInvalid(executionId, state, done, "It has gone on as another run meanwhile; look at handle.runs() and ask again.");
}
