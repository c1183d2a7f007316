import type { KnownKeys } from "../base/check-keys.ts";
import type { ChildOptions, ConcurrencyOptions, ContinueOptions, StepOptions, WaitOptions } from "./context.ts";
import type { TransactionOptions } from "./transaction.ts";

/** The options of the calls of a context, by which a misspelt one is found. */
export const stepKeys = {
  retry: true,
  timeout: true,
  totalTimeout: true,
  heartbeatTimeout: true,
  taskQueue: true,
  scheduleToStart: true,
  key: true,
  priority: true,
} satisfies KnownKeys<StepOptions>;

/** With those of other steps, whose misuse has errors of its own. */
export const transactionKeys = { ...stepKeys, isolation: true, using: true } satisfies KnownKeys<TransactionOptions | StepOptions>;

export const childKeys = {
  parentClosePolicy: true,
  executionId: true,
  taskQueue: true,
  timeout: true,
  key: true,
  priority: true,
  labels: true,
  attributes: true,
} satisfies KnownKeys<ChildOptions>;

export const waitKeys = { timeout: true } satisfies KnownKeys<WaitOptions>;

export const continueKeys = { version: true } satisfies KnownKeys<ContinueOptions>;

export const concurrencyKeys = { concurrency: true } satisfies KnownKeys<ConcurrencyOptions>;
