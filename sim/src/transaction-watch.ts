import type { Monitor } from "./monitor.ts";
import type { SimDatabase } from "./sim-database.ts";
import { Violation } from "./violation.ts";

/** What a transaction wrote without its result being recorded in the same transaction, and results without what they stand for. A resume, a rollback and a fork copy events. */
const lonelySql = `SELECT 'the effect of ' || e.key || ' stands without a result' AS what FROM public.effects e
WHERE NOT EXISTS (SELECT FROM history h WHERE h.xmin = e.xmin AND h.type = 'StepCompleted' AND h.data LIKE '%"name":"transact"%')
UNION ALL
SELECT 'event ' || h.seq || ' of run ' || h.run_id || ' is a result without its effect' FROM history h
WHERE h.type = 'StepCompleted' AND h.data LIKE '%"name":"transact"%' AND NOT EXISTS (SELECT FROM public.effects e WHERE e.xmin = h.xmin)
 AND NOT EXISTS (SELECT FROM history r WHERE r.xmin = h.xmin AND r.type IN ('ExecutionResumed', 'ExecutionForked'))
UNION ALL
SELECT 'the effect of ' || min(e.key) || ' is there ' || count(*) || ' times' FROM public.effects e GROUP BY e.xmin::text HAVING count(*) > 1`;

/** I7: what a transaction does, it does exactly once: its effect and its result are one. */
export class TransactionWatch {
  readonly #database: SimDatabase;
  readonly #monitor: Monitor;

  constructor(database: SimDatabase, monitor: Monitor) {
    this.#database = database;
    this.#monitor = monitor;
  }

  async observe(transaction: string): Promise<void> {
    // The results go with their executions, when nobody keeps these; the effects are the user's.
    if (transaction !== "transaction" || this.#monitor.mayForget) return;
    const [lonely] = await this.#database.read<{ readonly what: string }>(lonelySql);
    if (lonely !== undefined) throw new Violation("I7", lonely.what);
  }
}
