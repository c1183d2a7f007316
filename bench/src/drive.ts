import { performance } from "node:perf_hooks";

/** How load is put on a system: the same three ways for all. */

/** One after the other until the time is up, and at least `minimum` of them; gives how long each took, in milliseconds. */
export async function oneByOne(durationMs: number, minimum: number, one: (index: number) => Promise<void>): Promise<number[]> {
  const end = performance.now() + durationMs;
  const latencies: number[] = [];
  let now = performance.now();
  for (let i = 0; now < end || i < minimum; i += 1) {
    await one(i);
    const after = performance.now();
    latencies.push(after - now);
    now = after;
  }
  return latencies;
}

/** Keeps `width` in flight until the time is up, then lets those in flight end; gives how many ended. */
export async function inFlight(durationMs: number, width: number, one: (index: number) => Promise<void>): Promise<number> {
  const end = performance.now() + durationMs;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < end) {
      const index = next;
      next += 1;
      await one(index);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return next;
}

/** Exactly `count` of them, `width` at a time. */
export async function exactly<Result>(count: number, width: number, one: (index: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      results[index] = await one(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane));
  return results;
}

export function expectEqual(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`${what}: expected ${expected}, got ${actual}. The run does not count.`);
}
