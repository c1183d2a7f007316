import { searchValueProblems } from "../search-values.ts";
import type { Invariant } from "../invariant.ts";
import { about, type RunView } from "../rows.ts";

/**
 * I2. A history is a list to which events are only added: numbered 1, 2, 3 without gaps, begun once by `ExecutionStarted`,
 * written under epochs that never fall, each of a known type and with the fields of that, and as long as its row says, with the labels and attributes that its row has. That the epochs never fall shows that no overtaken
 * worker wrote after its successor.
 */
export const gaplessHistory: Invariant = {
  id: "I2",
  title: "Histories are whole and in order",
  check: (tally) => ({
    run(view) {
      tally.looked(view.events.length);
      for (const detail of problemsOf(view)) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemsOf(view: RunView): string[] {
  const { run, events } = view;
  const problems: string[] = [];
  const last = events.at(-1);
  if (last === undefined) return ["it has a row and no history"];
  let before = 0;
  let epoch = 0;
  for (const entry of events) {
    if (entry.seq !== before + 1) problems.push(`event ${entry.seq} follows event ${before}`);
    if (entry.epoch < epoch) problems.push(`event ${entry.seq} was written under epoch ${entry.epoch}, the one before it under ${epoch}`);
    if ((entry.type === "ExecutionStarted") !== (before === 0)) problems.push(`event ${entry.seq} is ${entry.type}`);
    if (entry.problem !== undefined) problems.push(entry.problem);
    before = entry.seq;
    epoch = entry.epoch;
  }
  if (last.seq !== run.lastSeq) problems.push(`its row counts ${run.lastSeq} events, its history ${last.seq}`);
  if (view.kind === "current") problems.push(...searchValueProblems(view));
  return problems;
}
