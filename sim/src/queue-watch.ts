import type { QueueOptions } from "pawl";
import { toMilliseconds } from "pawl/internal";
import type { Monitor } from "./monitor.ts";
import type { SimDatabase } from "./sim-database.ts";
import type { ExecutionRow } from "./snapshot.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

interface LimitsRow {
  readonly concurrency: number | null;
  readonly rate_limit: number | null;
  readonly rate_ms: number | null;
  readonly key_concurrency: number | null;
  readonly key_rate_limit: number | null;
  readonly key_rate_ms: number | null;
}

const limitsSql = `SELECT concurrency, rate_limit, rate_ms, key_concurrency, key_rate_limit, key_rate_ms FROM queues WHERE name = 'default'`;

/**
 * Watches a queue with limits from outside: at every commit it looks who was claimed, who began, and who was passed over. The
 * limits are there before any worker is, so all of them know of it.
 */
export class QueueWatch {
  readonly #database: SimDatabase;
  readonly #monitor: Monitor;
  readonly #world: World;
  #rows = new Map<string, ExecutionRow>();
  #limits: LimitsRow | undefined;
  /** The first limits of a queue bind workers a moment later: once they were deleted, those that follow are not judged. */
  #areJudged = true;
  /** When executions began under these limits, by key. */
  readonly #begins: { readonly key: string; readonly at: number }[] = [];
  /** When the latest of each key began, under whatever limits. */
  readonly #latest = new Map<string, number>();

  constructor(database: SimDatabase, monitor: Monitor, world: World) {
    this.#database = database;
    this.#monitor = monitor;
    this.#world = world;
  }

  /** Gives the queue its first limits. */
  async begin(options: QueueOptions): Promise<void> {
    const rate = (given: { readonly limit: number; readonly per: number | string } | undefined): string =>
      given === undefined ? "NULL, NULL" : `${given.limit}, ${toMilliseconds(given.per, "per")}`;
    await this.#database.pglite.exec(
      `INSERT INTO queues (namespace, name, concurrency, rate_limit, rate_ms, key_concurrency, key_rate_limit, key_rate_ms, created_at, updated_at)
VALUES ('default', 'default', ${options.concurrency ?? "NULL"}, ${rate(options.rate)}, ${options.perKey?.concurrency ?? "NULL"}, ${rate(options.perKey?.rate)},
 current_time_of_pawl(), current_time_of_pawl())`,
    );
    [this.#limits] = await this.#database.read<LimitsRow>(limitsSql);
  }

