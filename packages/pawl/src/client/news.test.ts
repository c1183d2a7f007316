import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Hint } from "../store/store.ts";
import { waitForNews } from "./news.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const runtime = {
  monotonicMs: () => Date.now(),
  startTimer: (ms: number, onTime: () => void) => {
    const timer = setTimeout(onTime, ms);
    return { clear: () => clearTimeout(timer) };
  },
};

/** Waits for news of run "mine"; `reads` are the times of its reads. */
function waiting(findAt: number, timeoutMs?: number, signal?: AbortSignal) {
  const began = Date.now();
  const reads: number[] = [];
  const listeners = new Set<(hint: Hint) => void>();
  const store = {
    onHint: (listener: (hint: Hint) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const read = async (): Promise<string | undefined> => {
    reads.push(Date.now() - began);
    return Date.now() - began >= findAt ? "found" : undefined;
  };
  const found = waitForNews(store, runtime, read, timeoutMs, { runId: () => "mine", signal });
  const hint = (runId: string): void => {
    for (const listener of listeners) listener({ kind: "news", runIds: [runId] });
  };
  return { reads, found, hint, listeners };
}

/** Hints every millisecond. */
async function hintFor(ms: number, hint: () => void): Promise<void> {
  for (let passed = 0; passed < ms; passed++) {
    hint();
    await vi.advanceTimersByTimeAsync(1);
  }
}

test("a hint about the run is followed at once", async () => {
  const { reads, found, hint, listeners } = waiting(3);
  await vi.advanceTimersByTimeAsync(5);
  hint("mine");
  expect(await found).toBe("found");
  expect(reads).toEqual([0, 5]);
  expect(listeners.size).toBe(0);
});

test("hints about other runs lead to no read", async () => {
  const { reads, found, hint } = waiting(1000);
  await hintFor(900, () => hint("other"));
  expect(reads.length).toBeLessThan(10);
  await vi.advanceTimersByTimeAsync(600);
  expect(await found).toBe("found");
});

test("a run that has news all the time is read some twenty times a second, and found soon", async () => {
  const { reads, found, hint } = waiting(990);
  await hintFor(1100, () => hint("mine"));
  expect(await found).toBe("found");
  expect(reads.length).toBeGreaterThan(15);
  expect(reads.length).toBeLessThan(30);
  expect(reads.at(-1)).toBeLessThanOrEqual(1040);
});

test("a hint that comes while it reads is not lost", async () => {
  const { reads, found, hint } = waiting(1);
  hint("mine");
  await vi.advanceTimersByTimeAsync(0);
  expect(reads).toEqual([0, 0]);
  await vi.advanceTimersByTimeAsync(30);
  expect(await found).toBe("found");
});

test("it gives up in time, and at once when it is told to, however much news there is", async () => {
  const inTime = waiting(Number.POSITIVE_INFINITY, 320);
  await hintFor(330, () => inTime.hint("mine"));
  expect(await inTime.found).toBeUndefined();
  expect(inTime.reads.at(-1)).toBeLessThanOrEqual(321);
  const controller = new AbortController();
  const told = waiting(Number.POSITIVE_INFINITY, undefined, controller.signal);
  await hintFor(300, () => told.hint("mine"));
  const reads = told.reads.length;
  controller.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(await told.found).toBeUndefined();
  expect(told.reads.length).toBe(reads + 1);
});
