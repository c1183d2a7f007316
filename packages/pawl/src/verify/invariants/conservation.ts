import { executionStates } from "../../kernel/execution-state.ts";
import type { Invariant } from "../invariant.ts";
import { about, type Stray } from "../rows.ts";

const what: Partial<Record<Stray["kind"], string>> = {
  task: "a task without an execution",
  inbox: "messages to a run that is not the latest of any execution",
  history: "a history without a run",
  "past run": "an earlier run of no execution, or not earlier than its latest",
  "two runs": "a run that is both the latest and an earlier one",
};

const states: ReadonlySet<string> = new Set(executionStates);

/**
 * I24. Nothing vanishes and nothing is left over: every execution is in one of the known states, run n has the runs 1 to n - 1
 * before it, and every task, message, history and earlier run belongs to an execution.
 */
export const conservation: Invariant = {
  id: "I24",
  title: "Nothing vanishes or is left over",
  check: (tally) => ({
    run(view) {
      tally.looked();
      const { run } = view;
      if (!states.has(run.state)) tally.violated({ ...about(view), detail: `"${run.state}" is no state` });
      if (view.kind === "past") return;
      const isWhole = view.pastNumbers.length === run.runNumber - 1 && view.pastNumbers.every((number, index) => number === index + 1);
      if (!isWhole) tally.violated({ ...about(view), detail: `it is run ${run.runNumber}, and before it there are ${view.pastNumbers.join(", ") || "none"}` });
    },
    finish({ strays }) {
      for (const { kind, subject, total } of strays) {
        const name = what[kind];
        if (name !== undefined) tally.violated({ runId: subject, detail: `${name} (${total} in all)` });
      }
    },
  }),
};
