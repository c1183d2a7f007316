import type { QueueLimits, QueueLoad, QueueStore, StoredQueue } from "../store/queues.ts";
import type { TransactionGateway } from "./gateway.ts";
import { deleteQueue, listQueues, queueLoad, setQueue } from "./statements/queues.ts";

/** Queues with limits on PostgreSQL. */
export class PostgresQueues implements QueueStore {
  readonly #gateway: TransactionGateway;

  constructor(gateway: TransactionGateway) {
    this.#gateway = gateway;
  }

  async set(namespace: string, name: string, limits: QueueLimits): Promise<void> {
    await this.#gateway.run(setQueue(namespace, name, limits));
  }

  async delete(namespace: string, name: string): Promise<boolean> {
    const { rows, repeated } = await this.#gateway.send(deleteQueue(namespace, name));
    // Repeated: an earlier send, whose reply was lost, may have deleted it.
    return rows.length > 0 || repeated;
  }

  async list(namespace: string, name?: string): Promise<readonly StoredQueue[]> {
    const rows = await this.#gateway.run(listQueues(namespace, name));
    const rate = (limit: number | null, perMs: number | null) => (limit === null || perMs === null ? undefined : { limit, perMs });
    return rows.map((row) => ({
      name: row.name,
      concurrency: row.concurrency ?? undefined,
      rate: rate(row.rate_limit, row.rate_ms),
      keyConcurrency: row.key_concurrency ?? undefined,
      keyRate: rate(row.key_rate_limit, row.key_rate_ms),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }));
  }

  async load(namespace: string, name: string): Promise<QueueLoad> {
    return (await this.#gateway.run(queueLoad(namespace, name)))[0]!;
  }
}
