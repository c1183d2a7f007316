import type { Invariant } from "../invariant.ts";
import type { CurrentRun, CurrentView, LiveWorker, QueueView } from "../rows.ts";

/**
 * I18. Nobody is idle while there is work: no task has been due for long while a live worker that takes its queue and has its
 * code has room and has done nothing for as long: in none of its queues was anything claimed, written or given back. A worker that works off
 * a backlog has room again and again, and its oldest tasks have waited for long; that is no fault. Room is counted in claims, so a worker that
 * seems full may only be waiting; one that seems free is free.
 *
 * In a queue with limits a task may have to wait for others to give their places back: there must be one now. Since nothing was given
 * back for as long, it has been there all the time.
 *
 * Left out: queues with rates; executions that are suspected of killing their workers, which are claimed one at a time. What rows do not
 * tell may be reported: a worker with `manual: true`; one that is stopping, which claims nothing while it lets its steps finish; the moment
 * between the end of a pause or an outage and the first claim.
 */
export const noIdleWorker: Invariant = {
  id: "I18",
  title: "No idle worker beside due work",
  check(tally, { live, now, workers, queues, idleAfterMs }) {
    if (!live) {
      tally.notChecked("nobody works on this database");
      return {};
    }
    const since = now - idleAfterMs;
    const limited = new Map(queues.map((queue) => [`${queue.namespace} ${queue.name}`, new LimitedQueue(queue, since)]));
    /** Queues in which somebody has done something. */
    const busy = new Set<string>();
    const waiting = new Map<string, CurrentRun>();
    return {
      run(view) {
        if (view.kind !== "current") return;
        const { run } = view;
        const name = `${run.namespace} ${run.taskQueue}`;
        if (isActive(view, since, now)) busy.add(name);
        const queue = limited.get(name);
        if (run.claim !== undefined) queue?.count(run);
        if (run.task === undefined || run.task.suspect || queue?.isJudged === false) return;
        tally.looked();
        if (run.task.visibleAt > since || !isClaimable(run)) return;
        // One says it for all of its kind.
        const kind = [name, run.task.definition, keyOf(run)].join("\n");
        if (!waiting.has(kind)) waiting.set(kind, run);
      },
      finish({ complete }) {
        // Who works, and who holds the places of a queue, is known only when all have been seen.
        if (!complete) return tally.notChecked("what workers do shows in all executions only: leave out the limit");
        const idle = workers.filter(
          ({ namespace, queuesTaken, startedAt }) => startedAt < since && !queuesTaken.some((queue) => busy.has(`${namespace} ${queue}`)),
        );
        for (const run of waiting.values()) {
          const worker = idle.find((candidate) => accepts(candidate, run));
          if (worker === undefined || limited.get(`${run.namespace} ${run.taskQueue}`)?.hasRoomFor(run) === false) continue;
          const waitedS = Math.round((now - run.task!.visibleAt) / 1000);
          const detail = `it has been due for ${waitedS} s, and worker ${worker.workerId}, which does nothing, has ${worker.claimed} of ${worker.concurrency} claims`;
          tally.violated({ executionId: run.executionId, runId: run.runId, detail });
        }
      },
    };
  },
};

/** Whether somebody has claimed it, written to it or given it back since. That it was started shows nothing: clients do so. */
function isActive({ run, events }: CurrentView, since: number, now: number): boolean {
  const last = events.at(-1);
  const isWritten = last !== undefined && (last.seq > 1 || run.runNumber > 1) && last.at >= since;
  if (isWritten || run.startedAt === null) return isWritten;
  // A release leaves a task that is due from then on.
  const isReleased = run.task !== undefined && run.task.visibleAt >= since && run.task.visibleAt <= now;
  return isReleased || run.startedAt >= since;
}

/** A queue with limits, and how many of its places are taken. */
class LimitedQueue {
  readonly #queue: QueueView;
  readonly #since: number;
  readonly #ofKey = new Map<string, number>();
  #taken = 0;

  /** @param since from when on there must have been room, milliseconds since 1970 */
  constructor(queue: QueueView, since: number) {
    this.#queue = queue;
    this.#since = since;
  }

  get isJudged(): boolean {
    const { rate, keyRate, updatedAt } = this.#queue;
    return rate === null && keyRate === null && updatedAt < this.#since;
  }

  /** Of one that is claimed. */
  count(run: CurrentRun): void {
    this.#taken++;
    this.#ofKey.set(keyOf(run), (this.#ofKey.get(keyOf(run)) ?? 0) + 1);
  }

  hasRoomFor(run: CurrentRun): boolean {
    const { concurrency, keyConcurrency } = this.#queue;
    return this.#taken < (concurrency ?? Infinity) && (this.#ofKey.get(keyOf(run)) ?? 0) < (keyConcurrency ?? Infinity);
  }
}

/** Those without a key count together. */
function keyOf({ queueKey }: CurrentRun): string {
  return queueKey ?? "";
}

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
