import type { Monitor } from "./monitor.ts";
import type { SimDatabase } from "./sim-database.ts";
import { Violation } from "./violation.ts";

/** What the transaction that committed last wrote without its result being recorded with it. Later, the result may be gone with its run. */
const lonelySql = `SELECT 'the effect of ' || e.key || ' stands without a result' AS what FROM public.effects e
WHERE e.xmin IN (SELECT max(xmin::text::bigint)::text::xid FROM public.effects)
 AND NOT EXISTS (SELECT FROM history h WHERE h.xmin = e.xmin AND h.type = 'StepCompleted' AND h.data LIKE '%"name":"transact"%')`;

/** Results without what they stand for, or with more than that. A resume, a rollback, a fork and an import copy events. */
const brokenResultsSql = `SELECT 'event ' || h.seq || ' of run ' || h.run_id || ' is a result without its effect' AS what FROM history h
WHERE h.type = 'StepCompleted' AND h.data LIKE '%"name":"transact"%' AND NOT EXISTS (SELECT FROM public.effects e WHERE e.xmin = h.xmin)
 AND NOT EXISTS (SELECT FROM history r WHERE r.xmin = h.xmin AND r.type IN ('ExecutionResumed', 'ExecutionForked'))
 AND NOT EXISTS (SELECT FROM executions e WHERE e.xmin = h.xmin AND e.execution_id LIKE 'y%')
UNION ALL
SELECT 'the effect of ' || min(e.key) || ' is there ' || count(*) || ' times' FROM public.effects e GROUP BY e.xmin::text HAVING count(*) > 1`;

/** What the user's transaction that committed last did not do. Later, what it did may be gone with the run it did it to. */
const lostSignalSql = `SELECT 'signal ' || o.id || ' to ' || o.execution_id || ' is not there, its transaction is' FROM public.orders o JOIN executions e USING (execution_id)
WHERE o.what = 'signal' AND o.xmin IN (SELECT max(xmin::text::bigint)::text::xid FROM public.orders) AND e.finished_at IS NULL
 AND NOT EXISTS (SELECT FROM inbox i WHERE i.run_id = e.run_id AND i.message_id = 'signal:' || o.id)
 AND NOT EXISTS (SELECT FROM history h WHERE h.type = 'SignalReceived' AND h.data LIKE '%"signalId":"' || o.id || '"%')`;

/** What a user's transaction did without being committed, or did not do although it was. */
const brokenOrdersSql = `SELECT 'the start of ' || o.execution_id || ' is not there, its transaction is' AS what FROM public.orders o
WHERE o.what = 'start' AND NOT EXISTS (SELECT FROM executions e WHERE e.execution_id = o.execution_id)
UNION ALL
SELECT e.execution_id || ' was started by a transaction that is not there' FROM executions e
WHERE e.execution_id ~ '^x8[0-9]+$' AND NOT EXISTS (SELECT FROM public.orders o WHERE o.execution_id = e.execution_id)
UNION ALL
SELECT 'signal ' || substr(i.message_id, 8) || ' was sent by a transaction that is not there' FROM inbox i
WHERE i.message_id ~ '^signal:x8[0-9]+$' AND NOT EXISTS (SELECT FROM public.orders o WHERE 'signal:' || o.id = i.message_id)`;

/** What is looked at after each kind of transaction: always, and when it has written a row. */
const watchedTransactions: Readonly<Record<string, { readonly table: string; readonly always: string; readonly ofNew: string }>> = {
  transaction: { table: "effects", always: brokenResultsSql, ofNew: lonelySql },
  "user-transaction": { table: "orders", always: brokenOrdersSql, ofNew: lostSignalSql },
};

/** I7: what a transaction does, it does exactly once: its effect and its result are one. */
export class TransactionWatch {
  readonly #database: SimDatabase;
  readonly #monitor: Monitor;
  /** The last transactions that were looked at, by the table they write to. */
  readonly #last = new Map<string, string | null>();

  constructor(database: SimDatabase, monitor: Monitor) {
    this.#database = database;
    this.#monitor = monitor;
  }

  async observe(transaction: string): Promise<void> {
    const watched = watchedTransactions[transaction];
    // The results go with their executions, when nobody keeps these; the effects are the user's.
    if (watched === undefined || this.#monitor.mayForget) return;
    const isNew = await this.#hasNewRow(watched.table);
    const [broken] = await this.#database.read<{ readonly what: string }>(isNew ? `${watched.always} UNION ALL ${watched.ofNew}` : watched.always);
    if (broken !== undefined) throw new Violation("I7", broken.what);
  }

  /** One that is rolled back leaves none. */
  async #hasNewRow(table: string): Promise<boolean> {
    const [row] = await this.#database.read<{ readonly latest: string | null }>(`SELECT max(xmin::text::bigint)::text AS latest FROM public.${table}`);
    const { latest } = row!;
    const isNew = latest !== (this.#last.get(table) ?? null);
    this.#last.set(table, latest);
    return isNew;
  }
}
