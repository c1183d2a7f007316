import { mergeStart } from "../../src/postgres/statements/merge-start.ts";
import type { Fixture } from "./fixtures.ts";
import { start, type Move } from "./moves.ts";
import { commitAll, register, runs, startOf, workers } from "./world.ts";

/** Moves on a pending execution that starts are merged into; the third completes the batch. */

const mergeKey = "batch:k";
const merge = { runId: runs.parent, periodMs: undefined, longestMs: undefined, size: 3 };

export const merging: Fixture = {
  name: "merging",
  async build(gateway) {
    for (const worker of Object.values(workers)) await register(gateway, worker);
    await commitAll(gateway, [startOf("parent", { mergeKey })], []);
  },
};

export function mergeAs(startId: string): Move {
  return {
    name: `merge ${startId}`,
    async run({ gateway }) {
      const [row] = await gateway.run(mergeStart({ ...merge, startId, data: JSON.stringify({ startId, input: [1] }) }));
      return row!.merged ? "merged" : "has begun";
    },
  };
}

export const startMerging: Move = start("start to merge into", startOf("child", { runId: runs.other, workflow: "w", mergeKey }));
