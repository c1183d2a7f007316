import type { Invariant } from "../invariant.ts";
import { about, type Run, type RunView } from "../rows.ts";

/**
 * I23. An execution runs on the definition it was started with: its task asks for that workflow and version in its own
 * queue, only a worker that has this code and takes that queue has claimed it, and its earlier runs were of the same. A run that
 * continues as new may do so in another version.
 */
export const pinnedDefinitions: Invariant = {
  id: "I23",
  title: "Runs on the definition it began with",
  check: (tally) => ({
    run(view) {
      tally.looked();
      for (const detail of problemsOf(view)) tally.violated({ ...about(view), detail });
    },
  }),
};

function problemsOf(view: RunView): string[] {
  if (view.kind === "past") return [];
  const definition = definitionOf(view.run);
  const { taskQueue, task, claim } = view.run;
  const problems: string[] = [];
  const runs = [...view.past, view.run];
  for (const [index, run] of view.past.entries()) {
    const next = runs[index + 1]!;
    const isFree = run.state === "continued_as_new" && run.workflow === next.workflow;
    if (isFree || definitionOf(run) === definitionOf(next)) continue;
    problems.push(
      `run ${run.runNumber} was of ${definitionOf(run)}, ${next === view.run ? "the execution" : `run ${next.runNumber}`} is of ${definitionOf(next)}`,
    );
  }
  if (task !== undefined) {
    if (task.definition !== definition) problems.push(`it is of ${definition}, its task asks for ${task.definition}`);
    if (task.taskQueue !== taskQueue) problems.push(`it belongs to queue ${taskQueue}, its task is in ${task.taskQueue}`);
  }
  const worker = claim?.worker;
  if (worker !== undefined && worker !== null) {
    if (!worker.definitions.includes(definition)) problems.push(`worker ${claim!.workerId} has claimed it and does not have ${definition}`);
    if (!worker.taskQueues.includes(taskQueue)) problems.push(`worker ${claim!.workerId} has claimed it and does not take queue ${taskQueue}`);
  }
  return problems;
}

function definitionOf({ workflow, version }: Pick<Run, "workflow" | "version">): string {
  return `${workflow}@${version}`;
}
