import type { QueueLimits } from "../../src/store/queues.ts";
import { claimLimited } from "../../src/postgres/statements/claim-limited.ts";
import { deleteQueue, setQueue } from "../../src/postgres/statements/queues.ts";
import type { Fixture } from "./fixtures.ts";
import { commit, type Move } from "./moves.ts";
import { appendTo, commitAll, events, namespace, readable, register, runs, startOf, workers } from "./world.ts";

/** Moves on a queue in which one execution at a time may be claimed. */

const onlyOne: QueueLimits = { concurrency: 1, rate: undefined, keyConcurrency: 1, keyRate: { limit: 10, perMs: 3_600_000 } };

const limited = (name: string, then: (gateway: Parameters<Fixture["build"]>[0]) => Promise<void>): Fixture => ({
  name,
  async build(gateway) {
    for (const worker of Object.values(workers)) await register(gateway, worker);
    await gateway.run(setQueue(namespace, "q", onlyOne));
    await commitAll(gateway, [startOf("child", { runId: runs.child, queueKey: "k" })], []);
    await commitAll(gateway, [startOf("parent", { queueKey: "k", priority: 1 })], []);
    await then(gateway);
  },
});

/** Two tasks are due. */
export const limitedDue = limited("limited", async () => {});

/** The limit is full: one is claimed, the other is due. */
export const limitedFull = limited("full", async (gateway) => {
  const request = { workerId: workers.one, namespace, taskQueues: ["q"], definitions: ["w@1", "c@1"], limit: 10, suspects: true, limited: true };
  const rows = await gateway.run(claimLimited(request));
  if (rows[0]?.run_id !== runs.child) throw new Error("fixture: the child was not claimed");
});

/** It waits for who claims from the same queue, and skips what else is held. */
export function claimLimitedBy(worker: keyof typeof workers): Move {
  const claiming = (definitions: readonly string[], weaker?: readonly Move[]): Move => ({
    name: `claim limited by ${worker}`,
    async run({ gateway }) {
      const request = { workerId: workers[worker], namespace, taskQueues: ["q"], definitions, limit: 10, suspects: true, limited: true };
      const rows = await gateway.run(claimLimited(request));
      return rows.flatMap((row) => (row.run_id === null ? [] : [readable(`${row.run_id} epoch ${row.epoch} seq ${row.last_seq}`)])).join("; ");
    },
    ...(weaker === undefined ? {} : { weaker }),
  });
  return claiming(["w@1", "c@1"], [claiming([]), claiming(["w@1"]), claiming(["c@1"])]);
}

export const allowTwo: Move = {
  name: "allow two",
  run: async ({ gateway }) => `${(await gateway.run(setQueue(namespace, "q", { ...onlyOne, concurrency: 2, keyConcurrency: 2 }))).length} set`,
};

export const noLimits: Move = {
  name: "take the limits away",
  run: async ({ gateway }) => `${(await gateway.run(deleteQueue(namespace, "q"))).length} deleted`,
};

export const limitedEnds = commit("claimed child ends", ({ cursor }) =>
  appendTo(cursor("child"), { events: [events.completed], after: { kind: "end", state: "completed" } }),
);

export const limitedParks = commit("claimed child parks", ({ cursor }) =>
  appendTo(cursor("child"), { after: { kind: "park", wakeAt: Date.now() - 1000, seenInbox: 0, waitingFor: "a timer" } }),
);
