import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolveRetryPolicy, type ResolvedRetryPolicy } from "../definition/retry-policy.ts";
import type { Failure } from "../base/failure.ts";
import { decideRetry } from "./retry.ts";

const failure: Failure = { name: "Error", message: "no" };
const policy = (given: Parameters<typeof resolveRetryPolicy>[0] = {}): ResolvedRetryPolicy => resolveRetryPolicy(given, "retry");

/** The waits of a policy in order, without spread. */
function waits(given: ResolvedRetryPolicy, attempts: number): number[] {
  return Array.from({ length: attempts }, (_, index) => {
    const decision = decideRetry(given, index + 1, failure, 0.5);
    return decision.retry ? decision.inMs : -1;
  });
}

describe("decideRetry", () => {
  test("by default waits one second, doubles it each time, stays at a hundred seconds and never gives up", () => {
    expect(waits(policy(), 9)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 100_000, 100_000]);
    expect(decideRetry(policy(), 1_000_000, failure, 0.5)).toEqual({ retry: true, inMs: 100_000 });
  });

  test("counts the first attempt among maximumAttempts", () => {
    expect(decideRetry(policy({ maximumAttempts: 3 }), 2, failure, 0).retry).toBe(true);
    expect(decideRetry(policy({ maximumAttempts: 3 }), 3, failure, 0).retry).toBe(false);
    expect(decideRetry(policy({ maximumAttempts: 1 }), 1, failure, 0).retry).toBe(false);
  });

  test("ends at once for an error that says so, or whose name or code is listed", () => {
    const listed = policy({ nonRetryableErrors: ["CardDeclined", "E_FORBIDDEN", "404"] });
    const ends: [Failure, boolean][] = [
      [{ name: "CardDeclined", message: "" }, true],
      [{ name: "Error", message: "", code: "E_FORBIDDEN" }, true],
      [{ name: "Error", message: "", code: 404 }, true],
      [{ name: "Error", message: "", nonRetryable: true }, true],
      [{ name: "Error", message: "CardDeclined" }, false],
      [{ name: "carddeclined", message: "", code: 40 }, false],
      [{ name: "Error", message: "", cause: { name: "CardDeclined", message: "" } }, false],
    ];
    for (const [given, final] of ends) expect(decideRetry(listed, 1, given, 0).retry, JSON.stringify(given)).toBe(!final);
  });

  test("keeps the list of errors that it was made with", () => {
    const nonRetryableErrors = ["CardDeclined"];
    const made = policy({ nonRetryableErrors });
    nonRetryableErrors.pop();
    expect(decideRetry(made, 1, { name: "CardDeclined", message: "" }, 0).retry).toBe(false);
  });

  test("waits nothing where the initial interval is zero", () => {
    expect(waits(policy({ initialInterval: 0 }), 3)).toEqual([0, 0, 0]);
  });

  test("never waits longer than the maximum or less than the spread allows, whatever the policy", () => {
    const policies = fc.record({
      initialInterval: fc.integer({ min: 0, max: 100_000 }),
      backoffCoefficient: fc.double({ min: 1, max: 1000, noNaN: true }),
      maximumInterval: fc.integer({ min: 0, max: 10_000_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (given, failures, random) => {
        const resolved = policy(given);
        const decision = decideRetry(resolved, failures, failure, random);
        const unspread = decideRetry({ ...resolved, jitter: 0 }, failures, failure, random);
        if (!decision.retry || !unspread.retry) throw new Error("gave up without a limit");
        expect(Number.isInteger(decision.inMs)).toBe(true);
        expect(decision.inMs).toBeLessThanOrEqual(resolved.maximumIntervalMs);
        expect(decision.inMs).toBeGreaterThanOrEqual(Math.floor(unspread.inMs * (1 - given.jitter)) - 1);
        expect(decision.inMs).toBeLessThanOrEqual(Math.ceil(unspread.inMs * (1 + given.jitter)) + 1);
      }),
    );
  });

  test("never waits less after more failures", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 1, max: 5, noNaN: true }), (initialInterval, backoffCoefficient) => {
        const all = waits(policy({ initialInterval, backoffCoefficient, jitter: 0 }), 40);
        expect(all).toEqual([...all].toSorted((a, b) => a - b));
        expect(all[0]).toBe(initialInterval);
      }),
    );
  });
});
