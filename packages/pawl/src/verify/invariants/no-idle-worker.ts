import type { Invariant } from "../invariant.ts";
import { about, type CurrentRun, type LiveWorker } from "../rows.ts";

/**
 * I18. Nobody is idle while there is work: no task has been due for long while a live worker that takes its queue and has its
 * code has room. Room is counted in claims, so a worker that seems full may only be waiting; one that seems free is free.
 *
 * Left out: queues with limits, whose tasks may have to wait; executions that are suspected of killing their workers, which are claimed one at a time. A worker that is
 * stopping still counts as live while it lets its steps finish, and claims nothing: then this may be reported for as long.
 */
export const noIdleWorker: Invariant = {
  id: "I18",
  title: "No idle worker beside due work",
  check(tally, { live, now, workers, queues, idleAfterMs }) {
    if (!live) {
      tally.notChecked("nobody works on this database");
      return {};
    }
    const limited = new Set(queues.map(({ namespace, name }) => `${namespace} ${name}`));
    return {
      run(view) {
        if (view.kind !== "current" || view.run.task === undefined || view.run.task.suspect) return;
        if (limited.has(`${view.run.namespace} ${view.run.taskQueue}`)) return;
        tally.looked();
        const waitedMs = now - view.run.task.visibleAt;
        if (waitedMs < idleAfterMs || !isClaimable(view.run)) return;
        const worker = workers.find((candidate) => accepts(candidate, view.run));
        if (worker === undefined) return;
        const detail = `it has been due for ${Math.round(waitedMs / 1000)} s, and worker ${worker.workerId} has ${worker.claimed} of ${worker.concurrency} claims`;
        tally.violated({ ...about(view), detail });
      },
    };
  },
};

function isClaimable({ state, claim }: CurrentRun): boolean {
  return claim === undefined && (state === "pending" || state === "running");
}

function accepts(worker: LiveWorker, { task }: CurrentRun): boolean {
  return (
    worker.claimed < worker.concurrency &&
    worker.namespace === task!.namespace &&
    worker.taskQueues.includes(task!.taskQueue) &&
    worker.definitions.includes(task!.definition)
  );
}
