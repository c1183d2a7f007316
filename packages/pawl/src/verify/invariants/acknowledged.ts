import { isTerminal, type ExecutionState } from "../../kernel/execution-state.ts";
import { inboxIdOf } from "../../kernel/inbox-id.ts";
import type { Invariant } from "../invariant.ts";
import type { ObservedOperation } from "../operation-log.ts";
import { wasTakenBack, type RunView } from "../rows.ts";

/** What the database has of an execution that the log speaks of. */
interface Trace {
  readonly runIds: Set<string>;
  /** Retention has deleted its first runs, and what was in their histories. */
  isCut: boolean;
  /** A rollback or a retry began one of its runs, whatever state the one before was in. */
  isTakenBack: boolean;
  state: string;
  /** A cancel request, in a history or on its way. */
  cancel: boolean;
  /** Signals and updates, in a history or on their way. */
  readonly messages: Set<string>;
}

/**
 * I9. What was acknowledged is there: every start, signal, update, cancel, terminate and resume that was answered, and every execution that
 * anybody was shown. Of an operation whose answer was lost nothing is asked.
 *
 * A cancel request may meet an execution that is just ending otherwise; then that end stands and no trace of it is left. Nor
 * is there one of what happened in runs that retention has deleted. What was terminated may have been rolled back, of which the log says nothing.
 */
export const acknowledged: Invariant = {
  id: "I9",
  title: "What was acknowledged is there",
  check(tally, { operations, namespace }) {
    if (operations === undefined) {
      tally.notChecked("needs an operation log, which clients write (--log)");
      return {};
    }
    const traces = new Map<string, Trace>();
    const named = new Set(operations.map(({ executionId }) => executionId));
    return {
      run(view) {
        if (view.run.namespace === namespace && named.has(view.run.executionId)) trace(traces, view);
      },
      finish({ complete }) {
        if (!complete) return tally.notChecked("an operation log can be compared with the whole database only: leave out the limit");
        for (const operation of operations) {
          const { executionId, outcome } = operation;
          if (outcome !== "ok" || executionId === undefined) continue;
          tally.looked();
          const problem = problemOf(operation, traces.get(executionId));
          if (problem !== undefined)
            tally.violated({ executionId, detail: `${operation.operation} ${operation.process}/${operation.n} was acknowledged, ${problem}` });
        }
      },
    };
  },
};

function trace(traces: Map<string, Trace>, view: RunView): void {
  const { run, events } = view;
  let known = traces.get(run.executionId);
  if (known === undefined)
    traces.set(run.executionId, (known = { runIds: new Set(), isCut: false, isTakenBack: false, state: run.state, cancel: false, messages: new Set() }));
  known.runIds.add(run.runId);
  known.isTakenBack ||= wasTakenBack(view);
  if (view.kind === "current") {
    known.state = run.state;
    known.isCut = (view.past[0] ?? run).runNumber > 1;
    known.cancel ||= view.run.messages.includes("cancel");
    for (const id of view.run.messages) known.messages.add(id);
  }
  for (const { type, event } of events) {
    if (type === "CancelRequested" || type === "ExecutionCancelled") known.cancel = true;
    const id = event === undefined ? undefined : inboxIdOf(event);
    if (id !== undefined) known.messages.add(id);
  }
}

function problemOf({ operation, runId, messageId }: ObservedOperation, found: Trace | undefined): string | undefined {
  if (found === undefined) return "there is no such execution";
  if (runId !== undefined && !found.runIds.has(runId) && !found.isCut) return `there is no run ${runId} of it`;
  if (operation === "terminate" && !found.isTakenBack && !found.isCut) return found.state === "terminated" ? undefined : `it is ${found.state}`;
  if (found.isCut) return undefined;
  const ended = isTerminal(found.state as ExecutionState);
  if ((operation === "signal" || operation === "update") && messageId !== undefined && !found.messages.has(`${operation}:${messageId}`)) {
    // Answered, an update is in a history for certain.
    if (operation === "update" || found.runIds.size === 1) return `it is ${found.state} and has no ${operation} ${messageId}`;
  }
  // A resume gives up a request that was still on its way.
  if (operation === "cancel" && !found.cancel && !ended && found.runIds.size === 1) {
    return `it is ${found.state} and has no cancel request`;
  }
  if (operation === "resume" && found.runIds.size < 2) return "it has one run only";
  return undefined;
}
