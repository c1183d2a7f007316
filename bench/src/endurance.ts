import { parseArgs } from "node:util";
import { defineWorkflow, Pawl } from "pawl";
import { silentLogger } from "pawl/internal";
import { Client } from "pg";
import { anyNumber } from "./any-number.ts";
import { inOwnDatabase } from "./own-database.ts";

/**
 * Whether tables grow with work that is over: runs a million executions, of which half are one step, a quarter comes through a queue with
 * limits, rates, keys and priorities, and a quarter waits for a signal. Says now and then how large the tables and indexes of what is to
 * be done are, and how much of them is dead. With --keep, such as "1 minute", ended executions are deleted meanwhile. See ../README.md.
 */

const { values } = parseArgs({
  options: { executions: { type: "string", default: "1000000" }, reports: { type: "string", default: "10" }, keep: { type: "string" } },
});
const executions = Number(values.executions);
const reports = Number(values.reports);
if (!Number.isInteger(executions) || !Number.isInteger(reports) || reports < 1 || executions < reports)
  throw new Error("--executions and --reports take whole numbers from 1, and no more reports than executions.");

const inFlight = 500;
const one = defineWorkflow({ name: "one", run: async (ctx, input: number) => ctx.step("double", () => input * 2) });
const told = defineWorkflow({ name: "told", signals: { go: anyNumber }, run: async (ctx) => ctx.signal("go") });
const limited = "limited";

/** What only holds work that is not over, and the indexes of it. */
const sizes = `SELECT (SELECT string_agg(s.relname || ' ' || pg_size_pretty(pg_table_size(s.relid)) || ' (' || s.n_dead_tup || ' dead)', ', ' ORDER BY s.relname)
  FROM pg_stat_user_tables s WHERE s.schemaname = 'pawl' AND s.relname IN ('tasks', 'inbox', 'workers', 'queue_begins', 'noted_signals')) AS tables,
 (SELECT string_agg(c.relname || ' ' || pg_size_pretty(pg_relation_size(c.oid)), ', ' ORDER BY c.relname)
  FROM pg_class c WHERE c.relname IN ('tasks_pkey', 'tasks_claim', 'tasks_ordered', 'inbox_pkey', 'executions_claimed', 'executions_limited', 'executions_merging')) AS indexes,
 (SELECT pg_size_pretty(pg_total_relation_size('pawl.executions')) || ' (' || n_dead_tup || ' dead rows)' FROM pg_stat_user_tables WHERE relid = 'pawl.executions'::regclass) AS executions`;

await inOwnDatabase("endurance", async (url, server) => {
  const pawl = await Pawl.open({ url, logger: silentLogger });
  // Started from elsewhere, so that each goes through the queue.
  const starter = await Pawl.open({ url, logger: silentLogger });
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await pawl.queues.set(limited, { concurrency: 100, perKey: { concurrency: 10, rate: { limit: 10_000, per: "1 second" } } });
    if (values.keep !== undefined) await pawl.retention.set({ keep: values.keep });
    await pawl.worker({ workflows: [one, told], taskQueues: ["default", limited], concurrency: inFlight, retentionInterval: "5s" });
    console.log(`${server}; ${executions.toLocaleString("en")} executions, ${inFlight} at a time`);
    for (let report = 1; report <= reports; report++) {
      const count = Math.floor(executions / reports);
      const started = performance.now();
      await run(starter, count);
      const rate = count / ((performance.now() - started) / 1000);
      const { rows } = await client.query<{ tables: string; indexes: string; executions: string }>(sizes);
      const { tables, indexes, executions: all } = rows[0]!;
      console.log(`${(count * report).toLocaleString("en").padStart(12)}: ${rate.toFixed(0)}/s\n    ${tables}\n    ${indexes}\n    executions ${all}`);
    }
  } finally {
    await client.end();
    await starter.close();
    await pawl.close();
  }
});

async function runOne(starter: Pawl, index: number): Promise<void> {
  if (index % 4 === 0) {
    const handle = await starter.start(told, undefined);
    await handle.signal("go", index);
    await handle.result();
  } else if (index % 4 === 1) await starter.execute(one, index, { taskQueue: limited, key: `k${index % 50}`, priority: index % 3 });
  else await starter.execute(one, index);
}

async function run(starter: Pawl, count: number): Promise<void> {
  let left = count;
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left--;
      await runOne(starter, left);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
}
