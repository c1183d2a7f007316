import { PGlite } from "@electric-sql/pglite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newUuid } from "../base/ids.ts";
import { migrate } from "../postgres/migrate.ts";
import { prepareCommit } from "../postgres/statements/commit.ts";
import { prepareOne } from "../postgres/statements/commit-one.ts";
import { changeSchedule } from "../postgres/statements/change-schedule.ts";
import { claimLimited } from "../postgres/statements/claim-limited.ts";
import { deleteQueue, listQueues, queueLoad, setQueue } from "../postgres/statements/queues.ts";
import { mergeStart } from "../postgres/statements/merge-start.ts";
import { claim } from "../postgres/statements/claim.ts";
import { tellChildren } from "../postgres/statements/tell-children.ts";
import { continueAsNew, findContinued } from "../postgres/statements/continue-as-new.ts";
import { closeExecution } from "../postgres/statements/close-execution.ts";
import { createSchedule } from "../postgres/statements/create-schedule.ts";
import { deleteSchedule } from "../postgres/statements/delete-schedule.ts";
import { deleteContinued } from "../postgres/statements/delete-continued.ts";
import { deleteEnded } from "../postgres/statements/delete-ended.ts";
import { findExisting } from "../postgres/statements/find-existing.ts";
import { expireWorkers } from "../postgres/statements/expire-workers.ts";
import { fireSchedules } from "../postgres/statements/fire-schedules.ts";
import { fork } from "../postgres/statements/fork.ts";
import { heartbeat } from "../postgres/statements/heartbeat.ts";
import { importExecution } from "../postgres/statements/import-execution.ts";
import { findCommitted, lostClaims, readHistories, readHistory, readInboxes } from "../postgres/statements/reads.ts";
import { dueSchedules, listSchedules, readSchedule } from "../postgres/statements/read-schedules.ts";
import { nextRun } from "../postgres/statements/next-run.ts";
import { pause } from "../postgres/statements/pause.ts";
import { readClaimRules } from "../postgres/statements/claim-rules.ts";
import { addPause, readPauses, removePause } from "../postgres/statements/pauses.ts";
import { pauseClaimed } from "../postgres/statements/pause-claimed.ts";
import { nextDue } from "../postgres/statements/next-due.ts";
import { readStream, readStreams, streamEnd } from "../postgres/statements/read-stream.ts";
import { signalWithStart } from "../postgres/statements/signal-with-start.ts";
import { registerWorker } from "../postgres/statements/register-worker.ts";
import { release } from "../postgres/statements/release.ts";
import { requestCancel } from "../postgres/statements/request-cancel.ts";
import { resume } from "../postgres/statements/resume.ts";
import { deleteRetention, retentionPolicies, setRetention } from "../postgres/statements/retention-policies.ts";
import { stopWorker } from "../postgres/statements/stop-worker.ts";
import { takeOver } from "../postgres/statements/take-over.ts";
import { unpause } from "../postgres/statements/unpause.ts";
import type { Transaction } from "../postgres/transaction.ts";
import type { AppendOperation, StartOperation } from "../store/operations.ts";
import { initialState, type ScheduleDefinition } from "../kernel/schedule/definition.ts";
import { PgliteConnections } from "./pglite-connections.ts";

/**
 * The plans of the named transactions, made where statistics are at their most misleading: every table analysed while it
 * holds a single row. A plan is kept for the life of a connection, so one that reads a whole table here would go on reading
 * it when it has a hundred million rows.
 */
interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly "Join Filter"?: string;
  readonly "TID Cond"?: string;
  readonly Plans?: readonly PlanNode[];
}

let db: PGlite;
let connections: PgliteConnections;

