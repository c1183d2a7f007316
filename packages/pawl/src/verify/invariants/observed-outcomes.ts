import { isTerminal, type ExecutionState } from "../../kernel/execution-state.ts";
import type { Visitor } from "../invariant.ts";
import type { ObservedOperation } from "../operation-log.ts";
import type { Tally } from "../report.ts";
import { wasTakenBack, type Run } from "../rows.ts";

/** A cancelled or quarantined execution may be resumed; what was seen of these is final, unless it is rolled back or retried. */
const final: ReadonlySet<string> = new Set(["completed", "failed", "terminated", "timed_out"]);

interface Seen {
  readonly operation: ObservedOperation;
  readonly state: string;
}

/**
 * The readers' side of I1 (and I3): an execution's outcome is a register that is written once. Every answer that showed a
 * final state is compared with every answer that was asked for later, and with the database.
 *
 * Left out: executions that were rolled back or retried, of which the log says nothing, and those whose first runs retention has deleted,
 * where that may have been so.
 */
export function checkObservedOutcomes(tally: Tally, operations: readonly ObservedOperation[], namespace: string): Required<Visitor> {
  const readings = new Map<string, Seen[]>();
  const longest = new Map<string, ObservedOperation>();
  for (const operation of operations) {
    const { executionId, state, outcome } = operation;
    if (outcome !== "ok" || executionId === undefined) continue;
    tally.looked();
    if (operation.operation === "history") checkLength(tally, longest, operation);
    if (state === undefined || (operation.operation !== "result" && operation.operation !== "status")) continue;
    const seen = readings.get(executionId);
    if (seen === undefined) readings.set(executionId, [{ operation, state }]);
    else seen.push({ operation, state });
  }
  const latest = new Map<string, Run>();
  const changeable = new Set<string>();
  return {
    run(view) {
      const { run } = view;
      if (run.namespace !== namespace) return;
      const last = longest.get(keyOf(run.executionId, run.runId));
      if (last !== undefined && last.events! > run.lastSeq) {
        tally.violated({ executionId: run.executionId, runId: run.runId, detail: `${name(last)} saw ${last.events} events, now there are ${run.lastSeq}` });
      }
      if (!readings.has(run.executionId)) return;
      const isCut = view.kind === "current" && (view.past[0] ?? run).runNumber > 1;
      if (isCut || wasTakenBack(view)) changeable.add(run.executionId);
      if (view.kind === "current") latest.set(run.executionId, run);
    },
    finish({ complete }) {
      for (const [executionId, seen] of readings) {
        const run = latest.get(executionId);
        // Of one that was not looked at nobody knows whether it was rolled back.
        if (changeable.has(executionId) || (run === undefined && !complete)) continue;
        checkReadings(tally, executionId, seen);
        const found = seen.find(({ state }) => final.has(state));
        if (run !== undefined && found !== undefined && found.state !== run.state)
          tally.violated({ executionId, runId: run.runId, detail: `${name(found.operation)} saw it ${found.state}, now it is ${run.state}` });
      }
    },
  };
}

function checkReadings(tally: Tally, executionId: string, seen: readonly Seen[]): void {
  // The one that was known first: whoever asked after that must see the same.
  let first: Seen | undefined;
  for (const reading of seen) if (final.has(reading.state) && (first === undefined || reading.operation.endedAt < first.operation.endedAt)) first = reading;
  if (first === undefined) return;
  let value: Seen | undefined;
  for (const reading of seen) {
    const { operation, state } = reading;
    const isLater = operation.invokedAt > first.operation.endedAt;
    if (state !== first.state && (isLater || final.has(state))) {
      tally.violated({ executionId, detail: `${name(first.operation)} saw it ${first.state}, ${name(operation)} ${isLater ? "later " : ""}${state}` });
    } else if (isTerminal(state as ExecutionState) && state === first.state && operation.valueHash !== undefined) {
      value ??= reading;
      if (value.operation.valueHash !== operation.valueHash) {
        tally.violated({ executionId, detail: `${name(value.operation)} and ${name(operation)} saw two different outcomes, both ${state}` });
      }
    }
  }
}

/** Whoever reads a history again, reads at least as much as before. */
function checkLength(tally: Tally, longest: Map<string, ObservedOperation>, operation: ObservedOperation): void {
  const { executionId, runId, events } = operation;
  if (runId === undefined || events === undefined) return;
  const key = keyOf(executionId!, runId);
  const before = longest.get(key);
  if (before === undefined || before.events! <= events) longest.set(key, operation);
  else if (before.endedAt < operation.invokedAt) {
    tally.violated({ executionId: executionId!, runId, detail: `${name(before)} saw ${before.events} events, ${name(operation)} later ${events}` });
  }
}

function keyOf(executionId: string, runId: string): string {
  return `${executionId}/${runId}`;
}

function name({ operation, process, n }: ObservedOperation): string {
  return `${operation} ${process}/${n}`;
}