  /** After every transaction. */
  async observe(transaction: string): Promise<void> {
    if (transaction === "set-queue" || transaction === "delete-queue") {
      const before = this.#limits;
      [this.#limits] = await this.#database.read<LimitsRow>(limitsSql);
      this.#begins.length = 0;
      this.#areJudged &&= before !== undefined || this.#limits === undefined;
    }
    const before = this.#rows;
    const rows = [...this.#monitor.executions.values()].filter((row) => row.task_queue === "default");
    this.#rows = new Map(rows.map((row) => [row.run_id, row]));
    const claimed = rows.filter((row) => row.worker_id !== null && before.get(row.run_id)?.worker_id !== row.worker_id);
    const begun = claimed.filter((row) => (before.get(row.run_id)?.started_at ?? null) === null && row.started_at !== null);
    for (const { queue_key: key, started_at: at } of begun) {
      this.#begins.push({ key, at: at! });
      this.#latest.set(key, at!);
    }
    if (this.#limits === undefined || !this.#areJudged || claimed.length === 0) return;
    for (const row of claimed) this.#checkClaimed(row);
    for (const row of begun) this.#checkRates(row);
    if (transaction !== "claim-limited") return;
    for (const row of begun) this.#checkOrder(row);
    this.#checkTurns(claimed);
  }

  /** Whether its limits let this run be claimed now; false where nobody can tell. */
  mayBeClaimed(runId: string): boolean {
    const row = this.#rows.get(runId);
    const limits = this.#limits;
    if (row === undefined || limits === undefined) return true;
    if (!this.#areJudged) return false;
    if (this.#claimedOf(undefined) >= (limits.concurrency ?? Infinity)) return false;
    return (
      this.#keyMayGoOn(row, limits) &&
      (row.started_at !== null || this.#begunWithin(undefined, limits.rate_ms, this.#world.databaseNow) < (limits.rate_limit ?? Infinity))
    );
  }

  #keyMayGoOn({ queue_key: key, started_at: startedAt }: ExecutionRow, limits: LimitsRow): boolean {
    if (this.#claimedOf(key) >= (limits.key_concurrency ?? Infinity)) return false;
    return startedAt !== null || this.#begunWithin(key, limits.key_rate_ms, this.#world.databaseNow) < (limits.key_rate_limit ?? Infinity);
  }

  /** I16: at every commit that claims, no more are claimed than may be. */
  #checkClaimed({ execution_id: executionId, queue_key: key }: ExecutionRow): void {
    const { concurrency, key_concurrency: keyConcurrency } = this.#limits!;
    if (concurrency !== null && this.#claimedOf(undefined) > concurrency)
      throw new Violation("I16", `${executionId} was claimed as one of ${this.#claimedOf(undefined)}, ${concurrency} are allowed`);
    if (keyConcurrency !== null && this.#claimedOf(key) > keyConcurrency)
      throw new Violation("I16", `${executionId} was claimed as one of ${this.#claimedOf(key)} with key "${key}", ${keyConcurrency} are allowed`);
  }

  /** I17: no more begin in a period than may. What began under other limits does not count. */
  #checkRates({ execution_id: executionId, queue_key: key, started_at: at }: ExecutionRow): void {
    // Set back, the database's clock comes again to a time whose begins it has forgotten as long ago.
    if (this.#world.steppedBackMs > 0) return;
    const { rate_limit: limit, rate_ms: perMs, key_rate_limit: keyLimit, key_rate_ms: keyPerMs } = this.#limits!;
    const begun = this.#begunWithin(undefined, perMs, at!);
    if (limit !== null && begun > limit) throw new Violation("I17", `${executionId} began as one of ${begun} within ${perMs} ms, ${limit} are allowed`);
    const ofKey = this.#begunWithin(key, keyPerMs, at!);
    if (keyLimit !== null && ofKey > keyLimit)
      throw new Violation("I17", `${executionId} began as one of ${ofKey} with key "${key}" within ${keyPerMs} ms, ${keyLimit} are allowed`);
  }

  /** Of one key, nobody begins before one that was due before it or has a smaller priority. */
  #checkOrder(row: ExecutionRow): void {
    for (const other of this.#waiting(row.started_at!)) {
      if (other.queue_key !== row.queue_key || other.started_at !== null || other.suspect) continue;
      // When a claimed execution became due is no longer known; ids are made in the order of starts, delays apart.
      if (other.priority < row.priority) throw new Violation("order", `${row.execution_id} began before ${other.execution_id}, which has a smaller priority`);
    }
    for (const other of this.#waiting(row.started_at!)) {
      if (other.queue_key === row.queue_key && other.started_at !== null && !other.suspect)
        throw new Violation("order", `${row.execution_id} began before ${other.execution_id} went on, which had begun`);
    }
  }

  /** Keys take turns: none gets two while another, which may go on, gets none. */
  #checkTurns(claimed: readonly ExecutionRow[]): void {
    const got = new Map<string, number>();
    for (const { queue_key: key } of claimed) got.set(key, (got.get(key) ?? 0) + 1);
    const greedy = [...got].find(([, count]) => count > 1)?.[0];
    if (greedy === undefined) return;
    for (const row of this.#waiting(this.#world.databaseNow)) {
      const mayBegin = row.started_at !== null || (this.#limits!.rate_limit === null && !this.#beganLately(row.queue_key));
      const passedOver = !got.has(row.queue_key) && !row.suspect && mayBegin && this.#keyMayGoOn(row, this.#limits!);
      if (passedOver) throw new Violation("turns", `key "${greedy}" got ${got.get(greedy)} turns, and ${row.execution_id} with key "${row.queue_key}" none`);
    }
  }

  /** Those with a task that is due. */
  #waiting(now: number): readonly ExecutionRow[] {
    return [...this.#rows.values()].filter((row) => row.worker_id === null && row.visible_at !== null && row.visible_at <= now);
  }

  #claimedOf(key: string | undefined): number {
    let count = 0;
    for (const row of this.#rows.values()) if (row.worker_id !== null && (key === undefined || row.queue_key === key)) count++;
    return count;
  }

  /** What has begun counts for rates beyond a change of the limits, and to the end of a hundredth of the period. */
  #beganLately(key: string): boolean {
    const { key_rate_limit: limit, key_rate_ms: perMs } = this.#limits!;
    return limit !== null && (this.#latest.get(key) ?? Number.NEGATIVE_INFINITY) > this.#world.databaseNow - perMs! * 1.02;
  }

  #begunWithin(key: string | undefined, perMs: number | null, now: number): number {
    const since = now - (perMs ?? 0);
    return this.#begins.filter((begin) => begin.at > since && begin.at <= now && (key === undefined || begin.key === key)).length;
  }
}
