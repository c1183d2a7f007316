import { describe, expect, test } from "vitest";
import type { ClaimRuleNames } from "../store/claim-rules.ts";
import type { ClaimOutcome, ClaimRequest, NextDueRequest, Store } from "../store/store.ts";
import { ClaimRules } from "./claim-rules.ts";
import { QueueClaims } from "./queue-claims.ts";

const definitions = ["ship@1", "ship@2", "bill@1"];
const none: ClaimRuleNames = { pausedQueues: [], pausedWorkflows: [], limitedQueues: [] };

/** Claims of a worker of the queues `a`, `b` and `c`, and what they asked the store. */
async function claims(
  rules: Partial<ClaimRuleNames>,
  {
    more = false,
    unlimited = [],
    searches = [],
    ...options
  }: { readonly pollMs?: number | undefined; readonly more?: boolean; readonly unlimited?: readonly string[]; readonly searches?: readonly string[] } = {},
) {
  let names = { ...none, ...rules };
  const asked: ClaimRequest[] = [];
  const lookedAhead: NextDueRequest[] = [];
  const measured: number[] = [];
  let clock = 0;
  const store = {
    readClaimRules: async () => names,
    claim: async (request: ClaimRequest): Promise<ClaimOutcome> => {
      asked.push(request);
      clock += 3;
      return { executions: [], now: undefined, repeated: false, ...(request.limited === true ? { more, unlimited, search: searches[asked.length - 1] } : {}) };
    },
    nextDue: async (request: NextDueRequest) => {
      lookedAhead.push(request);
      return 70;
    },
  } as unknown as Store;
  const known = new ClaimRules(store, "n", ["a", "b", "c"], definitions);
  await known.refresh();
  const queues = new QueueClaims(store, { random: () => 0, monotonicMs: () => clock }, "n", known, "pollMs" in options ? options.pollMs : 100);
  const claim = () =>
    queues.claim({ workerId: "w", limit: 10, suspects: true }, async (_outcome, tookMs) => {
      measured.push(tookMs);
      // What is claimed is adopted.
      clock += 50;
    });
  const change = (next: Partial<ClaimRuleNames>): Promise<boolean> => {
    names = { ...none, ...next };
    return known.refresh();
  };
  return { known, queues, claim, change, asked, lookedAhead, measured };
}

describe("claims of a worker", () => {
  test("leave out what is paused, and take queues with limits each in its turn", async () => {
    const { claim, asked } = await claims({ pausedWorkflows: ["ship"], pausedQueues: ["c"], limitedQueues: ["a", "b", "c"] });
    await claim();
    await claim();
    expect(asked.map(({ taskQueues, limited }) => [taskQueues, limited])).toEqual([
      [["a", "b"], true],
      [["b", "a"], true],
    ]);
    expect(asked[0]!.definitions).toEqual(["bill@1"]);
  });

  test("take turns where some queues have limits and others have none", async () => {
    const { claim, asked } = await claims({ limitedQueues: ["b"] });
    await claim();
    await claim();
    expect(asked.map(({ taskQueues }) => taskQueues.join())).toEqual(["b", "a,c", "a,c", "b"]);
  });

  test("are measured each by itself, without what the one before led to", async () => {
    const { claim, measured } = await claims({ limitedQueues: ["b"] });
    await claim();
    expect(measured).toEqual([3, 3]);
  });

  test("take a queue whose limits are gone with those that have none at once, whatever was heard of it", async () => {
    const { claim, asked, known, queues } = await claims({ limitedQueues: ["a", "b", "c"] }, { unlimited: ["a"] });
    await claim();
    expect(queues.comeAgain().more).toBe(true);
    expect([known.hasLimits("a"), known.hasLimits("b")]).toEqual([false, true]);
    await claim();
    expect(asked.slice(1).map(({ taskQueues, limited }) => [taskQueues, limited])).toEqual([
      [["a"], undefined],
      [["c", "b"], true],
    ]);
  });

  test("go on looking for keys where the one before stopped, until it has seen all", async () => {
    const { claim, asked } = await claims({ limitedQueues: ["a", "b", "c"] }, { searches: ["first", "second"] });
    for (let turn = 0; turn < 4; turn++) await claim();
    expect(asked.map(({ search }) => search)).toEqual([undefined, "first", "second", undefined]);
  });

  test("ask for nothing where all is paused", async () => {
    const { claim, asked, lookedAhead } = await claims({ pausedQueues: ["a", "b", "c"] });
    expect(await claim()).toBe(0);
    expect([asked, lookedAhead]).toEqual([[], []]);
  });

  test("look ahead when the next task is due", async () => {
    const { claim, queues, lookedAhead } = await claims({});
    await claim();
    expect(lookedAhead).toEqual([{ namespace: "n", taskQueues: ["a", "b", "c"], definitions, withinMs: 200 }]);
    expect(queues.comeAgain()).toEqual({ more: false, waitMs: 70 });
  });

  test("do not look ahead where the next claim comes at once, or nobody comes by himself", async () => {
    const moreIsDue = await claims({ limitedQueues: ["a"] }, { more: true });
    await moreIsDue.claim();
    expect(moreIsDue.queues.comeAgain().more).toBe(true);
    const manual = await claims({}, { pollMs: undefined });
    await manual.claim();
    expect([...moreIsDue.lookedAhead, ...manual.lookedAhead]).toEqual([]);
  });

  test("change with the rules of the worker's own queues and workflows only", async () => {
    const { change, known } = await claims({});
    expect(await change({ pausedQueues: ["elsewhere"], pausedWorkflows: ["other"], limitedQueues: ["elsewhere"] })).toBe(false);
    expect(await change({ limitedQueues: ["b"] })).toBe(true);
    expect([known.hasLimits("a"), known.hasLimits("b")]).toEqual([false, true]);
    expect(await change({ limitedQueues: ["b"], pausedWorkflows: ["bill"] })).toBe(true);
    expect([known.isPaused({ taskQueue: "a", workflow: "bill" }), known.isPaused({ taskQueue: "a", workflow: "ship" })]).toEqual([true, false]);
    expect(await change({ limitedQueues: ["b"], pausedWorkflows: ["bill"] })).toBe(false);
    expect(await change({})).toBe(true);
  });
});
