import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { defineWorkflow, Pawl } from "pawl";
import { silentLogger } from "pawl/internal";
import type { Client } from "pg";
import { runIdAt, withMigratedClient } from "./migrated-client.ts";
import { inOwnDatabase } from "./own-database.ts";

/**
 * How late sleeping executions wake when very many sleep on one database: a million of them by default, of which a thousand are
 * due in each second. The rows are made with SQL, as parked executions have them. See ../README.md.
 */

const { values } = parseArgs({
  options: {
    executions: { type: "string", default: "1000000" },
    rate: { type: "string", default: "1000" },
    seconds: { type: "string", default: "60" },
  },
});
const executions = wholeNumber("executions", values.executions);
const rate = wholeNumber("rate", values.rate);
const seconds = wholeNumber("seconds", values.seconds);

const sleeper = defineWorkflow({ name: "sleeper", run: async (ctx, durationMs: number) => ctx.sleep(durationMs) });

const begin = `CREATE TABLE sleepers AS SELECT i, ${runIdAt("now()")} AS run_id FROM generate_series(1, $1::int) AS i`;
const makeExecutions = `INSERT INTO pawl.executions (run_id, epoch, last_seq, created_at, started_at, state, namespace, execution_id, workflow, version, task_queue, waiting_for)
SELECT run_id, 1, 2, now(), now(), 'running', 'default', 'sleeper-' || i, 'sleeper', '1', 'default', 'a timer' FROM sleepers`;
const makeStarts = `INSERT INTO pawl.history (run_id, seq, epoch, at, type, data) SELECT run_id, 1, 0, now(), 'ExecutionStarted', '{"input":1}' FROM sleepers`;
/** The first is due so many seconds from now, the others one after the other. */
const makeTimers = `INSERT INTO pawl.history (run_id, seq, epoch, at, type, data)
SELECT run_id, 2, 1, to_timestamp($1::float8), 'TimerStarted', '{"position":1,"durationMs":' || ($2::int * 1000 + i * 1000.0 / $3::int)::bigint || '}' FROM sleepers`;
const makeTasks = `INSERT INTO pawl.tasks (run_id, visible_at, namespace, task_queue, definition)
SELECT run_id, to_timestamp($1::float8) + ($2::int * 1000 + i * 1000.0 / $3::int)::bigint * interval '1 millisecond', 'default', 'default', 'sleeper@1' FROM sleepers`;
const lateness = `SELECT count(*)::int AS woken, percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY late) AS late FROM (
 SELECT extract(epoch FROM f.at - s.at)::float8 * 1000 - (s.data::json ->> 'durationMs')::float8 AS late
 FROM pawl.history f JOIN pawl.history s ON s.run_id = f.run_id AND s.seq = 2 WHERE f.type = 'TimerFired') AS fired`;

await inOwnDatabase("sleepers", (url, server) => withMigratedClient(url, (client) => measure(client, url, server)));

async function measure(client: Client, url: string, server: string): Promise<void> {
  const started = performance.now();
  await client.query(begin, [executions]);
  await client.query(makeExecutions);
  await client.query(makeStarts);
  // So long it takes to make the timers and their tasks, and to look at all tables.
  const lead = 30 + Math.ceil(executions / 10_000);
  const origin = Date.now() / 1000;
  await client.query(makeTimers, [origin, lead, rate]);
  await client.query(makeTasks, [origin, lead, rate]);
  await client.query("VACUUM ANALYZE");
  const left = origin + lead - Date.now() / 1000;
  console.log(`${server}; ${executions.toLocaleString("en")} sleeping executions made in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  if (left < 0) throw new Error(`Making them took ${(-left).toFixed(0)} s longer than until the first is due. Ask for fewer with --executions.`);
  const pawl = await Pawl.open({ url, logger: silentLogger });
  try {
    await pawl.worker({ workflows: [sleeper] });
    await delay(Math.max(0, left + seconds) * 1000);
  } finally {
    await pawl.close();
  }
  const { rows } = await client.query<{ woken: number; late: readonly number[] }>(lateness);
  const { woken, late } = rows[0]!;
  const [median, p99, worst] = late.map((ms) => `${ms.toFixed(0)} ms`);
  console.log(`${woken.toLocaleString("en")} woken in ${seconds} s, ${rate} due in each: late by ${median} (median), ${p99} (99 %), ${worst} (worst)`);
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number from 1.`);
  return value;
}
