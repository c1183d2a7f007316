import type { Invariant } from "../invariant.ts";
import { about, type RunView } from "../rows.ts";

/**
 * I23. An execution runs on the definition it was started with: its task asks for that workflow and version in its own
 * queue, only a worker that has this code and takes that queue has claimed it, and its earlier runs were of the same.
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
  const definition = `${view.run.workflow}@${view.run.version}`;
  if (view.kind === "past") {
    const current = `${view.run.currentWorkflow}@${view.run.currentVersion}`;
    return current === definition ? [] : [`run ${view.run.runNumber} was of ${definition}, the execution is of ${current}`];
  }
  const { namespace, taskQueue, task, claim } = view.run;
  const problems: string[] = [];
  if (task !== undefined) {
    if (task.definition !== definition) problems.push(`it is of ${definition}, its task asks for ${task.definition}`);
    if (task.taskQueue !== taskQueue || task.namespace !== namespace) {
      problems.push(`it belongs to queue ${namespace}/${taskQueue}, its task is in ${task.namespace}/${task.taskQueue}`);
    }
  }
  const worker = claim?.worker;
  if (worker !== undefined && worker !== null) {
    if (!worker.definitions.includes(definition)) problems.push(`worker ${claim!.workerId} has claimed it and does not have ${definition}`);
    if (worker.namespace !== namespace || !worker.taskQueues.includes(taskQueue)) {
      problems.push(`worker ${claim!.workerId} has claimed it and does not take queue ${namespace}/${taskQueue}`);
    }
  }
  return problems;
}
