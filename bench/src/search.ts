import { parseArgs } from "node:util";
import { drizzle } from "drizzle-orm/node-postgres";
import { parseFilter, Queries, tablesIn } from "pawl/internal";
import type { Client } from "pg";
import { runIdAt, withMigratedClient } from "./migrated-client.ts";
import { inOwnDatabase } from "./own-database.ts";

/**
 * How lists, counts and filters find their way through many executions: generates them, asks what people ask, and prints the
 * time of each (median of five, warm) with the plan that PostgreSQL made. See ../README.md.
 */

const namespace = "default";

/** One execution a second, the newest just now; states, labels and attributes as unevenly spread as in life. */
const generate = `INSERT INTO pawl.executions (run_id, epoch, last_seq, created_at, started_at, finished_at, state, namespace, execution_id, workflow, version, task_queue, queue_key, priority, labels, attributes)
SELECT ${runIdAt("at")}, 2, 3, at, at, at + interval '1 second',
 CASE WHEN i % 1000 = 0 THEN 'failed' WHEN i % 100000 = 7 THEN 'quarantined' WHEN i > $1::int - 1000 AND i % 50 = 1 THEN 'running' ELSE 'completed' END,
 '${namespace}', 'execution-' || i, 'workflow-' || (i % 20), '1', 'default', CASE WHEN i % 3 = 0 THEN 'key-' || (i / 3 % 10000) END, CASE WHEN i % 1000 = 5 THEN -1 WHEN i % 10 = 0 THEN 5 END,
 CASE WHEN i % 2 = 0 THEN jsonb_build_object('customer', 'c' || (i / 2 % 10000), 'env', CASE WHEN i % 20 = 0 THEN 'test' ELSE 'prod' END)
  || CASE WHEN i <= 2000 THEN '{"old":"yes"}'::jsonb ELSE '{}' END END,
 CASE WHEN i % 2 = 0 THEN jsonb_build_object('amount', i % 5000, 'region', 'r' || (i % 7), 'urgent', i % 5000 = 42) END
FROM (SELECT i, now() - ($1::int - i) * interval '1 second' AS at FROM generate_series(1, $1::int) AS i) AS g`;

interface Question {
  readonly title: string;
  readonly filter?: string;
  readonly createdAfter?: number;
  readonly groupBy?: "state";
  readonly count?: true;
  /** Begins so far into the list, from 0 to 1. */
  readonly from?: number;
}

const hourAgo = Date.now() - 3_600_000;

const questions: readonly Question[] = [
  { title: "first page of all" },
  { title: "a page in the middle", from: 0.5 },
  { title: "the last page", from: 0.99999 },
  { title: "rare state", filter: 'state == "quarantined"' },
  { title: "what failed or is held", filter: 'state in ["failed", "quarantined"]' },
  { title: "what is running", filter: 'state == "running"' },
  { title: "what is pending (nothing)", filter: 'state == "pending"' },
  { title: "what has not completed", filter: 'state != "completed"' },
  { title: "one workflow of 20", filter: 'workflow == "workflow-7"' },
  { title: "one workflow, failed", filter: 'workflow == "workflow-0" && state == "failed"' },
  { title: "common label", filter: 'labels.env == "prod"' },
  { title: "common label, in the middle", filter: 'labels.env == "prod"', from: 0.5 },
  { title: "one customer of 10,000", filter: 'labels.customer == "c77"' },
  { title: "one key of 10,000", filter: 'key == "key-77"' },
  { title: "key that nobody has", filter: 'key == "nobody"' },
  { title: "priority of one in 1,000", filter: "priority < 0" },
  { title: "priority that nobody has", filter: "priority == 7" },
  { title: "one key of 10,000, with a priority", filter: 'key == "key-77" && priority > 0' },
  { title: "label that only the oldest have", filter: 'labels.old == "yes"' },
  { title: "label that nobody has", filter: 'labels.customer == "nobody"' },
  { title: "customer, and amount in a range", filter: 'labels.customer == "c77" && attributes.amount > 100 && attributes.amount < 200' },
  { title: "amount in a range", filter: "attributes.amount > 4990" },
  { title: "rare attribute", filter: "attributes.urgent" },
  { title: "one customer, not failed", filter: 'labels.customer == "c77" && state != "failed"' },
  { title: "text in a label", filter: 'labels.customer.startsWith("c77")' },
  { title: "created within the hour", createdAfter: hourAgo },
  { title: "created in the last ten seconds", createdAfter: Date.now() - 10_000 },
  { title: "the same as a filter", filter: 'createdAt > now() - duration("10s")' },
  { title: "created within the hour, failed", createdAfter: hourAgo, filter: 'state == "failed"' },
  { title: "count of all", count: true },
  { title: "count by state", count: true, groupBy: "state" },
  { title: "count of what is running", count: true, filter: 'state == "running"' },
  { title: "count of one customer", count: true, filter: 'labels.customer == "c77"' },
];

