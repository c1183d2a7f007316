import { describe, expect, test } from "vitest";
import { silentLogger } from "../base/logger.ts";
import type { Runtime } from "../base/runtime.ts";
import type { RetentionOutcome, RetentionRequest } from "../store/retention.ts";
import type { Store } from "../store/store.ts";
import { RetentionRunner } from "./retention-runner.ts";

const intervalMs = 60_000;

interface Batch extends RetentionOutcome {
  readonly tookMs?: number;
}

const full: Batch = { deleted: 500, full: true, next: "next" };
const some: Batch = { deleted: 3, full: false, next: "next" };
const none: Batch = { deleted: 0, full: false, next: "next" };
const last: Batch = { deleted: 0, full: false, next: undefined };

/** How long the runner waits before each of these batches, and after the last of them. */
async function pausesOf(batches: readonly Batch[]): Promise<readonly number[]> {
  let now = 0;
  const pauses: number[] = [];
  const planned: (() => void)[] = [];
  const runtime = {
    random: () => 0.5,
    monotonicMs: () => now,
    startTimer: (ms: number, onTime: () => void) => {
      pauses.push(ms);
      planned.push(onTime);
      return { clear: () => {} };
    },
  } as unknown as Runtime;
  const left = [...batches];
  const asked: RetentionRequest[] = [];
  const next = async (request: RetentionRequest): Promise<RetentionOutcome> => {
    asked.push(request);
    const { tookMs = 1, ...outcome } = left.shift()!;
    now += tookMs;
    return outcome;
  };
  const store = { retentionPolicies: async () => [{ keepMs: 1 }], deleteEnded: next, deleteContinued: next } as unknown as Store;
  const runner = new RetentionRunner(store, "n", silentLogger, runtime, intervalMs);
  runner.start();
  while (left.length > 0) {
    planned.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await runner.stop();
  expect(asked).toHaveLength(batches.length);
  return pauses;
}

describe("retention", () => {
  test("goes slowly where nothing is due, and rests when it has been through executions and earlier runs", async () => {
    expect(await pausesOf([none, none, last, none, last, none])).toEqual([intervalMs, 1000, 1000, 1000, 1000, intervalMs, 1000]);
  });

  test("goes faster and faster while batches are full, until it deletes more than ends", async () => {
    const pauses = await pausesOf(Array.from({ length: 10 }, () => full));
    expect(pauses).toEqual([intervalMs, 500, 250, 125, 62.5, 31.25, 20, 20, 20, 20, 20]);
  });

  test("walks quickly, but not as fast, where only some are due", async () => {
    expect(await pausesOf([full, full, some, some, some])).toEqual([intervalMs, 500, 250, 125, 100, 100]);
  });

  test("is slow again as soon as a batch finds nothing", async () => {
    expect(await pausesOf([full, full, none, full])).toEqual([intervalMs, 500, 250, 1000, 500]);
  });

  test("leaves the database to others for as long as a batch takes", async () => {
    const slow = { ...full, tookMs: 400 };
    expect(await pausesOf([slow, slow, slow, slow])).toEqual([intervalMs, 500, 400, 400, 400]);
  });
});
