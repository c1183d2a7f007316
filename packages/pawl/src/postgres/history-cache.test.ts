import { describe, expect, test } from "vitest";
import type { AppendOperation, AppendOutcome } from "../store/operations.ts";
import { HistoryCache } from "./history-cache.ts";
import type { HistoryRow } from "./statements/reads.ts";

const row = (runId: string, seq: number, data = "{}"): HistoryRow => ({ run_id: runId, seq, epoch: 1, at: seq, type: "StepCompleted", data });
const rows = (runId: string, count: number, data?: string): HistoryRow[] => Array.from({ length: count }, (_, index) => row(runId, index + 1, data));
const append = (runId: string, expectedSeq: number, count: number, after: AppendOperation["after"] = { kind: "keep" }): AppendOperation => ({
  runId,
  epoch: 1,
  expectedSeq,
  events: Array.from({ length: count }, () => ({ type: "StepCompleted", data: "{}" })),
  progress: true,
  after,
  starts: [],
  messages: [],
  consumed: [],
});
const accepted = (at: number): AppendOutcome => ({ outcome: "accepted", at, parked: false, conflicts: [] });

describe("the cache of histories", () => {
  test("gives a history that goes exactly as far as is asked, and drops one that does not", () => {
    const cache = new HistoryCache({ fromEvents: 2 });
    cache.keep(rows("a", 3));
    expect(cache.find("a", 3)).toEqual(rows("a", 3));
    expect(cache.find("b", 3)).toBeUndefined();
    expect(cache.find("a", 4)).toBeUndefined();
    expect(cache.find("a", 3)).toBeUndefined();
  });

  test("does not keep short ones", () => {
    const cache = new HistoryCache({ fromEvents: 3 });
    cache.keep(rows("a", 2));
    cache.keep([]);
    expect(cache.find("a", 2)).toBeUndefined();
  });

  test("adds what was accepted", () => {
    const cache = new HistoryCache({ fromEvents: 2 });
    cache.keep(rows("a", 2));
    cache.settled(append("a", 2, 2), accepted(9));
    cache.settled(append("a", 4, 0, { kind: "park", wakeAt: null, seenInbox: 0, waitingFor: "" }), accepted(10));
    expect(cache.find("a", 4)).toEqual([...rows("a", 2), { ...row("a", 3), at: 9 }, { ...row("a", 4), at: 9 }]);
    cache.settled(append("other", 0, 1), accepted(1));
    expect(cache.find("other", 1)).toBeUndefined();
  });

  test.each<[string, AppendOperation, AppendOutcome]>([
    ["was rejected", append("a", 2, 1), { outcome: "rejected" }],
    ["ended the execution", append("a", 2, 1, { kind: "end", state: "completed" }), accepted(1)],
    ["does not follow what is here", append("a", 3, 1), accepted(1)],
  ])("forgets a history when an append to it %s", (_, operation, outcome) => {
    const cache = new HistoryCache({ fromEvents: 2 });
    cache.keep(rows("a", 2));
    cache.settled(operation, outcome);
    for (const seq of [2, 3]) expect(cache.find("a", seq)).toBeUndefined();
  });

  test("holds no more than so many characters, and lets go of what was needed longest ago", () => {
    const cache = new HistoryCache({ fromEvents: 1, characters: 100 });
    cache.keep(rows("a", 4, "x".repeat(10)));
    cache.keep(rows("b", 4, "x".repeat(10)));
    cache.find("a", 4);
    cache.keep(rows("c", 4, "x".repeat(10)));
    expect(cache.find("b", 4)).toBeUndefined();
    expect(cache.find("a", 4)).toHaveLength(4);
    cache.keep(rows("a", 11, "x".repeat(10)));
    expect(["a", "b", "c"].map((runId) => cache.find(runId, runId === "a" ? 11 : 4))).toEqual([undefined, undefined, undefined]);
    cache.keep(rows("d", 10, "x".repeat(10)));
    expect(cache.find("d", 10)).toHaveLength(10);
  });
});