const { values } = parseArgs({ options: { executions: { type: "string", default: "1000000" }, plans: { type: "boolean", default: false } } });
const executions = Number(values.executions);
if (!Number.isInteger(executions) || executions < 1) throw new Error("--executions takes a whole number from 1.");

await inOwnDatabase("search", (url, server) => withMigratedClient(url, (client) => askAll(client, server)));

async function askAll(client: Client, server: string): Promise<void> {
  await fill(client);
  console.log(`${server}; ${executions.toLocaleString("en")} executions`);
  for (const question of questions) await ask(client, question);
  console.log("With an index that docs/search.md gives to those who need it:");
  await client.query("CREATE INDEX executions_created ON pawl.executions USING brin (created_at)");
  for (const question of questions.filter(({ createdAfter, filter }) => createdAfter !== undefined || filter?.includes("createdAt")))
    await ask(client, question);
}

async function fill(client: Client): Promise<void> {
  const started = performance.now();
  await client.query(generate, [executions]);
  await client.query("VACUUM ANALYZE pawl.executions");
  const { rows } = await client.query<{ name: string; size: string }>(
    "SELECT relname AS name, pg_size_pretty(pg_relation_size(oid)) AS size FROM pg_class WHERE relname LIKE 'executions%' ORDER BY relname",
  );
  console.log(`made in ${((performance.now() - started) / 1000).toFixed(0)} s; ${rows.map(({ name, size }) => `${name} ${size}`).join(", ")}`);
}

async function ask(client: Client, question: Question): Promise<void> {
  let plan: readonly string[] = [];
  const explaining = {
    query: async ({ text }: { text: string }, parameters: unknown[]) => {
      const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, SUMMARY ON) ${text}`, parameters);
      plan = rows.map((row) => row["QUERY PLAN"]);
      return { rows: question.count === true ? [[0, 0]] : [] };
    },
  };
  const queries = new Queries(drizzle(explaining as unknown as Client), tablesIn("pawl"));
  const filter = {
    namespace,
    ...(question.createdAfter === undefined ? {} : { createdAfter: question.createdAfter }),
    ...(question.filter === undefined ? {} : { filter: parseFilter(question.filter) }),
  };
  const before = question.from === undefined ? undefined : await runAt(client, question.from);
  const times: number[] = [];
  for (let turn = 0; turn < 6; turn++) {
    await (question.count === true
      ? queries.count(filter, question.groupBy === undefined ? undefined : { of: "text", name: question.groupBy }, 1001)
      : queries.list(filter, { limit: 51, ...(before === undefined ? {} : { before }) }));
    const total = plan.find((line) => line.startsWith("Execution Time"));
    if (turn > 0) times.push(Number(/[\d.]+/.exec(total!)![0]));
  }
  const scans = plan
    .filter((line) => /Scan/.test(line))
    .map((line) => /((?:Parallel )?\S+(?: Only)?(?: Index)? Scan(?: Backward)?(?: using \S+| on executions_\S+)?)/.exec(line)?.[1] ?? line.trim());
  console.log(`${question.title.padEnd(34)} ${median(times).toFixed(1).padStart(9)} ms  ${scans.join(", ")}`);
  if (values.plans) console.log(plan.map((line) => `      ${line}`).join("\n"));
}

async function runAt(client: Client, part: number): Promise<string> {
  const seconds = Math.round(executions * part);
  const { rows } = await client.query<{ run_id: string }>("SELECT run_id FROM pawl.executions WHERE execution_id = $1 AND namespace = $2", [
    `execution-${Math.max(60, executions - seconds)}`,
    namespace,
  ]);
  return rows[0]!.run_id;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
}