beforeAll(async () => {
  db = await PGlite.create();
  await migrate({ exec: async (sql) => void (await db.exec(sql)), query: async (sql) => (await db.query<Record<string, unknown>>(sql)).rows }, "pawl", true);
  connections = new PgliteConnections(db);
  await connections.prepare("pawl");
  const id = newUuid();
  await db.exec(`
    INSERT INTO executions (run_id, epoch, last_seq, created_at, state, namespace, execution_id, workflow, version, task_queue)
      VALUES ('${id}', 1, 1, now(), 'running', 'n', 'e', 'w', '1', 'q');
    INSERT INTO history VALUES ('${id}', 1, 0, now(), 'ExecutionStarted', '{}');
    INSERT INTO workers VALUES (gen_random_uuid(), 'n', 'live', now(), 'h', 1, '1', '{q}', '{w@1}', '{q}', 1, now());
    INSERT INTO tasks VALUES ('${id}', now(), 'n', 'q', 'w@1');
    INSERT INTO past_runs VALUES (gen_random_uuid(), 'n', 'e', 1, 'w', '1', 'cancelled', 1, now());
     INSERT INTO pauses VALUES ('n', 'workflow', 'w', NULL, now());
     INSERT INTO retention_policies VALUES ('n', '*', '*', 1);
    INSERT INTO stream_chunks VALUES ('n', 'e', 's', 0, '${id}', 1, now());
    INSERT INTO queues VALUES ('n', 'other', 1, 1, 1, 1, 1, 1, '', now(), now());
    INSERT INTO queue_begins VALUES ('n', 'other', 'k', now(), 1);
     INSERT INTO inbox (run_id, message_id, type, data) VALUES ('${id}', 'm', 't', '{}');
    INSERT INTO schedules VALUES ('${id}', '${id}', now(), now(), now(), true, '{e}', 'n', 's', 'w', '1', 'q', '{}', '{}', '{}');`);
  await db.exec("VACUUM ANALYZE");
});

afterAll(async () => {
  await db.close();
});

const start = (claimBy: string | null): StartOperation => ({
  runId: newUuid(),
  namespace: "n",
  executionId: "e2",
  workflow: "w",
  version: "1",
  taskQueue: "q",
  idempotencyKey: null,
  parentRunId: null,
  parentPosition: null,
  delayMs: 0,
  claimBy,
  started: "{}",
});

const append = (parts: Partial<AppendOperation>): AppendOperation => ({
  runId: newUuid(),
  epoch: 1,
  expectedSeq: 1,
  events: [{ type: "StepCompleted", data: "{}" }],
  progress: true,
  after: { kind: "keep" },
  starts: [],
  messages: [],
  consumed: [],
  ...parts,
});

const message = { toRunId: newUuid(), messageId: "m", type: "ChildCompleted", data: "{}" } as const;
const importedRun = {
  runId: newUuid(),
  version: "1",
  state: "completed",
  createdAt: 1,
  startedAt: 1,
  finishedAt: 1,
  events: [{ type: "t", data: "{}", epoch: 0, at: 1 }],
} as const;
const importedExecution = {
  namespace: "n",
  executionId: "e",
  workflow: "w",
  taskQueue: "q",
  labels: null,
  attributes: null,
  key: "k",
  priority: 1,
  chunks: [{ stream: "s", offset: 0, runId: importedRun.runId, epoch: 1, at: 1, step: undefined, data: "1" }],
  runs: [importedRun, { ...importedRun, runId: newUuid() }],
};
const closing = {
  namespace: "n",
  executionId: "e",
  state: "terminated",
  onlyFrom: ["running"],
  event: { type: "ExecutionTerminated", data: "{}" },
  childFailed: "",
  toChildren: "{}",
} as const;

const definition: ScheduleDefinition = {
  timing: { kind: "interval", everyMs: 1000, offsetMs: 0 },
  overlap: "skip",
  catchUpMs: 1,
  jitterMs: 0,
  startAt: null,
  endAt: null,
  maximumRuns: null,
};
const rollback = {
  namespace: "n",
  executionId: "e",
  fromRunId: newUuid(),
  newRunId: newUuid(),
  from: ["running"],
  operation: "rollback",
  reason: null,
  toSeq: 1,
  without: [],
  kept: 1,
  children: [{ position: 1, executionId: "e.1" }],
  labels: null,
  attributes: null,
} as const;
const change = { expected: newUuid(), revision: newUuid(), state: initialState(0), nextFireAt: 1, waiting: true };
const searchable = { labels: '{"a":"b"}', attributes: '{"c":1}', queueKey: "k", priority: 1 };
const work = { workflow: "w", version: "1", taskQueue: "q", row: searchable, timeoutMs: 1000, started: "{}" };
const fire = { ...change, id: newUuid(), open: ["e"], starts: [{ executionId: "e3", at: 1, runId: newUuid(), scheduleId: "s" }] };

