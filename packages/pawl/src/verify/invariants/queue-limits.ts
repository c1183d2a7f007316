import type { Invariant } from "../invariant.ts";
import type { CurrentRun, QueueView, RunView } from "../rows.ts";

/**
 * Only what began so long after the limits of its queue were last changed is judged: lower limits stop nothing that runs, and the
 * first limits of a queue take a moment to reach every worker.
 */
const judgedAfterMs = 60_000;

/**
 * I16. No more executions of a queue, or of one of its keys, are claimed than its limits allow. Parked ones do not count.
 *
 * If the database's clock was set back, what began before a change of the limits may seem to have begun after it.
 */
export const concurrencyLimits: Invariant = {
  id: "I16",
  title: "Concurrency limits hold",
  check(tally, { queues }) {
    const limited = byName(queues.filter(({ concurrency, keyConcurrency }) => concurrency !== null || keyConcurrency !== null));
    const claimed = new Map<string, number>();
    const count = (group: string): void => void claimed.set(group, (claimed.get(group) ?? 0) + 1);
    return {
      run(view) {
        const run = judged(view, limited);
        if (run === undefined) return;
        tally.looked();
        if (run.claim === undefined) return;
        count(queueOf(run));
        count(keyOf(run, run.queueKey!));
      },
      finish() {
        for (const queue of queues) {
          const all = claimed.get(queueOf({ namespace: queue.namespace, taskQueue: queue.name })) ?? 0;
          if (queue.concurrency !== null && all > queue.concurrency)
            tally.violated({ detail: `queue ${queue.name}: ${all} executions are claimed, ${queue.concurrency} are allowed` });
        }
        for (const [group, keys] of claimed) {
          const [name, key] = group.split("\n");
          const most = key === undefined ? null : (limited.get(name!)?.keyConcurrency ?? null);
          if (most !== null && keys > most)
            tally.violated({ detail: `queue ${limited.get(name!)!.name}: ${keys} executions with key "${key}" are claimed, ${most} are allowed` });
        }
      },
    };
  },
};

/**
 * I17. In no period do more executions of a queue, or of one of its keys, begin than its rates allow. Holds a time for each that has begun.
 *
 * A rate counts first claims. So only executions in their first run are judged that were claimed here: no forks, and no imports.
 *
 * If the database's clock was set back, more may seem to begin in a period, or what began before a change of the limits after it.
 */
export const rateLimits: Invariant = {
  id: "I17",
  title: "Rate limits hold",
  check(tally, { queues }) {
    const limited = byName(queues.filter(({ rate, keyRate }) => rate !== null || keyRate !== null));
    const begins = new Map<string, number[]>();
    const note = (group: string, at: number): void => {
      const known = begins.get(group);
      if (known === undefined) begins.set(group, [at]);
      else known.push(at);
    };
    return {
      run(view) {
        const run = judged(view, limited);
        if (run === undefined || run.runNumber > 1 || !run.isCommitted || view.events.some(({ type }) => type === "ExecutionForked")) return;
        tally.looked();
        const { rate, keyRate } = limited.get(queueOf(run))!;
        if (rate !== null) note(queueOf(run), run.startedAt!);
        if (keyRate !== null) note(keyOf(run, run.queueKey!), run.startedAt!);
      },
      finish() {
        for (const [group, times] of begins) {
          const [name, key] = group.split("\n");
          const queue = limited.get(name!)!;
          const { limit, perMs } = (key === undefined ? queue.rate : queue.keyRate)!;
          times.sort((a, b) => a - b);
          const first = times.findIndex((at, index) => index + limit < times.length && times[index + limit]! - at < perMs - 0.001);
          if (first < 0) continue;
          const whose = key === undefined ? "" : ` with key "${key}"`;
          tally.violated({ detail: `queue ${queue.name}: ${limit + 1} executions${whose} began within ${perMs} ms, ${limit} are allowed` });
        }
      },
    };
  },
};

function judged(view: RunView, limited: ReadonlyMap<string, QueueView>): CurrentRun | undefined {
  if (view.kind !== "current" || view.run.queueKey === null || view.run.startedAt === null) return undefined;
  const queue = limited.get(queueOf(view.run));
  return queue !== undefined && view.run.startedAt > queue.updatedAt + judgedAfterMs ? view.run : undefined;
}

// Names and keys have no spaces and no line breaks.
const queueOf = ({ namespace, taskQueue }: { readonly namespace: string; readonly taskQueue: string }): string => `${namespace} ${taskQueue}`;
const keyOf = (run: CurrentRun, key: string): string => `${queueOf(run)}\n${key}`;
const byName = (queues: readonly QueueView[]): ReadonlyMap<string, QueueView> =>
  new Map(queues.map((queue) => [queueOf({ namespace: queue.namespace, taskQueue: queue.name }), queue]));
