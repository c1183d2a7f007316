import { expect, test } from "vitest";
import { nodeRuntime } from "../base/node-runtime.ts";
import { Committer } from "./committer.ts";
import type { AppendOperation, Message, StartOperation } from "./operations.ts";
import type { CommitBatch, CommitOutcome } from "./store.ts";

const megabyte = "x".repeat(1024 * 1024);
const append: AppendOperation = {
  runId: "",
  epoch: 1,
  expectedSeq: 1,
  events: [],
  progress: true,
  after: { kind: "keep" },
  starts: [],
  messages: [],
  consumed: [],
};

function committed({ starts, appends }: CommitBatch): CommitOutcome {
  return {
    starts: starts.map(() => ({ outcome: "started", at: 0 })),
    appends: appends.map(() => ({ outcome: "accepted", at: 0, parked: false, conflicts: [] })),
  };
}

/** Has the committer write operations that are there at the same time. Gives how many of them went into each commit. */
async function sizesOf(operations: readonly AppendOperation[]): Promise<readonly number[]> {
  const sizes: number[] = [];
  const store = {
    commit: async (batch: CommitBatch) => {
      sizes.push(batch.appends.length);
      return committed(batch);
    },
  };
  const committer = new Committer(store, nodeRuntime);
  for (const operation of operations) committer.enlist({ take: () => operation, settle: () => {}, fail: () => {} });
  await committer.drain();
  return sizes;
}

test.each<readonly [string, Partial<AppendOperation>]>([
  ["events", { events: [{ type: "StepCompleted", data: megabyte }] }],
  ["inputs of children", { starts: [{ started: megabyte } as StartOperation] }],
  ["messages", { messages: [{ data: megabyte } as Message] }],
])("a commit holds no more than some 16 MB of %s", async (_what, parts) => {
  const sizes = await sizesOf(Array.from({ length: 40 }, (_, index) => ({ ...append, ...parts, runId: `run-${index}` })));
  expect(sizes.reduce((sum, size) => sum + size)).toBe(40);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(17);
});
