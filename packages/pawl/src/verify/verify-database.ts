import type { EffectRecord } from "./effect-ledger.ts";
import type { VerifyContext } from "./invariant.ts";
import { invariants } from "./invariants.ts";
import { observedOperations, type OperationRecord } from "./operation-log.ts";
import { pagefuls } from "./pagefuls.ts";
import { DatabaseReader, executionsInBatch, type Read } from "./reader.ts";
import { Tally, type Scope, type VerifyReport } from "./report.ts";
import type { CurrentRun, PastRun, RunView } from "./rows.ts";

export interface VerifyOptions {
  /** Schema of Pawl's tables ("pawl"). */
  readonly schema?: string;
  /** Look only at this many executions, the newest ones (all). */
  readonly limit?: number;
  /** False for a database that nobody works on, such as a copy: leaves out what only makes sense on a live one (true). */
  readonly live?: boolean;
  /** How long a task may be due beside a worker that has room (2 minutes). */
  readonly idleAfterMs?: number;
  /** Everything that clients asked of one namespace, and what they were answered. */
  readonly operations?: readonly OperationRecord[];
  /** The namespace of these operations ("default"). */
  readonly namespace?: string;
  /** Every call of a step's function. */
  readonly effects?: readonly EffectRecord[];
}

/** Runs of one page of executions, as long as it is more than one execution. */
const runsInPage = 5000;

/** Above the minute after which a worker with a hung loop loses its lease. */
const defaultIdleAfterMs = 120_000;

/**
 * Holds a database against every invariant. Reads only, and needs one snapshot for all it reads: give it a `read` inside one
 * transaction of isolation REPEATABLE READ where others write meanwhile. What it holds in memory at a time is a batch of
 * executions, or the rows of all runs of one, so the size of the database costs time and not memory.
 *
 * The same rows give the same report. Nothing legal is reported, also in the middle of work.
 */
export async function verifyDatabase(read: Read, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { limit = Infinity, live = true, idleAfterMs = defaultIdleAfterMs, namespace = "default", operations, effects } = options;
  const reader = new DatabaseReader(read, options.schema ?? "pawl");
  const { now, workers } = await reader.nowAndWorkers();
  const schedules = await reader.schedules();
  const queues = await reader.queues();
  const observed = operations === undefined ? undefined : observedOperations(operations);
  const context: VerifyContext = { now, workers, schedules, queues, live, idleAfterMs, namespace, operations: observed, effects };
  const checks = invariants.map((invariant) => {
    const tally = new Tally(invariant.id, invariant.title);
    return { tally, visitor: invariant.check(tally, context) };
  });
  const visitors = checks.map(({ visitor }) => visitor);
  const scope = { executions: 0, runs: 0, events: 0, complete: true };
  let oldest: string | undefined;
  for (;;) {
    // One more than wanted tells whether there are more.
    const wanted = limit - scope.executions;
    const page = await reader.executions(oldest, wanted + 1);
    if (page.length > wanted) scope.complete = false;
    const batch = page.slice(0, wanted);
    if (batch.length === 0) break;
    oldest = batch.at(-1)!.runId;
    for await (const view of views(reader, batch)) {
      scope.runs++;
      scope.events += view.events.length;
      for (const visitor of visitors) visitor.run?.(view);
    }
    scope.executions += batch.length;
    if (!scope.complete || page.length < Math.min(wanted + 1, executionsInBatch)) break;
  }
  const strays = await reader.strays(scope.complete ? undefined : oldest);
  for (const visitor of visitors) visitor.finish?.({ complete: scope.complete, strays });
  const reports = checks.map(({ tally }) => tally.report());
  return { holds: reports.every(({ verdict }) => verdict !== "violated"), invariants: reports, scope: scope satisfies Scope };
}

/** Of executions that have very many runs, few are looked at together: all runs of each are known at once. */
async function* views(reader: DatabaseReader, batch: readonly CurrentRun[]): AsyncGenerator<RunView> {
  for (const part of pagefuls(batch, ({ runNumber }) => runNumber, runsInPage)) yield* viewsOfPage(reader, part);
}

async function* viewsOfPage(reader: DatabaseReader, batch: readonly CurrentRun[]): AsyncGenerator<RunView> {
  const runIds = batch.map(({ runId }) => runId);
  const past = new Map<string, PastRun[]>();
  const nameOf = ({ namespace, executionId }: { readonly namespace: string; readonly executionId: string }): string => `${namespace}/${executionId}`;
  // Earlier runs of a first run are strays.
  const resumed = batch.filter(({ runNumber }) => runNumber > 1).map(({ runId }) => runId);
  for (const run of resumed.length === 0 ? [] : await reader.pastRuns(resumed)) {
    const known = past.get(nameOf(run));
    if (known === undefined) past.set(nameOf(run), [run]);
    else known.push(run);
  }
  const children = await reader.children(runIds);
  const streams = await reader.streams(runIds);
  const runs = batch.flatMap((run) => [
    { kind: "current", run, runId: run.runId, lastSeq: run.lastSeq } as const,
    ...(past.get(nameOf(run)) ?? []).map((before) => ({ kind: "past", run: before, runId: before.runId, lastSeq: before.lastSeq }) as const),
  ]);
  for await (const [entry, events] of reader.histories(runs)) {
    if (entry.kind === "past") yield { kind: "past", run: entry.run, events };
    else {
      const { run } = entry;
      yield { kind: "current", run, events, children: children.get(run.runId) ?? [], streams: streams.get(run.runId) ?? [], past: past.get(nameOf(run)) ?? [] };
    }
  }
}
