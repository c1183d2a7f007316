import { executionStates } from "../../kernel/execution-state.ts";
import type { Invariant } from "../invariant.ts";
import { about, type Run, type RunView, type Stray } from "../rows.ts";

const what: Partial<Record<Stray["kind"], string>> = {
  task: "a task without an execution",
  inbox: "messages to a run that is not the latest of any execution",
  history: "a history without a run",
  "past run": "an earlier run of no execution, or not earlier than its latest",
  "two runs": "a run that is both the latest and an earlier one",
};

const states: ReadonlySet<string> = new Set(executionStates);

/**
 * I24. Nothing vanishes and nothing is left over: every execution is in one of the known states, its runs are numbered without gaps
 * from 1 on, or from one on that continues what retention has deleted, a run that continued as new is followed by the run that it names,
 * and every task, message, history and earlier run belongs to an execution.
 */
export const conservation: Invariant = {
  id: "I24",
  title: "Nothing vanishes or is left over",
  check: (tally) => {
    let chain = new Chain([]);
    return {
      run(view) {
        tally.looked();
        const { run } = view;
        if (!states.has(run.state)) tally.violated({ ...about(view), detail: `"${run.state}" is no state` });
        if (view.kind === "current") chain = new Chain([...view.past, view.run]);
        for (const detail of chainProblems(view, chain)) tally.violated({ ...about(view), detail });
        if (view.kind === "past") return;
        const numbers = view.past.map(({ runNumber }) => runNumber);
        const isWhole = [...numbers, run.runNumber].every((number, index, all) => number === all[0]! + index);
        if (!isWhole) tally.violated({ ...about(view), detail: `it is run ${run.runNumber}, and before it there are ${numbers.join(", ") || "none"}` });
      },
      finish({ strays }) {
        for (const { kind, subject, total } of strays) {
          const name = what[kind];
          if (name !== undefined) tally.violated({ runId: subject, detail: `${name} (${total} in all)` });
        }
      },
    };
  },
};

/** The runs of the execution that is being looked at: there may be very many. */
class Chain {
  readonly byNumber: ReadonlyMap<number, Run>;
  readonly byId: ReadonlyMap<string, Run>;
  readonly first: Run | undefined;
  /** The number of the first run that continued as new. */
  readonly firstContinued: number;

  /** @param runs oldest first */
  constructor(runs: readonly Run[]) {
    this.byNumber = new Map(runs.map((run) => [run.runNumber, run]));
    this.byId = new Map(runs.map((run) => [run.runId, run]));
    this.first = runs[0];
    this.firstContinued = runs.find(({ state }) => state === "continued_as_new")?.runNumber ?? Infinity;
  }
}

/** A run that continued as new is followed by the very run that its end names, and that one knows where it comes from. */
function* chainProblems({ run, events }: RunView, { byNumber, byId, first: oldest, firstContinued }: Chain): Generator<string> {
  const last = events.at(-1)?.event;
  const next = byNumber.get(run.runNumber + 1);
  if (last?.type === "ExecutionContinuedAsNew" && next !== undefined) {
    if (next.runId !== last.nextRunId) yield `run ${run.runNumber} continued as ${last.nextRunId}, run ${next.runNumber} is ${next.runId}`;
    const version = last.version ?? run.version;
    if (next.version !== version) yield `run ${run.runNumber} continued in version ${version}, run ${next.runNumber} is of ${next.version}`;
  }
  const first = events[0]?.event;
  if (first?.type !== "ExecutionStarted") return;
  if (first.continuedFrom === undefined) {
    if (run.runNumber > 1 && run.runNumber === oldest?.runNumber) yield `it is run ${run.runNumber} and continues none, and before it there is none`;
    return;
  }
  // Of a fork it is the run that the other execution goes on from.
  if (events.some(({ type }) => type === "ExecutionForked")) return;
  const before = byId.get(first.continuedFrom.runId);
  // Deleted by retention, and then no earlier one is left.
  if (before === undefined && firstContinued >= run.runNumber) return;
  if (before === undefined || before.runNumber >= run.runNumber || before.state !== "continued_as_new")
    yield `it says that it continues run ${first.continuedFrom.runId}, which is ${before === undefined ? "none of its runs" : `${before.state}, run ${before.runNumber}`}`;
}
