import { expect, test } from "vitest";
import { nodeRuntime } from "../base/node-runtime.ts";
import { Committer, type AppendSource } from "./committer.ts";
import type { AppendOperation, AppendOutcome, Message, StartOperation } from "./operations.ts";
import { StartHeldUp } from "./start-held-up.ts";
import type { CommitBatch, CommitOutcome, Store } from "./store.ts";

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

test("what waits for an open transaction is sent by itself, again and again, and holds nothing else up", async () => {
  let isOpen = true;
  const batches: string[][] = [];
  const store = {
    commit: async (batch: CommitBatch) => {
      const starts = [...batch.starts, ...batch.appends.flatMap((operation) => operation.starts)];
      batches.push([...starts.map(({ runId }) => runId), ...batch.appends.map(({ runId }) => runId)]);
      if (isOpen && starts.some(({ executionId }) => executionId === "taken")) throw new StartHeldUp(undefined);
      return committed(batch);
    },
  };
  const committer = new Committer(store, nodeRuntime);
  const start = (runId: string, executionId: string, onHeldUp?: () => void) =>
    committer.start({ runId, executionId, namespace: "n", idempotencyKey: null, chosen: true, started: "" } as unknown as StartOperation, onHeldUp);
  const heldUp: string[] = [];
  const settled: string[] = [];
  const enlist = (runId: string, starts: readonly StartOperation[] = []): void =>
    committer.enlist({ take: () => ({ ...append, runId, starts }), settle: () => void settled.push(runId), fail: () => {} });
  const taken = start("taken 1", "taken", () => heldUp.push("taken 1"));
  const free = start("free", "free");
  enlist("plain");
  enlist("parent", [{ runId: "child", executionId: "taken", chosen: true, started: "" } as unknown as StartOperation]);
  expect(await free).toMatchObject({ outcome: "started" });
  expect(settled).toEqual(["plain"]);
  expect(batches[0]).toEqual(["taken 1", "free", "child", "plain", "parent"]);
  expect(batches).toContainEqual(["plain"]);
  // The next one of this id joins it.
  const again = start("taken 2", "taken", () => heldUp.push("taken 2"));
  enlist("next");
  await expect.poll(() => batches.filter(([first]) => first === "taken 2").length).toBeGreaterThan(1);
  await committer.drain();
  expect(batches.every((batch) => batch.length === 1 || !batch.includes("taken 2"))).toBe(true);
  expect(settled).toContain("next");
  expect(settled).not.toContain("parent");
  isOpen = false;
  expect([await taken, await again]).toMatchObject([{ outcome: "started" }, { outcome: "started" }]);
  await expect.poll(() => settled).toContain("parent");
  expect(heldUp).toEqual(expect.arrayContaining(["taken 1", "taken 2"]));
});

test("what still waits for an open transaction when the committer closes is refused", async () => {
  const committer = new Committer({ commit: () => Promise.reject(new StartHeldUp(undefined)) }, nodeRuntime);
  const waiting = committer.start({ runId: "r", executionId: "taken", chosen: true, started: "" } as unknown as StartOperation);
  await Promise.all([committer.close(20), expect(waiting).rejects.toMatchObject({ code: "CLOSED" })]);
});

const accepted = { outcome: "accepted" } as unknown as AppendOutcome;

/** A committer whose commits take until they are let go, and sources that write once or again and again. */
function setUp() {
  const underWay: { readonly runs: readonly string[]; done(): void }[] = [];
  const commit = ({ appends }: CommitBatch): Promise<unknown> =>
    new Promise((resolve) => {
      underWay.push({ runs: appends.map(({ runId }) => runId), done: () => resolve({ starts: [], appends: appends.map(() => accepted) }) });
    });
  const committer = new Committer({ commit } as unknown as Pick<Store, "commit">, nodeRuntime);
  const settled: string[] = [];
  const write = (runId: string, onSettled: (source: AppendSource) => void = () => {}): void => {
    const source: AppendSource = {
      take: () => ({ ...append, runId }),
      settle: () => {
        settled.push(runId);
        onSettled(source);
      },
      fail: () => {},
    };
    committer.enlist(source);
  };
  /** Lets the oldest commit go, and what follows from that begin. */
  const letGo = async (): Promise<void> => {
    underWay.shift()!.done();
    await turns();
  };
  return { committer, settled, underWay, write, letGo };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("draining waits for what was to be written, and not for what comes in all the time", async () => {
  const { committer, settled, underWay, write, letGo } = setUp();
  const goOn = (source: AppendSource): void => committer.enlist(source);
  write("busy", goOn);
  await turns();
  write("busy too", goOn);
  await turns();
  // Both lanes are taken: this one waits.
  write("mine");
  let drained = false;
  const draining = committer.drain().then(() => (drained = true));
  for (let i = 0; i < 4; i++) {
    expect(drained).toBe(settled.includes("mine"));
    // Never idle.
    expect(underWay.length).toBeGreaterThan(0);
    await letGo();
  }
  expect(settled).toContain("mine");
  await draining;
});

test("draining waits for the outcome of what is under way already", async () => {
  const { committer, settled, write, letGo } = setUp();
  write("mine");
  await turns();
  let drained = false;
  const draining = committer.drain().then(() => (drained = true));
  await turns();
  expect(drained).toBe(false);
  await letGo();
  await draining;
  expect(settled).toEqual(["mine"]);
});

test("draining an idle committer takes no time", async () => {
  await setUp().committer.drain();
});