const limits = { concurrency: 1, rate: { limit: 10, perMs: 60_000 }, keyConcurrency: 1, keyRate: { limit: 10, perMs: 60_000 } };

const registration = {
  namespace: "n",
  leaseMs: 1000,
  host: "h",
  pid: 1,
  pidStarted: "1",
  taskQueues: ["q"],
  definitions: ["w@1"],
  definitionQueues: ["q"],
  concurrency: 1,
};

const transactions: readonly (readonly [string, Transaction<unknown>])[] = [
  ["commit of one start", prepareOne({ starts: [start(newUuid())], appends: [] }, "1")!.transaction],
  ["commit of one event", prepareOne({ starts: [], appends: [append({})] }, "1")!.transaction],
  ["commit of one end", prepareOne({ starts: [], appends: [append({ after: { kind: "end", state: "completed" } })] }, "1")!.transaction],
  ["commit of starts", prepareCommit({ starts: [start(null), start(newUuid())], appends: [] }, "1").transaction],
  ["commit of a start with labels", prepareCommit({ starts: [{ ...start(null), labels: "{}" }], appends: [] }, "1").transaction],
  [
    "commit of a child with a policy",
    prepareCommit({ starts: [], appends: [append({ starts: [{ ...start(null), parentClosePolicy: "abandon" }] })] }, "1").transaction,
  ],
  ["commit of changed labels", prepareCommit({ starts: [], appends: [append({ labels: "{}" })] }, "1").transaction],
  ["commit of changed attributes", prepareCommit({ starts: [], appends: [append({ attributes: "{}" })] }, "1").transaction],
  [
    "commit of chunks",
    prepareCommit({ starts: [], appends: [append({ events: [], chunks: [{ stream: "s", offset: 0, step: undefined, data: "1" }] }), append({})] }, "1")
      .transaction,
  ],
  ["signal-with-start", signalWithStart(start(null), { executionId: "e2", messageId: "m", type: "SignalReceived", data: "{}" })],
  ["read-stream", readStream({ namespace: "n", executionId: "e", stream: "s", from: 0, limit: 10 })],
  ["stream-end", streamEnd("n", "e", "s")],
  ["read-streams", readStreams("n", "e", { stream: "s", offset: 1 }, 10)],
  ["commit of steps", prepareCommit({ starts: [], appends: [append({}), append({})] }, "1").transaction],
  ["commit of ends", prepareCommit({ starts: [], appends: [append({ after: { kind: "end", state: "completed" } })] }, "1").transaction],
  [
    "commit of parks, messages, consumed messages and children",
    prepareCommit(
      {
        starts: [start(null)],
        appends: [
          append({ after: { kind: "park", wakeAt: 1, seenInbox: 0, waitingFor: "a timer" } }),
          append({ messages: [message], consumed: ["m"], starts: [start(null)] }),
          append({ after: { kind: "end", state: "completed" }, messages: [message, { ...message, type: "CancelRequested" }] }),
        ],
      },
      "1",
    ).transaction,
  ],
  ["read-next-due", nextDue({ namespace: "n", taskQueues: ["q"], definitions: ["w@1"], withinMs: 1000 })],
  ["claim", claim({ workerId: newUuid(), namespace: "n", taskQueues: ["q"], definitions: ["w@1"], limit: 10, suspects: true })],
  ["claim-limited", claimLimited({ workerId: newUuid(), namespace: "n", taskQueues: ["q"], definitions: ["w@1"], limit: 10, suspects: true, limited: true })],
  ["merge-start", mergeStart({ runId: newUuid(), startId: newUuid(), data: "{}", periodMs: 1, longestMs: 1, size: 2 })],
  ["set-queue", setQueue("n", "q2", limits)],
  ["delete-queue", deleteQueue("n", "q2")],
  ["list-queues", listQueues("n", undefined)],
  ["queue-load", queueLoad("n", "q")],
  ["register-worker", registerWorker({ ...registration, workerId: newUuid() })],
  ["expire-workers", expireWorkers([newUuid()])],
  ["stop-worker", stopWorker(newUuid())],
  ["take-over", takeOver(newUuid(), 10)],
  ["release", release(newUuid(), [])],
  ["heartbeat", heartbeat(newUuid(), 1000)],
  ["request-cancel", requestCancel("n", "e", "{}")],
  ["close-execution", closeExecution(closing)],
  ["next-run", nextRun(rollback)],
  [
    "fork",
    fork({
      ...rollback,
      ...work,
      runId: newUuid(),
      epoch: 2,
      edits: [{ seq: 1, type: "ExecutionStarted", data: "{}" }],
      forked: "{}",
      labels: null,
      key: null,
      priority: 0,
    }),
  ],
  ["add-pause", addPause("n", { kind: "workflow", name: "w" }, null)],
  ["remove-pause", removePause("n", { kind: "workflow", name: "w" })],
  ["read-pauses", readPauses("n")],
  ["read-claim-rules", readClaimRules("n")],
  ["pause", pause("n", "e", null)],
  ["pause-claimed", pauseClaimed({ runId: newUuid(), epoch: 1, expectedSeq: 1, seenInbox: 0, reason: null })],
  ["unpause", unpause("n", "e")],
  ["tell-children", tellChildren(newUuid(), [{ executionId: "e", messageId: "cancel", type: "CancelRequested", data: "{}" }])],
  ["continue-as-new", continueAsNew(append({}), { runId: newUuid(), version: "1", started: "{}", received: [1] })],
  ["find-continued", findContinued(append({}))],
  ["resume", resume("n", "e", newUuid())],
  ["delete-ended", deleteEnded({ namespace: "n", after: newUuid(), scan: 10, rows: 10 })],
  ["delete-continued", deleteContinued({ namespace: "n", after: newUuid(), scan: 10, rows: 10 })],
  ["import-execution", importExecution(importedExecution)],
  ["set-retention", setRetention("n", {}, 1)],
  ["delete-retention", deleteRetention("n", {})],
  ["retention-policies", retentionPolicies("n")],
  ["read-histories", readHistories([newUuid()])],
  ["read-history", readHistory(newUuid(), 0, 10)],
  ["read-inboxes", readInboxes([newUuid()])],
  ["lost-claims", lostClaims([{ runId: newUuid(), epoch: 1 }])],
  ["find-committed", findCommitted([newUuid()], [1], "1")],
  ["find-existing", findExisting([start(null)])],
  ["create-schedule", createSchedule({ ...change, ...work, id: newUuid(), namespace: "n", scheduleId: "s2", definition })],
  ["change-schedule", changeSchedule(newUuid(), { ...change, definition, work })],
  ["delete-schedule", deleteSchedule("n", "s")],
  ["read-schedule", readSchedule("n", "s")],
  ["list-schedules", listSchedules("n", "", 10)],
  ["due-schedules", dueSchedules("n", 10)],
  ["fire-schedules", fireSchedules([fire, { ...fire, id: newUuid() }])],
];

