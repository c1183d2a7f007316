/** Nothing legal is reported: in the middle of work, by whichever driver, on databases of any size. */
import { PGlite } from "@electric-sql/pglite";
import { defineWorkflow, type AnyWorkflow } from "pawl";
import { openPawl, silentLogger, verifyDatabase, verifyPostgres, type OperationRecord, type VerifyReport } from "pawl/internal";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { z } from "zod";
import { execute, freshDatabase, type FreshDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait.ts";
import { inTransaction, operationOf, readerOf, violations } from "./workload.ts";

vi.setConfig({ testTimeout: 120_000 });

let database: FreshDatabase;

beforeEach(async () => {
  database = await freshDatabase();
});

afterEach(() => database.drop());

const verify = (limit?: number): Promise<VerifyReport> =>
  verifyPostgres({
    url: database.url,
    schema: "pawl",
    connectTimeoutMs: 5000,
    statementTimeoutMs: 10_000,
    logger: silentLogger,
    ...(limit === undefined ? {} : { limit }),
  });

const prepare = async (): Promise<void> => (await openPawl({ url: database.url, logger: silentLogger })).close();

test("a database in the middle of work holds, at every moment one looks", async () => {
  const child = defineWorkflow({ name: "child", run: async (ctx, n: number) => (n % 3 === 0 ? ctx.sleep(260) : ctx.step("work", () => n)) });
  const parent = defineWorkflow({
    name: "parent",
    retry: { initialInterval: 3, backoffCoefficient: 1 },
    run: async (ctx, n: number) => {
      try {
        await ctx.step("flaky", (step) => {
          if (step.attempt <= n % 3) throw new Error("again");
        });
        await ctx.map([1, 2, 3], (i) => ctx.child(child, n + i));
        await ctx.sleep(n % 2 === 0 ? 5 : 300);
      } catch (error) {
        await ctx.shield((shielded) => shielded.step("clean-up", () => 1));
        throw error;
      }
    },
  });
  const pawls = await Promise.all([1, 2].map(() => openPawl({ url: database.url, logger: silentLogger })));
  for (const pawl of pawls) await pawl.worker({ workflows: [parent, child], concurrency: 20, pollInterval: 10, lease: "1s" });
  const [pawl] = pawls;
  const progress = { ended: false };
  const work = (async () => {
    for (let n = 0; n < 60; n++) {
      const executionId = `parent-${n}`;
      await pawl!.start(parent, n, { executionId });
      if (n % 5 === 1)
        void pawl!
          .handle(executionId)
          .cancel()
          .catch(() => {});
      if (n % 7 === 2)
        void pawl!
          .handle(executionId)
          .terminate()
          .catch(() => {});
      if (n % 5 === 3)
        void pawl!
          .handle(`parent-${n - 2}`)
          .resume()
          .catch(() => {});
      // What a takeover looks like.
      if (n % 20 === 19)
        await execute(database.url, "UPDATE pawl.workers SET state = 'dead' WHERE id = (SELECT id FROM pawl.workers WHERE state = 'live' LIMIT 1)");
    }
    await Promise.allSettled(Array.from({ length: 60 }, (_, n) => pawl!.handle(`parent-${n}`).result({ timeout: "20s" })));
    progress.ended = true;
  })();
  let looks = 0;
  let claimed = 0;
  while (!progress.ended) {
    const report = await verify();
    expect(violations(report)).toEqual({});
    claimed += report.invariants.find(({ invariant }) => invariant === "I5")!.checked;
    looks++;
  }
  await work;
  expect(violations(await verify())).toEqual({});
  expect(looks).toBeGreaterThan(2);
  expect(claimed).toBeGreaterThan(0);
  await Promise.all(pawls.map((open) => open.close({ drain: 0 })));
});

test("events with more labels or attributes than one look reads hold, also where a run goes on with them", async () => {
  const labels = Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`l${n}`, "é😀".repeat(85)]));
  const attributes = (from: number) => Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`a${from + n}`, "x".repeat(900)]));
  const child = defineWorkflow({
    name: "child",
    run: async (ctx, n: number): Promise<void> => {
      if (n === 0) {
        try {
          return await ctx.sleep("1 hour");
        } finally {
          await ctx.shield((shielded) => shielded.setAttributes({ a0: "cleaned" }));
        }
      }
      await ctx.setAttributes({ ...attributes(0), ...attributes(10) });
      await ctx.setLabels(labels);
      return ctx.continueAsNew(0);
    },
  });
  const parent = defineWorkflow({ name: "parent", run: async (ctx) => ctx.child(child, 1) });
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  await pawl.worker({ workflows: [child, parent], pollInterval: 10 });
  await pawl.start(parent, undefined, { executionId: "p" });
  const slept = async () => ((await pawl.handle("p.1").status()).waitingFor?.includes("timer") ? true : undefined);
  await waitFor("the child sleeps", () => slept().catch(() => undefined));
  expect(violations(await verify())).toEqual({});
  await pawl.handle("p.1").cancel();
  await waitFor("the child is cancelled", async () => ((await pawl.handle("p.1").status()).state === "cancelled" ? true : undefined));
  await pawl.handle("p.1").resume();
  expect(violations(await verify())).toEqual({});
  await pawl.close({ drain: 0 });
});

