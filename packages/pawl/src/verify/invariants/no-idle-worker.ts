import type { Invariant } from "../invariant.ts";
import { about, type CurrentRun, type CurrentView, type LiveWorker, type QueueView } from "../rows.ts";

/**
 * I18. Nobody is idle while there is work: no task has been due for long while a live worker that takes its queue and has its
 * code has room. Room is counted in claims, so a worker that seems full may only be waiting; one that seems free is free.
 *
 * In a queue with limits a task may have to wait for others to give their places back. It is blamed on nobody unless there is room now and no
 * place has become free for as long: so there was room all the time.
 *
 * Left out: queues with rates; executions that are suspected of killing their workers, which are claimed one at a time. A worker that is
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
    const limited = new Map(queues.map((queue) => [`${queue.namespace} ${queue.name}`, new LimitedQueue(queue, now - idleAfterMs, now)]));
    return {
      run(view) {
        if (view.kind !== "current") return;
        const queue = limited.get(`${view.run.namespace} ${view.run.taskQueue}`);
        queue?.note(view);
        if (view.run.task === undefined || view.run.task.suspect || queue?.isJudged === false) return;
        tally.looked();
        const waitedMs = now - view.run.task.visibleAt;
        if (waitedMs < idleAfterMs || !isClaimable(view.run)) return;
        const worker = workers.find((candidate) => accepts(candidate, view.run));
        if (worker === undefined) return;
        const detail = `it has been due for ${Math.round(waitedMs / 1000)} s, and worker ${worker.workerId} has ${worker.claimed} of ${worker.concurrency} claims`;
        const violation = { ...about(view), detail };
        if (queue === undefined) tally.violated(violation);
        else queue.waits(view.run, () => tally.violated(violation));
      },
      finish({ complete }) {
        // Who holds the places is known only when all have been seen.
        if (complete) for (const queue of limited.values()) queue.judge();
      },
    };
  },
};

/** The places of a queue, or of one of its keys. */
interface Places {
  taken: number;
  /** One of them may have become free since the time from which on there must have been room. */
  changed: boolean;
}

/** A queue with limits: who holds its places, and who waits for one. */
class LimitedQueue {
  readonly #queue: QueueView;
  readonly #since: number;
  readonly #now: number;
  readonly #all: Places = { taken: 0, changed: false };
  readonly #keys = new Map<string, Places>();
  /** Of each key the first that was found; one of them says it all. */
  readonly #waiting = new Map<string, () => void>();

  /** @param since from when on there must have been room, milliseconds since 1970 */
  constructor(queue: QueueView, since: number, now: number) {
    this.#queue = queue;
    this.#since = since;
    this.#now = now;
  }

  get isJudged(): boolean {
    const { rate, keyRate, updatedAt } = this.#queue;
    return rate === null && keyRate === null && updatedAt < this.#since;
  }

  note({ run, events }: CurrentView): void {
    const last = events.at(-1);
    // Its start gives back no place; whatever its owner writes may, and so may a release, which leaves a task that is due from then on.
    const wrote = last !== undefined && (last.seq > 1 || run.runNumber > 1) && last.at >= this.#since;
    const dueAt = run.startedAt === null ? undefined : run.task?.visibleAt;
    const released = dueAt !== undefined && dueAt >= this.#since && dueAt <= this.#now;
    for (const places of [this.#all, this.#placesOf(run)]) {
      if (run.claim !== undefined) places.taken++;
      places.changed ||= wrote || released;
    }
  }

  waits(run: CurrentRun, blame: () => void): void {
    const key = keyOf(run);
    if (!this.#waiting.has(key)) this.#waiting.set(key, blame);
  }

  judge(): void {
    const { concurrency, keyConcurrency } = this.#queue;
    if (!hadRoom(this.#all, concurrency)) return;
    for (const [key, blame] of this.#waiting) if (hadRoom(this.#keys.get(key)!, keyConcurrency)) blame();
  }

  #placesOf(run: CurrentRun): Places {
    const key = keyOf(run);
    const places = this.#keys.get(key) ?? { taken: 0, changed: false };
    this.#keys.set(key, places);
    return places;
  }
}

/** Those without a key count together. */
function keyOf({ queueKey }: CurrentRun): string {
  return queueKey ?? "";
}

function hadRoom({ taken, changed }: Places, most: number | null): boolean {
  return most === null || (taken < most && !changed);
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
