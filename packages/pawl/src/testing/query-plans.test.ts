import { PGlite } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseFilter } from "../client/filter/parse-filter.ts";
import { latestStates } from "../kernel/execution-state.ts";
import { migrate } from "../postgres/migrate.ts";
import { Queries } from "../postgres/queries.ts";
import { tablesIn } from "../postgres/schema.ts";
import type { ListFilter } from "../store/store.ts";

/**
 * How lists and counts find few among many: PostgreSQL plans each for its values, and by its statistics, which are true here. Nearly all
 * executions have completed, and of all other states there are fewer than a page, far apart.
 */
interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly Plans?: readonly PlanNode[];
}

const executions = 20_000;
const worker = "00000000-0000-7000-8000-000000000001";
const rare = `CASE i % 2000 WHEN 1 THEN 'running' WHEN 2 THEN 'running' WHEN 3 THEN 'pending' WHEN 4 THEN 'failed' WHEN 5 THEN 'quarantined' WHEN 6 THEN 'paused' ELSE 'completed' END`;

let db: PGlite;

beforeAll(async () => {
  db = await PGlite.create();
  await migrate({ exec: async (sql) => void (await db.exec(sql)), query: async (sql) => (await db.query<Record<string, unknown>>(sql)).rows }, "pawl", true);
  await db.exec(`
    INSERT INTO pawl.executions (run_id, epoch, last_seq, created_at, state, namespace, execution_id, workflow, version, task_queue, worker_id, labels)
      SELECT (lpad(to_hex(i), 12, '0') || '70008000000000000000')::uuid, 1, 1, now() - (${executions} - i) * interval '1 second', ${rare},
       CASE WHEN i % 400 IN (1, 2, 3, 4) THEN 'small' ELSE 'large' END, 'e' || i, 'w' || i % 20, '1', 'q', CASE WHEN i % 2000 = 2 THEN '${worker}'::uuid END,
       CASE WHEN i % 2 = 0 THEN jsonb_build_object('customer', 'c' || i % 1000) END
      FROM generate_series(1, ${executions}) AS i`);
  await db.exec(`INSERT INTO pawl.workers
   SELECT gen_random_uuid(), 'large', CASE WHEN i < 3 THEN 'live' ELSE 'dead' END, now(), 'h' || i % 3, 1, '1', '{q}', '{w@1}', '{q}', 1, now(), CASE WHEN i < 3 THEN NULL ELSE now() END
   FROM generate_series(1, ${executions}) AS i`);
  await db.exec("VACUUM ANALYZE pawl.executions, pawl.workers");
});

afterAll(() => db.close());

/** What a query reads, by the indexes it goes through. */
async function readsOf(ask: (queries: Queries) => Promise<unknown>): Promise<readonly string[]> {
  const reads: string[] = [];
  const visit = (node: PlanNode): void => {
    const { "Node Type": type, "Index Name": index, "Relation Name": relation } = node;
    if (index !== undefined) reads.push(index);
    else if (relation !== undefined && type !== "Bitmap Heap Scan") reads.push(`${type} of ${relation}`);
    for (const part of node.Plans ?? []) visit(part);
  };
  const query = async (text: string, parameters: unknown[]) => {
    const { rows } = await db.query<{ "QUERY PLAN": readonly { readonly Plan: PlanNode }[] }>(`EXPLAIN (FORMAT JSON) ${text}`, parameters);
    visit(rows[0]!["QUERY PLAN"][0]!.Plan);
    // A list of nothing; a count reads its only row.
    return { rows: text.includes("count(*)") && !text.includes("group by") ? [[0]] : [] };
  };
  await ask(new Queries(drizzle({ query } as unknown as PGlite), tablesIn("pawl")));
  return reads.toSorted();
}

const claimable = ["executions_claimed", "executions_unclaimed"];
const notCompleted = ["executions_claimed", "executions_exceptional", "executions_unclaimed"];

const questions: readonly (readonly [filter: string, reads: readonly string[]])[] = [
  ['state == "running"', claimable],
  ['state == "pending"', claimable],
  ['state in ["pending", "running"]', claimable],
  ['state == "running" && workflow == "w1"', claimable],
  ['state == "running" || state == "pending"', [...claimable, ...claimable].toSorted()],
  ['state in ["running", "failed"]', notCompleted],
  ['state != "completed"', notCompleted],
  ['state == "failed"', ["executions_exceptional"]],
  ['state in ["paused", "quarantined"]', ["executions_exceptional"]],
  ['labels.customer == "c2"', ["executions_search"]],
];