test("what a log says holds of executions that were rolled back, retried, forked or imported, and of what parents do to children", async () => {
  const flags = { fails: true };
  const child = defineWorkflow({ name: "child", run: async (ctx) => ctx.sleep("1 hour") });
  const parent = defineWorkflow({
    name: "parent",
    run: async (ctx) => ctx.race([() => ctx.child(child, undefined, { parentClosePolicy: "terminate" }), () => ctx.sleep(100)]),
  });
  const family = defineWorkflow({
    name: "family",
    run: async (ctx) => {
      await ctx.step("before", () => 1);
      if (flags.fails) await ctx.child(child, undefined);
    },
  });
  const flaky = defineWorkflow({
    name: "flaky",
    retry: { maximumAttempts: 1 },
    run: async (ctx) =>
      ctx.step("fails", () => {
        if (flags.fails) throw new Error("no");
      }),
  });
  const asked = defineWorkflow({
    name: "asked",
    signals: { go: z.number() },
    run: async (ctx, rounds: number): Promise<void> => {
      await ctx.signal("go");
      await ctx.step("after", () => 1);
      if (rounds > 0) return ctx.continueAsNew(rounds - 1);
      await ctx.sleep("1 hour");
    },
  });
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  await pawl.worker({ workflows: [child, parent, family, flaky, asked], pollInterval: 10 });
  const operations: OperationRecord[] = [];
  const add = (operation: OperationRecord["operation"], fields: Partial<OperationRecord>): void => {
    const n = operations.length;
    operations.push(...operationOf({ process: "client", n, operation, ...fields }, n * 10));
  };
  const start = async (workflow: AnyWorkflow, input: unknown, executionId: string): Promise<void> => {
    await pawl.start(workflow, input as never, { executionId });
    add("start", { executionId, workflow: workflow.name });
  };
  const state = async (executionId: string, wanted: string): Promise<void> => {
    const handle = pawl.handle(executionId);
    await waitFor(`${executionId} is ${wanted}`, async () => ((await handle.status().catch(() => undefined))?.state === wanted ? true : undefined));
  };
  const holds = async (): Promise<void> => {
    const read = (client: Parameters<typeof readerOf>[0]) => verifyDatabase(readerOf(client), { operations });
    expect(violations(await inTransaction(database.url, read))).toEqual({});
  };

  await start(parent, undefined, "parent");
  await state("parent.1", "terminated");
  await start(flaky, undefined, "flaky");
  await state("flaky", "failed");
  add("result", { executionId: "flaky", state: "failed", valueHash: "no" });
  await start(family, undefined, "family");
  await state("family.2", "running");
  await start(child, undefined, "stopped");
  await pawl.handle("stopped").terminate();
  add("terminate", { executionId: "stopped" });
  // Of the runs that it has, one is of a rollback, and goes on in another.
  await start(asked, 1, "asked");
  await state("asked", "running");
  await pawl.handle("asked").rollback({ to: 1 });
  await pawl.handle("asked").signal("go", 1, { signalId: "s" });
  add("signal", { executionId: "asked", messageId: "s" });
  await waitFor("it goes on in its next run", async () => ((await pawl.handle("asked").runs()).length === 3 ? true : undefined));
  await holds();

  flags.fails = false;
  await pawl.handle("flaky").retry();
  await state("flaky", "completed");
  add("result", { executionId: "flaky", state: "completed", valueHash: "yes" });
  // Its child has no parent any more, and is asked to cancel by nobody.
  await pawl.handle("family").rollback({ to: { step: "before" } });
  await state("family", "completed");
  await state("family.2", "cancelled");
  await pawl.handle("stopped").rollback({ to: 1 });
  const [, second] = await pawl.handle("asked").runs();
  await pawl.handle("asked").fork({ runId: second!.runId, from: { step: "after" }, executionId: "fork" });
  await waitFor("the fork goes on in its next run", async () => ((await pawl.handle("fork").runs()).length === 2 ? true : undefined));
  await pawl.importExecution(await pawl.exportExecution("flaky"), { executionId: "import" });
  await holds();
  await pawl.close({ drain: 0 });
});

