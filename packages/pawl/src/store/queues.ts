/** So many in each period. */
export interface Rate {
  readonly limit: number;
  readonly perMs: number;
}

/** Limits of a queue. Undefined: none. */
export interface QueueLimits {
  /** So many of its executions are claimed at the same time. */
  readonly concurrency: number | undefined;
  /** So many of its executions begin in any such period. */
  readonly rate: Rate | undefined;
  readonly keyConcurrency: number | undefined;
  readonly keyRate: Rate | undefined;
}

/** A queue as it stands. Times in milliseconds since 1970, database clock. */
export interface StoredQueue extends QueueLimits {
  readonly name: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** How many of a queue's executions are claimed, and how many tasks are due in it. */
export interface QueueLoad {
  readonly claimed: number;
  readonly due: number;
}

/** The persistence port of queues with limits. Each method is one transaction, safe to repeat after an unknown outcome. */
export interface QueueStore {
  set(namespace: string, name: string, limits: QueueLimits): Promise<void>;
  /** Whether it had limits. Its tasks stay. */
  delete(namespace: string, name: string): Promise<boolean>;
  /** By name; those named, or all. */
  list(namespace: string, name?: string): Promise<readonly StoredQueue[]>;
  /** Reads as many rows as it counts. */
  load(namespace: string, name: string): Promise<QueueLoad>;
}
