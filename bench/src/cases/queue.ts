import type { Case, Timed } from "../case.ts";
import { exactly, expectEqual } from "../drive.ts";
import type { Engine } from "../engine.ts";
import type { WorkerHandle } from "../worker-handle.ts";

/**
 * A backlog of empty workflows that no worker has seen yet, drained by worker processes. The time runs from the moment
 * the workers are told to listen until the last execution has durably ended; where a system only connects in that time and
 * cannot take work yet, that part is not counted. The processes themselves are warm: they have drained a backlog before
 * and then stopped listening.
 */
const backlog = 5000;
const warmUp = 2000;
const enqueueWidth = 100;
const spotChecks = 20;

async function enqueue(client: Engine, count: number): Promise<() => Promise<void>> {
  const handles = await exactly(count, enqueueWidth, async (index) => await client.start("empty", index));
  return async () => {
    for (let i = 0; i < count; i += Math.ceil(count / spotChecks)) {
      expectEqual("result", (await handles[i]?.result()) ?? Number.NaN, i);
    }
  };
}

/** Gives the milliseconds in which none of the workers could take work yet. */
async function listenUntil(workers: readonly WorkerHandle[], target: number, untilFinished: () => Promise<void>): Promise<number> {
  const finished = (): number => workers.reduce((sum, worker) => sum + worker.counts.finished, 0);
  const allRun = Promise.race(workers.map((worker) => worker.untilCounts(() => finished() >= target)));
  const [idleMs] = await Promise.all([Promise.all(workers.map((worker) => worker.listen())), allRun]);
  await untilFinished();
  return Math.min(...idleMs);
}

/** @param limit so many at a time, over all workers; then the queue is claimed from with the statement for limited ones. Only Pawl */
export function queue(processes: 1 | 2, limit?: number): Case {
  return {
    id: `queue-${processes}${limit === undefined ? "" : `-limit-${limit}`}`,
    title: `backlog of 5,000${limit === undefined ? "" : `, at most ${limit} at a time`}, ${processes} worker process${processes === 1 ? "" : "es"}`,
    systems: limit === undefined ? ["pawl", "dbos"] : ["pawl"],
    resourcesPer: "workflow",
    // Claimed and ended: two rows of history less the start, which lies before; the nearest bare figure there is.
    metrics: [{ key: "rate", label: "", unit: "workflows/s", better: "higher", rawLimit: (raw) => raw.workflows100 }],
    async run(context) {
      const options = { concurrency: 100, pollIntervalMs: 20 };
      const client = await context.open("client", options);
      if (limit !== undefined) await client.limit?.(limit);
      const workers = await Promise.all(Array.from({ length: processes }, (_, index) => context.spawnWorker(`worker-${index + 1}`, options)));
      let total = 0;
      const drain = async (count: number): Promise<{ rate: number; timed: Timed }> => {
        const checkResults = await enqueue(client, count);
        total += count;
        let idleMs = 0;
        const timed = await context.timed(async () => {
          idleMs = await listenUntil(workers, total, context.untilFinished);
          return count;
        });
        await Promise.all(workers.map((worker) => worker.unlisten()));
        expectEqual("completed executions", (await context.audit()).completed, total);
        await checkResults();
        return { rate: (count / (timed.usage.wallMs - idleMs)) * 1000, timed };
      };
      await drain(warmUp);
      const drains = [];
      for (let i = 0; i < context.scale.drains; i += 1) drains.push(await drain(backlog));
      const middle = drains.toSorted((a, b) => a.rate - b.rate)[Math.floor(drains.length / 2)];
      if (middle === undefined) throw new Error("No drain was timed.");
      return { rate: middle.rate, ...middle.timed.resources };
    },
  };
}