test("what was resumed and is cancelled before anybody has begun it holds", async () => {
  const pawl = await openPawl({ url: database.url, logger: silentLogger });
  const idle = defineWorkflow({ name: "idle", run: async (ctx) => ctx.sleep("1h") });
  const handle = await pawl.start(idle, undefined, { executionId: "twice" });
  await handle.cancel();
  await handle.resume();
  await handle.pause();
  expect(await handle.cancel()).toBe("cancelled");
  await pawl.close();
  expect(violations(await verify())).toEqual({});
});

test("one long history is read page by page, many executions batch by batch", async () => {
  await prepare();
  const insert = (prefix: string, count: number, seqs: number): string => `
WITH made AS (
 INSERT INTO pawl.executions (run_id, epoch, last_seq, created_at, started_at, finished_at, state, namespace, execution_id, workflow, version, task_queue)
 SELECT gen_random_uuid(), 2, ${seqs + 2}, now(), now(), now(), 'completed', 'default', '${prefix}-' || n, 'w', '1', 'default' FROM generate_series(1, ${count}) n RETURNING run_id)
INSERT INTO pawl.history
 SELECT run_id, seq, (seq > 1)::int, now(), CASE WHEN seq = 1 THEN 'ExecutionStarted' WHEN seq = ${seqs + 2} THEN 'ExecutionCompleted' ELSE 'StepCompleted' END,
  CASE WHEN seq = 1 THEN '{"input":1}' WHEN seq = ${seqs + 2} THEN '{"result":1}' ELSE '{"position":' || seq - 1 || ',"name":"s","attempt":1,"result":' || seq || '}' END
 FROM made, generate_series(1, ${seqs + 2}) seq`;
  await execute(database.url, insert("long", 1, 9000));
  await execute(database.url, insert("short", 700, 3));
  const whole = await verify();
  expect(violations(whole)).toEqual({});
  expect(whole.scope).toEqual({ executions: 701, runs: 701, events: 9002 + 700 * 5, complete: true });
  const part = await verify(300);
  expect(violations(part)).toEqual({});
  expect(part.scope).toMatchObject({ executions: 300, complete: false });
  expect((await verify(701)).scope).toMatchObject({ executions: 701, complete: true });
});

test("executions that continued as new thousands of times are looked at one after the other", async () => {
  await prepare();
  const run = (n: string): string => `md5(x.name || (${n}))::uuid`;
  const runs = 2500;
  const link = `'{"continuedFrom":{"runId":"' || ${run("n - 1")} || '","count":' || n - 1 || '},"input":1}'`;
  const each = `FROM (VALUES ('a'), ('b'), ('c')) AS x(name), generate_series(1, ${runs}) n`;
  await execute(
    database.url,
    `BEGIN;
INSERT INTO pawl.executions (run_id, epoch, last_seq, created_at, started_at, finished_at, state, run_number, namespace, execution_id, workflow, version, task_queue)
 SELECT ${run("n")}, 2, 2, now(), now(), now(), 'completed', n, 'default', x.name, 'w', '1', 'default' ${each} WHERE n = ${runs};
INSERT INTO pawl.past_runs SELECT ${run("n")}, 'default', x.name, n, 'w', '1', 'continued_as_new', 2, now(), now(), now() ${each} WHERE n < ${runs};
INSERT INTO pawl.history SELECT ${run("n")}, 1, 0, now(), 'ExecutionStarted', CASE WHEN n = 1 THEN '{"input":1}' ELSE ${link} END ${each};
INSERT INTO pawl.history SELECT ${run("n")}, 2, 1, now(), CASE WHEN n < ${runs} THEN 'ExecutionContinuedAsNew' ELSE 'ExecutionCompleted' END,
 CASE WHEN n < ${runs} THEN '{"nextRunId":"' || ${run("n + 1")} || '"}' ELSE '{"result":1}' END ${each};
COMMIT; ANALYZE`,
  );
  const whole = await verify();
  expect(violations(whole)).toEqual({});
  expect(whole.scope).toEqual({ executions: 3, runs: 3 * runs, events: 6 * runs, complete: true });
});

