import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { toMilliseconds, type Duration } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";

/** How a failing step is tried again. What is left out takes the default in brackets. */
export interface RetryPolicy {
  /** Wait before the second attempt (1 second). */
  readonly initialInterval?: Duration;
  /** Factor between one wait and the next, at least 1 (2). */
  readonly backoffCoefficient?: number;
  /** No wait is longer than this (100 times the initial interval). */
  readonly maximumInterval?: Duration;
  /** Attempts in all, the first included; 0 means without limit but that of the history, to which each failed one adds an event or two (0). */
  readonly maximumAttempts?: number;
  /** Names or codes of errors that end the step at once ([]). Throwing `NonRetryable` does the same. */
  readonly nonRetryableErrors?: readonly string[];
  /** Each wait is spread by up to this fraction up or down, from 0 to 1 (0.1). */
  readonly jitter?: number;
}

/** A policy with every default filled in; intervals in milliseconds. */
export interface ResolvedRetryPolicy {
  readonly initialIntervalMs: number;
  readonly backoffCoefficient: number;
  readonly maximumIntervalMs: number;
  readonly maximumAttempts: number;
  readonly nonRetryableErrors: readonly string[];
  readonly jitter: number;
}

const retryKeys = {
  initialInterval: true,
  backoffCoefficient: true,
  maximumInterval: true,
  maximumAttempts: true,
  nonRetryableErrors: true,
  jitter: true,
} satisfies KnownKeys<RetryPolicy>;

/** @throws OptionInvalid for what is no policy, or has a field that there is not */
export function checkRetryPolicy(policy: RetryPolicy, path: string): void {
  checkKeys(policy, retryKeys, path);
}

/** @throws OptionInvalid naming the field that is out of range. */
export function resolveRetryPolicy(policy: RetryPolicy, path: string): ResolvedRetryPolicy {
  checkRetryPolicy(policy, path);
  const initialIntervalMs = toMilliseconds(policy.initialInterval ?? 1000, `${path}.initialInterval`);
  const maximumIntervalMs = policy.maximumInterval === undefined ? initialIntervalMs * 100 : toMilliseconds(policy.maximumInterval, `${path}.maximumInterval`);
  const backoffCoefficient = policy.backoffCoefficient ?? 2;
  if (!(backoffCoefficient >= 1 && backoffCoefficient <= 1000)) {
    throw new OptionInvalid(`${path}.backoffCoefficient`, `must be from 1 to 1000, not ${String(backoffCoefficient)}`);
  }
  const maximumAttempts = policy.maximumAttempts ?? 0;
  if (!Number.isInteger(maximumAttempts) || maximumAttempts < 0) {
    throw new OptionInvalid(`${path}.maximumAttempts`, `must be a whole number from 0 (no limit), not ${String(maximumAttempts)}`);
  }
  const jitter = policy.jitter ?? 0.1;
  if (!(jitter >= 0 && jitter <= 1)) throw new OptionInvalid(`${path}.jitter`, `must be from 0 to 1, not ${String(jitter)}`);
  const nonRetryableErrors = policy.nonRetryableErrors ?? [];
  if (!Array.isArray(nonRetryableErrors) || nonRetryableErrors.some((name) => typeof name !== "string")) {
    throw new OptionInvalid(`${path}.nonRetryableErrors`, "must be an array of names or codes of errors");
  }
  return { initialIntervalMs, backoffCoefficient, maximumIntervalMs, maximumAttempts, nonRetryableErrors: [...nonRetryableErrors], jitter };
}