test.each(transactions)("%s reaches every table through an index condition, whatever the statistics say", async (_name, transaction) => {
  expect(await problemsOf(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${transaction.text}`)).toEqual([]);
});

test("the statements inside claim-limited read no table as a whole", async () => {
  await connections.run(setQueue("limited", "q", limits));
  const starts = Array.from({ length: 6 }, (_, index) => ({ ...start(null), namespace: "limited", executionId: `e${index}`, queueKey: `k${index % 3}` }));
  await connections.run(prepareCommit({ starts, appends: [] }, "1").transaction);
  const request = { workerId: newUuid(), namespace: "limited", taskQueues: ["q"], definitions: ["w@1"], limit: 10, suspects: true, limited: true };
  expect(await connections.run(claimLimited(request))).toHaveLength(2);
  await db.exec("UPDATE executions SET worker_id = NULL, state = 'completed' WHERE namespace = 'limited' AND worker_id IS NOT NULL");
  await connections.run(setQueue("limited", "q", { ...limits, concurrency: 10 }));
  const before = await scans();
  // One of each key, and the row that says when to come again.
  expect(await connections.run(claimLimited(request))).toHaveLength(4);
  expect(await scans()).toEqual(before);
});

test("a search for keys that may go on passes each of them once, from one claim to the next, and remembers when a rate frees a place", async () => {
  const namespace = "searched";
  await connections.run(setQueue(namespace, "q", { concurrency: undefined, rate: undefined, keyConcurrency: undefined, keyRate: { limit: 1, perMs: 60_000 } }));
  const starts = ["a", "b", "c", "d", "e"].map((queueKey) => ({ ...start(null), namespace, executionId: queueKey, queueKey }));
  await connections.run(prepareCommit({ starts, appends: [] }, "3").transaction);
  // What may not begin: a, and d, whose code is elsewhere.
  await db.query("INSERT INTO queue_begins VALUES ($1, 'q', 'a', current_time_of_pawl() - interval '50 seconds', 1)", [namespace]);
  await db.query("UPDATE tasks SET definition = 'w@2' WHERE run_id = $1", [starts[3]!.runId]);
  const claimer = newUuid();
  const claimTwo = async (search: string | null, limit = 10) => {
    const { rows } = await db.query<{ execution_id: string | null; more: boolean; search: string | null; wait_ms: number }>(
      "SELECT execution_id, more, search, wait_ms FROM claim_limited($1, '{q}', '{w@1}', $2, $3, true, 2, 2000, 2, $4::jsonb)",
      [namespace, claimer, limit, search],
    );
    const { more, search: next, wait_ms: waitMs } = rows.at(-1)!;
    return { claimed: rows.slice(0, -1).map((row) => row.execution_id), more, search: next, waitMs };
  };
  const first = await claimTwo(null);
  expect(first).toMatchObject({ claimed: ["b"], more: true });
  // Full before it has looked further: it goes on there when there is room again.
  const second = await claimTwo(first.search, 1);
  expect(second).toMatchObject({ claimed: ["c"], more: false });
  const third = await claimTwo(second.search);
  expect(third).toMatchObject({ claimed: ["e"], more: false, search: null });
  expect(third.waitMs).toBeLessThan(15_000);
});

test("a suspect whose key is full holds back no suspect of another key", async () => {
  const namespace = "suspected";
  await connections.run(setQueue(namespace, "q", { ...limits, concurrency: 10 }));
  const keys = ["a", "a", "b"];
  const starts = keys.map((queueKey, index) => ({ ...start(null), namespace, executionId: `${queueKey}${index}`, queueKey, priority: index }));
  await connections.run(prepareCommit({ starts, appends: [] }, "2").transaction);
  await db.query("UPDATE tasks SET suspect = true WHERE run_id = ANY($1)", [[starts[1]!.runId, starts[2]!.runId]]);
  const request = { workerId: newUuid(), namespace, taskQueues: ["q"], definitions: ["w@1"], limit: 10, suspects: false, limited: true };
  const claimed = async (suspects: boolean): Promise<readonly (string | null)[]> =>
    (await connections.run(claimLimited({ ...request, suspects }))).map(({ execution_id }) => execution_id);
  expect(await claimed(false)).toEqual(["a0", null]);
  expect(await claimed(true)).toEqual(["b2", null]);
  expect(await claimed(true)).toEqual([null]);
});

test("under a rate there are some hundred rows to add up, however many claims; a place is free at most a hundredth of the period late, and never early", async () => {
  const namespace = "rated";
  const rates = { concurrency: undefined, rate: { limit: 50, perMs: 100_000 }, keyConcurrency: undefined, keyRate: { limit: 25, perMs: 100_000 } };
  await connections.run(setQueue(namespace, "q", rates));
  const starts = Array.from({ length: 120 }, (_, index) => ({ ...start(null), namespace, executionId: `r${index}`, queueKey: `k${index % 2}` }));
  await connections.run(prepareCommit({ starts, appends: [] }, "4").transaction);
  const request = { workerId: newUuid(), namespace, taskQueues: ["q"], definitions: ["w@1"], suspects: true, limited: true };
  const firstMs = Math.ceil(Date.now() / 1000) * 1000 + 60_000;
  const begunAt: number[] = [];
  const claimAt = async (ms: number, limit: number): Promise<number> => {
    await db.query("SELECT set_config('pawl.now', $1, false)", [new Date(firstMs + ms).toISOString()]);
    const claimed = (await connections.run(claimLimited({ ...request, limit }))).length - 1;
    for (let count = 0; count < claimed; count++) begunAt.push(ms);
    return claimed;
  };
  try {
    // One at a time, ten within each hundredth of the period.
    for (let ms = 0; ms < 6000; ms += 100) await claimAt(ms, 1);
    expect(begunAt).toHaveLength(50);
    // Five rows for the queue, and five for each of the keys.
    expect((await db.query("SELECT FROM queue_begins WHERE namespace = $1", [namespace])).rows).toHaveLength(15);
    expect(await claimAt(99_999, 50)).toBe(0);
    expect(await claimAt(100_899, 50)).toBe(0);
    expect(await claimAt(100_901, 50)).toBe(10);
    for (let ms = 101_000; ms < 106_000; ms += 300) await claimAt(ms, 50);
    expect(begunAt).toHaveLength(100);
    for (let index = 50; index < 100; index++) expect(begunAt[index]! - begunAt[index - 50]!).toBeGreaterThanOrEqual(100_000);
    for (let index = 50; index < 100; index++) expect(begunAt[index]! - begunAt[index - 50]!).toBeLessThan(101_300);
  } finally {
    await db.exec("RESET pawl.now");
  }
});

/** How often each table was read as a whole. */
async function scans(): Promise<readonly { readonly name: string; readonly n: number }[]> {
  await db.exec("SELECT pg_stat_force_next_flush()");
  const sql =
    "SELECT relname AS name, seq_scan::int AS n FROM pg_stat_user_tables WHERE relname IN ('tasks', 'executions', 'queues', 'queue_begins', 'history') ORDER BY 1";
  return (await db.query<{ name: string; n: number }>(sql)).rows;
}

test("the check itself finds a scan of a whole table", async () => {
  expect(await problemsOf("EXPLAIN (FORMAT JSON) SELECT * FROM executions WHERE epoch = 7")).toHaveLength(1);
});

/** Sent without parameters: EXPLAIN (GENERIC_PLAN) takes the text with its placeholders. */
async function problemsOf(explain: string): Promise<readonly string[]> {
  const [result] = await db.exec(explain);
  const [row] = result!.rows as { "QUERY PLAN": readonly { readonly Plan: PlanNode }[] }[];
  const problems: string[] = [];
  visit(row!["QUERY PLAN"][0]!.Plan, problems);
  return problems;
}

function visit(node: PlanNode, problems: string[]): void {
  const scan = node["Node Type"];
  // The few workers that live may be read as a whole; those that have died are many.
  if (node["Relation Name"] !== undefined && node["Index Name"] !== "workers_live" && scan.endsWith("Scan") && node["Index Cond"] === undefined) {
    problems.push(`${scan} of ${node["Relation Name"]} without an index condition`);
  }
  if (node["Join Filter"] !== undefined && scan === "Nested Loop") problems.push(`nested loop over all pairs: ${node["Join Filter"]}`);
  for (const child of node.Plans ?? []) visit(child, problems);
}