test("verifying changes nothing and says when a statement takes too long", async () => {
  await prepare();
  const slow = verifyPostgres({ url: database.url, schema: "pawl", connectTimeoutMs: 5000, statementTimeoutMs: 1, logger: silentLogger });
  await inTransaction(database.url, async (client) => {
    await client.query("LOCK TABLE executions IN ACCESS EXCLUSIVE MODE");
    await expect(slow).rejects.toMatchObject({ code: "57014" });
  });
  await execute(database.url, "CREATE FUNCTION pawl.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'changed'; END $$");
  for (const table of ["executions", "tasks", "inbox", "history", "workers", "past_runs", "retention_policies", "stream_chunks"])
    await execute(database.url, `CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON pawl.${table} EXECUTE FUNCTION pawl.refuse()`);
  expect(await verify()).toMatchObject({ holds: true, scope: { executions: 0, runs: 0, events: 0 } });
});

test("the in-process PostgreSQL gives the same report, with a handful of statements", async () => {
  await prepare();
  const db = await PGlite.create();
  const migration = await readFile(new URL("../../migrations/0001_init.sql", import.meta.url), "utf8");
  await db.exec(`CREATE SCHEMA pawl; SET search_path = pawl; ${migration}`);
  const rows = `
INSERT INTO pawl.workers VALUES ('01a1fcc1-0000-7000-8000-000000000009', 'default', 'live', '2099-01-01', 'h', 1, '1', '{default}', '{w@1}', '{default}', 5, '2026-01-01');
INSERT INTO pawl.executions (run_id, epoch, last_seq, claims, created_at, started_at, worker_id, state, namespace, execution_id, workflow, version, task_queue)
 VALUES ('01a1fcc1-0000-7000-8000-000000000001', 1, 2, 1, '2026-01-01', '2026-01-01', '01a1fcc1-0000-7000-8000-000000000009', 'running', 'default', 'a', 'w', '1', 'default'),
  ('01a1fcc1-0000-7000-8000-000000000002', 2, 1, 0, '2026-01-01', '2026-01-01', NULL, 'running', 'default', 'b', 'w', '1', 'default');
INSERT INTO pawl.history VALUES ('01a1fcc1-0000-7000-8000-000000000001', 1, 0, '2026-01-01', 'ExecutionStarted', '{"input":1}'),
 ('01a1fcc1-0000-7000-8000-000000000001', 2, 1, '2026-01-01', 'TimerStarted', '{"position":1,"durationMs":5}'),
 ('01a1fcc1-0000-7000-8000-000000000002', 1, 0, '2026-01-01', 'ExecutionStarted', '{"input#":"#-1"}');
INSERT INTO pawl.inbox (run_id, message_id, type, data) VALUES ('01a1fcc1-0000-7000-8000-000000000002', 'cancel', 'CancelRequested', '{}');`;
  await db.exec(rows);
  await execute(database.url, rows);
  let statements = 0;
  const inProcess = (): Promise<VerifyReport> =>
    verifyDatabase(async (sql, parameters = []) => {
      statements++;
      return (await db.query<Record<string, unknown>>(sql, [...parameters])).rows;
    });
  const report = await inProcess();
  expect(violations(report)).toEqual({ I19: ["b: it is running and nothing will wake it: 1 messages wait without a task"] });
  expect(await inTransaction(database.url, (client) => verifyDatabase(readerOf(client)))).toEqual(report);
  // A simulator asks thousands of times.
  expect(statements).toBe(8);
  await db.close();
});
