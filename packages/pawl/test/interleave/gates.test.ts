import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plannerSettings } from "../../src/postgres/pg-connections.ts";
import { prepareCommit } from "../../src/postgres/statements/commit.ts";
import { prepareOne } from "../../src/postgres/statements/commit-one.ts";
import { claim } from "../../src/postgres/statements/claim.ts";
import { closeExecution } from "../../src/postgres/statements/close-execution.ts";
import { expireWorkers } from "../../src/postgres/statements/expire-workers.ts";
import { heartbeat } from "../../src/postgres/statements/heartbeat.ts";
import { release } from "../../src/postgres/statements/release.ts";
import { requestCancel } from "../../src/postgres/statements/request-cancel.ts";
import { resume } from "../../src/postgres/statements/resume.ts";
import { takeOver } from "../../src/postgres/statements/take-over.ts";
import type { Transaction } from "../../src/postgres/transaction.ts";
import { freshDatabase, type FreshDatabase } from "../support/database.ts";
import { Arena } from "./arena.ts";
import { exploredRole } from "./gates.ts";
import { appendTo, childCompleted, events, namespace, runs, startOf, workers } from "./world.ts";

/** The order in which a statement takes its locks is in its plan, so an explored session must have the plans of production. */
const at = { runId: runs.parent, epoch: 1, seq: 1 };
const ending = appendTo(at, { events: [events.completed], after: { kind: "end", state: "completed" } });
const child = appendTo(
  { ...at, runId: runs.child },
  {
    events: [events.step(1), events.step(2)],
    after: { kind: "park", wakeAt: 1, seenInbox: 0, waitingFor: "news" },
    starts: [startOf("newborn")],
    messages: [childCompleted(runs.parent, 1)],
    consumed: ["m"],
  },
);
const closing = {
  namespace,
  executionId: "parent",
  state: "terminated",
  onlyFrom: ["running"],
  event: { type: "ExecutionTerminated", data: "{}" },
  childFailed: "",
  toChildren: "{}",
} as const;

const transactions: readonly (readonly [string, Transaction<unknown>])[] = [
  ["commit of one event", prepareOne({ starts: [], appends: [appendTo(at, { events: [events.step(1)] })] }, "1")!.transaction],
  ["commit of one end", prepareOne({ starts: [], appends: [ending] }, "1")!.transaction],
  ["commit of several", prepareCommit({ starts: [startOf("sibling")], appends: [ending, child] }, "1").transaction],
  ["claim", claim({ workerId: workers.one, namespace, taskQueues: ["q"], definitions: ["w@1"], limit: 10, suspects: true })],
  ["release", release(workers.one, [])],
  ["take-over", takeOver(workers.one, 10)],
  ["expire-workers", expireWorkers([])],
  ["heartbeat", heartbeat(workers.one, 1000)],
  ["request-cancel", requestCancel(namespace, "parent", "{}")],
  ["close-execution", closeExecution(closing)],
  ["resume", resume(namespace, "parent", runs.next)],
];

let database: FreshDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  const arena = new Arena(database.url);
  await arena.open();
  await arena.close();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`SET search_path = "pawl"; ${plannerSettings}`);
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

test.each(transactions)("%s has the same plan with gates", async (_name, { text, parameters }) => {
  const plan = async (role: string): Promise<unknown> => {
    await client.query(`SET ROLE ${role}; PREPARE explored AS ${text}`);
    const { rows } = await client.query<{ readonly "QUERY PLAN": readonly { readonly Plan: PlanNode }[] }>(
      `EXPLAIN (FORMAT JSON) EXECUTE explored(${parameters.map(() => "NULL").join(", ")})`,
    );
    await client.query("DEALLOCATE explored; RESET ROLE");
    return shapeOf(rows[0]!["QUERY PLAN"][0]!.Plan);
  };
  expect(await plan(exploredRole)).toEqual(await plan("NONE"));
});

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly Plans?: readonly PlanNode[];
}

/** What is read in which order by which index; gates are filters. */
function shapeOf(node: PlanNode): unknown {
  return [node["Node Type"], node["Relation Name"], node["Index Name"], node["Index Cond"], ...(node.Plans ?? []).map(shapeOf)];
}
