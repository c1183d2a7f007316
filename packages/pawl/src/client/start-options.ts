import type { KnownKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import type { Duration } from "../base/duration.ts";
import type { Attributes, Labels } from "../base/search-values.ts";
import type { OpenTransaction } from "../definition/transaction.ts";
import type { BatchOptions, DebounceOptions } from "./merging.ts";

export interface StartOptions {
  /** Chosen by you, or made. Starting the same id again gives the same execution. `[A-Za-z0-9._:-]`, 1 to 200 characters. */
  readonly executionId?: string;
  /** One execution per workflow and key, whatever its id. The same key with another input is an ExecutionConflict. */
  readonly idempotencyKey?: string;
  /** Not before so long from now. */
  readonly delay?: Duration;
  /** Defaults to the workflow's own queue. */
  readonly taskQueue?: string;
  /** It ends as timed out so long after it was started, or after its `delay` (the workflow's own, where its definition is in this process). */
  readonly timeout?: Duration;
  /** Its key within its queue, such as a customer: limits per key, and keys take turns. Has an effect in queues that `pawl.queues.set` knows. */
  readonly key?: string;
  /** From -1000 to 1000, smaller goes first (0). Has an effect in queues that `pawl.queues.set` knows. */
  readonly priority?: number;
  /** While an execution of the workflow with this id is open, starting another one gives that one. */
  readonly deduplicationId?: string;
  /**
   * Starts of a workflow with the same key become one execution, with the input of the last of them. It begins when none has come for
   * `period`, at the latest `maxWait` after the first.
   */
  readonly debounce?: DebounceOptions;
  /**
   * Starts with the same key become one execution, whose input is an array of the elements of theirs. It begins with `size` of them, or
   * after `window`. The workflow's schema must allow all elements together: with what it refuses then, the execution fails.
   */
  readonly batch?: BatchOptions;
  /** Which version, when started by name (the highest that a live worker has, in natural order: "10" comes after "9"). A definition has its own. */
  readonly version?: string;
  /**
   * An open transaction on the database that Pawl is in: a client of node-postgres, or what runs SQL in one of another library. The execution
   * is there when it commits, and never was if it is rolled back.
   */
  readonly transaction?: OpenTransaction;
  /** What the execution belongs to, such as `{ customer: "acme" }`; its code may change it. */
  readonly labels?: Labels;
  /** What the execution can be found by: strings, numbers, booleans and Dates, which its code may change. */
  readonly attributes?: Attributes;
}

export const startKeys = {
  executionId: true,
  idempotencyKey: true,
  delay: true,
  taskQueue: true,
  timeout: true,
  key: true,
  priority: true,
  deduplicationId: true,
  debounce: true,
  batch: true,
  version: true,
  transaction: true,
  labels: true,
  attributes: true,
} satisfies KnownKeys<StartOptions>;

/** What makes one execution of several starts needs a transaction of its own. @throws OptionInvalid */
export function refuseSharing(options: StartOptions, beside: "transaction" | "signal"): void {
  for (const name of ["deduplicationId", "debounce", "batch"] as const)
    if (options[name] !== undefined)
      throw new OptionInvalid(name, `does not go with \`${beside}\`; use an executionId, or an idempotencyKey where it is allowed`);
}