test.each(questions)("the few that meet %s are listed and counted through an index of such", async (filter, reads) => {
  const few: ListFilter = { namespace: "large", filter: parseFilter(filter) };
  expect(await readsOf((queries) => queries.list(few, { limit: 51 }))).toEqual(reads);
  expect(await readsOf((queries) => queries.count(few, undefined, 1000))).toEqual(reads);
  expect(await readsOf((queries) => queries.count(few, { of: "text", name: "workflow" }, 1000))).toEqual(reads);
});

test("the option `state` finds them as the filter does", async () => {
  const few: ListFilter = { namespace: "large", state: ["running", "pending"] };
  expect(await readsOf((queries) => queries.list(few, { limit: 51 }))).toEqual(claimable);
  expect(await readsOf((queries) => queries.count(few, undefined, 1000))).toEqual(claimable);
});

test("what is open is counted by version without what has ended", async () => {
  expect(await readsOf((queries) => queries.unfinishedByVersion("large", undefined))).toEqual(notCompleted);
});

test("workers are watched through those that live and those that have claims, however many have died", async () => {
  expect(await readsOf((queries) => queries.watchedWorkers("h1"))).toEqual(["executions_claimed", "workers_live", "workers_live"]);
  const queries = new Queries(drizzle(db), tablesIn("pawl"));
  expect(await queries.watchedWorkers("h1")).toMatchObject({ neighbours: [{ pid: 1 }], dead: [worker] });
});

test("a page of all, or of what completed, follows the primary key", async () => {
  for (const filter of [undefined, parseFilter('state == "completed"')]) {
    const all: ListFilter = { namespace: "large", ...(filter === undefined ? {} : { filter }) };
    expect(await readsOf((queries) => queries.list(all, { limit: 51 }))).toEqual(["executions_pkey"]);
  }
});

test("a small namespace among large ones is not looked for among theirs", async () => {
  const page = { limit: 51 };
  for (const namespace of ["small", "nobody"]) {
    expect(await readsOf((queries) => queries.count({ namespace }, undefined, 1000))).toEqual(["executions_id"]);
    expect(await readsOf((queries) => queries.list({ namespace, state: ["failed"] }, page))).toEqual(["executions_exceptional"]);
  }
  expect(await readsOf((queries) => queries.list({ namespace: "small", state: ["running"] }, page))).toEqual(claimable);
  expect(await readsOf((queries) => queries.list({ namespace: "nobody", state: ["running"] }, page))).toEqual(["executions_id"]);
  expect(await readsOf((queries) => queries.list({ namespace: "nobody" }, page))).toEqual(["executions_id"]);
});

test("whatever states are asked for, they are found, claimed or not", async () => {
  const queries = new Queries(drizzle(db), tablesIn("pawl"));
  const idsOf = async (filter: ListFilter) => (await queries.list(filter, { limit: executions })).map(({ executionId }) => executionId);
  for (let bits = 1; bits < 2 ** latestStates.length; bits += 37) {
    const states = latestStates.filter((_, index) => (bits >> index) % 2 === 1);
    const expected = await db.query<{ id: string }>(
      "SELECT execution_id AS id FROM pawl.executions WHERE namespace = 'small' AND state = ANY($1) ORDER BY run_id DESC",
      [states],
    );
    const ids = expected.rows.map(({ id }) => id);
    const filter = parseFilter(`state in ${JSON.stringify(states)}`);
    expect(await idsOf({ namespace: "small", state: states })).toEqual(ids);
    expect(await idsOf({ namespace: "small", filter })).toEqual(ids);
    expect(await queries.count({ namespace: "small", filter }, undefined, 1)).toEqual([{ value: null, count: ids.length }]);
  }
  const all = await idsOf({ namespace: "small" });
  for (const state of latestStates) {
    const [are, areNot] = [
      await idsOf({ namespace: "small", state: [state] }),
      await idsOf({ namespace: "small", filter: parseFilter(`state != "${state}"`) }),
    ];
    expect(areNot).toEqual(all.filter((id) => !are.includes(id)));
  }
});
