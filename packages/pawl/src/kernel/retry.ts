import type { Failure } from "../base/failure.ts";
import type { ResolvedRetryPolicy } from "../definition/retry-policy.ts";

/** What follows a failed attempt. */
export type RetryDecision = { readonly retry: true; readonly inMs: number } | { readonly retry: false };

/**
 * Decides after the `failures`-th failed attempt of a step. Attempts that ended because the worker died do not count here:
 * deaths without progress have their own limit (quarantine).
 *
 * @param random a number in [0, 1) that spreads the wait by the policy's jitter
 */
export function decideRetry(policy: ResolvedRetryPolicy, failures: number, failure: Failure, random: number): RetryDecision {
  if (failure.nonRetryable === true) return { retry: false };
  if (policy.nonRetryableErrors.includes(failure.name) || (failure.code !== undefined && policy.nonRetryableErrors.includes(String(failure.code)))) {
    return { retry: false };
  }
  if (policy.maximumAttempts > 0 && failures >= policy.maximumAttempts) return { retry: false };
  // The power overflows to Infinity after some thousand attempts; times an interval of zero that would be no number.
  const factor = Math.min(policy.backoffCoefficient ** (failures - 1), Number.MAX_VALUE);
  const wait = Math.min(policy.initialIntervalMs * factor, policy.maximumIntervalMs);
  const spread = 1 + policy.jitter * (2 * random - 1);
  return { retry: true, inMs: Math.round(Math.min(wait * spread, policy.maximumIntervalMs)) };
}
