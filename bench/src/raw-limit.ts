import { randomFillSync } from "node:crypto";
import { performance } from "node:perf_hooks";
import { Client } from "pg";
import { stepResult } from "./counters.ts";
import { percentile } from "./measure.ts";
import { int4Array, textArray, uuidArray } from "./raw-arrays.ts";

/**
 * What this machine and its PostgreSQL can do for the same rows when nothing else is done: bare batch loops over `pg`
 * with the fastest statement shape that was found (binary arrays, one statement per commit, plans from the index).
 */
export interface RawLimits {
  /** One durable one-row insert after the other on one connection. */
  readonly commitMs: number;
  readonly commitP99Ms: number;
  readonly commitsPerSecond: number;
  /** A step: one history row and one update of its execution. A workflow: two history rows, one insert, one update. */
  readonly steps100: number;
  readonly steps500: number;
  readonly workflows100: number;
  readonly workflows500: number;
}

const schema = `
  create table executions (run_id uuid primary key, last_seq int not null, state text not null, at timestamptz not null) with (fillfactor = 85);
  create table history (run_id uuid, seq int, at timestamptz not null, type text not null, data text not null, primary key (run_id, seq));
`;
const start = `
  with input as (select * from unnest($1::uuid[], $2::text[]) as i (run_id, data)),
  written as (insert into history select run_id, 1, now(), 'ExecutionStarted', data from input)
  insert into executions select run_id, 1, 'running', now() from input`;
const append = `
  with input as (select * from unnest($1::uuid[], $2::int4[], $3::text[]) as i (run_id, seq, data)),
  written as (insert into history select run_id, seq, now(), 'StepCompleted', data from input)
  update executions e set last_seq = i.seq, state = 'running', at = now() from input i where e.run_id = i.run_id`;
/** Without these the planner may read all executions to update a hundred, once the prepared plan is a generic one. */
const indexPlans = "set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off";

let sequence = 0;

/** Ids in the order of time, as a good engine makes them: the index then grows at its end. */
function newIds(count: number): Buffer[] {
  const all = randomFillSync(Buffer.allocUnsafe(count * 16));
  return Array.from({ length: count }, (_, index) => {
    const id = all.subarray(index * 16, index * 16 + 16);
    id.writeUIntBE(Date.now(), 0, 6);
    id.writeUInt16BE(sequence & 0xffff, 6);
    sequence += 1;
    return id;
  });
}

/** Batches of steps of the same executions, one batch after the other, until `end`; gives the rows written. */
async function writeSteps(client: Client, batch: number, end: number): Promise<number> {
  const ids = newIds(batch);
  const idParameter = uuidArray(ids);
  await client.query({ name: "start", text: start, values: [idParameter, textArray("{}", batch)] });
  let rows = 0;
  for (let seq = 2; performance.now() < end; seq += 1) {
    const values = [idParameter, int4Array(seq, batch), textArray(stepResult, batch)];
    rows += (await client.query({ name: "append", text: append, values })).rowCount ?? 0;
  }
  return rows;
}

/** Batches of whole workflows, each with one commit that starts and one that ends it. */
async function writeWorkflows(client: Client, batch: number, end: number): Promise<number> {
  let workflows = 0;
  while (performance.now() < end) {
    const ids = uuidArray(newIds(batch));
    await client.query({ name: "start", text: start, values: [ids, textArray("{}", batch)] });
    const values = [ids, int4Array(2, batch), textArray("{}", batch)];
    workflows += (await client.query({ name: "append", text: append, values })).rowCount ?? 0;
  }
  return workflows;
}

/** The better of one connection and two, with `width` rows on their way in total. */
async function bestRate(clients: readonly Client[], width: number, durationMs: number, write: typeof writeSteps): Promise<number> {
  let best = 0;
  for (const count of [1, 2]) {
    const begin = performance.now();
    const written = await Promise.all(clients.slice(0, count).map((client) => write(client, width / count, begin + durationMs)));
    const rate = (written.reduce((sum, rows) => sum + rows, 0) / (performance.now() - begin)) * 1000;
    best = Math.max(best, rate);
  }
  return best;
}

async function singleCommits(client: Client, durationMs: number): Promise<number[]> {
  const latencies: number[] = [];
  const end = performance.now() + durationMs;
  let now = performance.now();
  while (now < end) {
    const values = [uuidArray(newIds(1)), textArray(stepResult, 1)];
    await client.query({
      name: "single",
      text: "insert into history select i, 1, now(), 'StepCompleted', d from unnest($1::uuid[], $2::text[]) as u (i, d)",
      values,
    });
    const after = performance.now();
    latencies.push(after - now);
    now = after;
  }
  return latencies;
}

export async function measureRawLimits(url: string, quick: boolean): Promise<Record<keyof RawLimits, number>> {
  const durationMs = quick ? 500 : 2000;
  const clients = [new Client({ connectionString: url }), new Client({ connectionString: url })] as const;
  try {
    for (const client of clients) {
      await client.connect();
      await client.query(indexPlans);
    }
    await clients[0].query(schema);
    await bestRate(clients, 100, durationMs / 2, writeSteps);
    const latencies = await singleCommits(clients[0], durationMs);
    return {
      commitMs: percentile(latencies, 0.5),
      commitP99Ms: percentile(latencies, 0.99),
      commitsPerSecond: (latencies.length / latencies.reduce((sum, ms) => sum + ms, 0)) * 1000,
      steps100: await bestRate(clients, 100, durationMs, writeSteps),
      steps500: await bestRate(clients, 500, durationMs, writeSteps),
      workflows100: await bestRate(clients, 100, durationMs, writeWorkflows),
      workflows500: await bestRate(clients, 500, durationMs, writeWorkflows),
    };
  } finally {
    for (const client of clients) await client.end().catch(() => undefined);
  }
}
