import { checkKeys, type KnownKeys } from "../base/check-keys.ts";
import { formatDuration, toMilliseconds, type Duration } from "../base/duration.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkName } from "../base/ids.ts";
import type { Rate, StoredQueue } from "../store/queues.ts";
import type { Store } from "../store/store.ts";

/** At most `limit` executions begin in any period of length `per`. */
export interface RateOptions {
  /** From 1 to 1,000,000. */
  readonly limit: number;
  /** From 1 ms to 31 days. */
  readonly per: Duration;
}

export interface QueueOptions {
  /** So many executions of the queue are claimed at the same time, over all workers. */
  readonly concurrency?: number;
  /** So many executions of the queue begin in any such period. */
  readonly rate?: RateOptions;
  /**
   * The same for each key that starts give. `concurrency: 1` runs the executions of a key one at a time and begins them in their order. One
   * that parks, for a timer, a signal, a child or the retry of a step, gives its place back: then the next one begins.
   */
  readonly perKey?: { readonly concurrency?: number; readonly rate?: RateOptions };
}

/** A queue with limits, as `set` takes it. */
export interface QueueInfo extends QueueOptions {
  readonly name: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What a queue holds now. */
export interface QueueDescription extends QueueInfo {
  /** Executions that count against its limits. */
  readonly claimed: number;
  /** Tasks that are due and not claimed. */
  readonly due: number;
}

/** What `Queues` needs of the Pawl it belongs to. */
export interface QueuesParent {
  readonly store: Store;
  readonly namespace: string;
  /** @throws Closed */
  checkOpen(): void;
}

const limitKeys = { concurrency: true, rate: true } satisfies KnownKeys<NonNullable<QueueOptions["perKey"]>>;
const rateKeys = { limit: true, per: true } satisfies KnownKeys<RateOptions>;
/** With what `get` gives, so that the limits of one queue can be set for another. */
const queueKeys = {
  ...limitKeys,
  perKey: true,
  name: true,
  createdAt: true,
  updatedAt: true,
  claimed: true,
  due: true,
} satisfies KnownKeys<QueueDescription>;
const mostExecutions = 1_000_000;
const longestPeriodMs = 31 * 86_400_000;

/**
 * Limits of this namespace's task queues. A queue that was never set has none, and takes its tasks as they became due; one that was set,
 * if only to `{}`, goes by key and priority as well.
 */
export class Queues {
  readonly #parent: QueuesParent;

  constructor(parent: QueuesParent) {
    this.#parent = parent;
  }

  /**
   * Sets the limits of a queue, all of them: what is left out is without limit. Other limits hold from now on; the first ones of a queue
   * bind each worker within a second. Nothing that runs is stopped: above a lower limit nothing more is claimed.
   *
   * @throws OptionInvalid
   */
  async set(name: string, options: QueueOptions = {}): Promise<void> {
    this.#parent.checkOpen();
    checkName(name, "queue");
    checkKeys(options, queueKeys, "queues.set");
    if (options.perKey !== undefined) checkKeys(options.perKey, limitKeys, "perKey");
    const { store, namespace } = this.#parent;
    await store.queues.set(namespace, name, {
      concurrency: count(options.concurrency, "concurrency"),
      rate: rateOf(options.rate, "rate"),
      keyConcurrency: count(options.perKey?.concurrency, "perKey.concurrency"),
      keyRate: rateOf(options.perKey?.rate, "perKey.rate"),
    });
    this.#changed(name);
  }

  /** Queues that were set, by name. */
  async list(): Promise<readonly QueueInfo[]> {
    this.#parent.checkOpen();
    return (await this.#parent.store.queues.list(this.#parent.namespace)).map(queueInfo);
  }

  /** Undefined: it was never set. Counts what it holds. */
  async get(name: string): Promise<QueueDescription | undefined> {
    this.#parent.checkOpen();
    const { store, namespace } = this.#parent;
    const [queue] = await store.queues.list(namespace, checkName(name, "queue"));
    return queue === undefined ? undefined : { ...queueInfo(queue), ...(await store.queues.load(namespace, name)) };
  }

  /** Takes all limits away; its tasks stay. Whether it had been set. */
  async delete(name: string): Promise<boolean> {
    this.#parent.checkOpen();
    const deleted = await this.#parent.store.queues.delete(this.#parent.namespace, checkName(name, "queue"));
    this.#changed(name);
    return deleted;
  }

  #changed(taskQueue: string): void {
    const { store, namespace } = this.#parent;
    store.hint({ kind: "queues", namespace });
    store.hint({ kind: "tasks", namespace, taskQueue });
  }
}

function queueInfo(queue: StoredQueue): QueueInfo {
  const { name, concurrency, keyConcurrency, createdAt, updatedAt } = queue;
  const rate = (given: Rate | undefined) => (given === undefined ? {} : { rate: { limit: given.limit, per: formatPeriod(given.perMs) } });
  const perKey = { ...(keyConcurrency === undefined ? {} : { concurrency: keyConcurrency }), ...rate(queue.keyRate) };
  return {
    name,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...rate(queue.rate),
    ...(Object.keys(perKey).length === 0 ? {} : { perKey }),
    createdAt: new Date(createdAt),
    updatedAt: new Date(updatedAt),
  };
}

/** A text where it says exactly the same, milliseconds otherwise. */
function formatPeriod(ms: number): Duration {
  const text = formatDuration(ms);
  return toMilliseconds(text, "per") === ms ? text : ms;
}

function count(value: number | undefined, path: string): number | undefined {
  if (value === undefined) return undefined;
  if (!Number.isInteger(value) || value < 1 || value > mostExecutions)
    throw new OptionInvalid(
      path,
      `must be a whole number from 1 to ${mostExecutions}, not ${String(value)}. To hold a queue, use pawl.pauses.add({ taskQueue })`,
    );
  return value;
}

function rateOf(rate: RateOptions | undefined, path: string): Rate | undefined {
  if (rate === undefined) return undefined;
  checkKeys(rate, rateKeys, path);
  const perMs = toMilliseconds(rate.per, `${path}.per`);
  if (perMs < 1 || perMs > longestPeriodMs) throw new OptionInvalid(`${path}.per`, "must be from 1 ms to 31 days");
  const limit = count(rate.limit, `${path}.limit`);
  if (limit === undefined) throw new OptionInvalid(`${path}.limit`, "is missing: how many may begin in each period");
  return { limit, perMs };
}
