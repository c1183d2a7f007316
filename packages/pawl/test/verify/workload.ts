/** A database in which everything that can happen to an execution has happened, and some of it goes on. */
import { defineWorkflow, update, type AnyWorkflow, type Pawl } from "pawl";
import {
  openPawl,
  silentLogger,
  verifyDatabase,
  type EffectRecord,
  type OperationRecord,
  type Read,
  type VerifyOptions,
  type VerifyReport,
} from "pawl/internal";
import pg from "pg";
import { z } from "zod";
import { setTimeout as delay } from "node:timers/promises";
import { execute, freshDatabase, query, type FreshDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait.ts";

const done = (value: number) => (): number => value;

const child = defineWorkflow({ name: "child", run: async (ctx, n: number) => ctx.step("work", () => n * 2) });
const longChild = defineWorkflow({ name: "long-child", run: async (ctx) => ctx.sleep("1 hour") });
const order = defineWorkflow({
  name: "order",
  retry: { initialInterval: 5, backoffCoefficient: 1, jitter: 0 },
  run: async (ctx, n: number) => {
    await ctx.step("first", done(1));
    await ctx.step("retried", (step) => {
      if (step.attempt < 3) throw new Error("not yet");
    });
    await ctx.sleep(300);
    const [a, b] = await ctx.all([() => ctx.child(child, n), () => ctx.child(child, n + 1)]);
    return a + b;
  },
});
const simple = defineWorkflow({ name: "simple", run: async (ctx, n: number) => ctx.step("only", done(n)) });
const searchable = defineWorkflow({
  name: "searchable",
  run: async (ctx) => {
    await ctx.setAttributes({ phase: "done", size: null, when: new Date(5) });
    await ctx.setLabels({ stage: "done", draft: null });
    await ctx.stream("log").write("begun");
    await ctx.step("tell", (step) => step.stream("log").write("telling"));
    await ctx.stream("log").close();
  },
});
const failing = defineWorkflow({
  name: "failing",
  run: async () => {
    throw new TypeError("no");
  },
});
const sleeper = defineWorkflow({
  name: "sleeper",
  run: async (ctx) => {
    await ctx.step("before", done(1));
    try {
      await ctx.sleep("1 hour");
    } catch (error) {
      await ctx.shield((shielded) => shielded.step("clean-up", done(2)));
      throw error;
    }
  },
});
/** The second step of its first run hangs until it is cancelled, the next run gets on. */
const continuing = defineWorkflow({
  name: "continuing",
  run: async (ctx, round: number): Promise<number> => {
    const next = await ctx.step("count", () => round + 1);
    return round === 0 ? ctx.continueAsNew(next) : next;
  },
});
const resumable = (flags: { finish: boolean }) =>
  defineWorkflow({
    name: "resumable",
    run: async (ctx) => {
      await ctx.step("before", done(1));
      await ctx.step("after", () => (flags.finish ? 2 : new Promise<number>(() => {})));
    },
  });
const family = defineWorkflow({
  name: "family",
  run: async (ctx) => ctx.race([() => ctx.child(longChild, undefined), () => ctx.sleep("1 hour")]),
});
const waiting = defineWorkflow({ name: "waiting", run: async (ctx) => ctx.child(longChild, undefined) });
/** Has given up a wait, has read a signal and an update, and waits for another signal. */
const told = defineWorkflow({
  name: "asked",
  state: () => ({ bumps: 0 }),
  signals: { late: z.number(), go: z.number() },
  updates: { bump: update(z.number(), (state: { bumps: number }, by) => (state.bumps += by)) },
  run: async (ctx) => {
    await ctx.signal("late", { timeout: 20 }).catch(() => {});
    await ctx.signal("go");
    await ctx.set("bumps", ctx.state.bumps);
    return ctx.signal("go");
  },
});

export interface Workload {
  readonly url: string;
  readonly pawl: Pawl;
  /** What clients asked, complete. */
  readonly operations: OperationRecord[];
  readonly effects: EffectRecord[];
  /** Verifies what the statements make of the database, and takes it all back. */
  doctored(statements: readonly string[], options?: VerifyOptions): Promise<VerifyReport>;
  close(): Promise<void>;
}

/** Everything has come to rest, but for `busy`, whose step runs until the workload is closed. */
export async function makeWorkload(): Promise<Workload> {
  const database: FreshDatabase = await freshDatabase();
  const { url } = database;
  const flags = { finish: false };
  let release = (): void => {};
  const busyStep = new Promise<void>((resolve) => (release = resolve));
  const busy = defineWorkflow({ name: "busy", run: async (ctx) => ctx.step("long", () => busyStep) });
  const poison = defineWorkflow({ name: "poison", taskQueue: "poison", run: async (ctx) => ctx.step("deadly", () => new Promise<void>(() => {})) });
  const workflows = [child, longChild, order, simple, searchable, failing, sleeper, resumable(flags), family, waiting, busy, told, continuing];
  const pawl = await openPawl({ url, logger: silentLogger });
  // Limits that have been there for long: those of today are not judged.
  await pawl.queues.set("limited", { concurrency: 1, rate: { limit: 100, per: "1s" }, perKey: { concurrency: 1 } });
  await execute(url, "UPDATE pawl.queues SET created_at = now() - interval '1 day', updated_at = now() - interval '1 day'");
  await pawl.worker({ workflows, taskQueues: ["default", "limited"], pollInterval: 10 });
  // Whatever its worker has claimed dies with it.
  const dying = await openPawl({ url, logger: silentLogger });
  await dying.worker({ workflows: [poison], pollInterval: 10, lease: "3s" });
  const log = new Log();
  const start = async (workflow: string, input: unknown, executionId: string, options: object = {}): Promise<void> => {
    // By definition: by name would need a live worker for it in this very moment.
    await pawl.start([...workflows, poison].find(({ name }) => name === workflow)! as AnyWorkflow, input as never, { executionId, ...options });
    log.add("start", { executionId, workflow });
  };
  const state = async (executionId: string): Promise<string> => (await pawl.handle(executionId).status()).state;
  const settled = (executionId: string, wanted: string): Promise<unknown> =>
    waitFor(`${executionId} is ${wanted}`, async () => (await state(executionId)) === wanted || undefined);

  await start("order", 1, "order-1");
  await start("simple", 7, "simple-1");
  await start("simple", 8, "simple-2");
  await start("simple", 9, "delayed-and-done", { delay: 20 });
  await start("simple", 10, "delayed", { delay: "1 hour" });
  await start("simple", 11, "limited", { taskQueue: "limited", key: "k" });
  await start("searchable", undefined, "searchable", { labels: { team: "red", draft: "yes" }, attributes: { size: 1, text: "x".repeat(900) } });
  await start("failing", undefined, "failed-1");
  await start("sleeper", undefined, "asleep");
  for (const executionId of ["cancelled", "terminated"]) await start("sleeper", undefined, executionId);
  await start("resumable", undefined, "resumed");
  await start("family", undefined, "family");
  await start("waiting", undefined, "waiting");
  await start("busy", undefined, "busy");
  await start("poison", undefined, "held");
  await start("asked", undefined, "asked");
  await pawl.handle("asked").update("bump", 2, { updateId: "u1" });
  log.add("update", { executionId: "asked", messageId: "u1" });
  await pawl.handle("asked").signal("go", 1, { signalId: "s1" });
  log.add("signal", { executionId: "asked", messageId: "s1" });

  const yearly = await pawl.schedules.create({ scheduleId: "yearly", workflow: simple, input: 11, cron: "0 0 1 1 *" });
  await yearly.backfill({ from: "2025-01-01T00:00:00Z", to: "2025-12-31T00:00:00Z" });
  await waitFor("the backfill", async () => ((await yearly.describe()).recent.length > 0 ? true : undefined));
  for (const executionId of ["yearly:2025-01-01T00:00:00Z", "order-1", "simple-1", "simple-2", "delayed-and-done", "limited", "searchable"])
    await pawl.handle(executionId).result();
  await settled("failed-1", "failed");
  const parked = (executionId: string): Promise<unknown> =>
    waitFor(`${executionId} is parked`, async () => ((await pawl.handle(executionId).status()).waitingFor !== null ? true : undefined));
  for (const executionId of ["asleep", "cancelled", "terminated", "family", "waiting", "family.1", "waiting.1", "asked"]) await parked(executionId);
  for (const executionId of ["cancelled", "resumed"]) {
    await pawl.handle(executionId).cancel();
    log.add("cancel", { executionId });
    await settled(executionId, "cancelled");
  }
  await pawl.handle("terminated").terminate();
  log.add("terminate", { executionId: "terminated" });
  flags.finish = true;
  await pawl.handle("resumed").resume();
  log.add("resume", { executionId: "resumed" });
  await settled("resumed", "completed");
  await start("continuing", 0, "continued");
  await settled("continued", "completed");
  await killWorkersOf(url, "held");
  await dying.close({ drain: 0 });
  await waitFor("the long step is announced", async () =>
    (await pawl.handle("busy").history()).some(({ event }) => event.type === "StepStarted") ? true : undefined,
  );

  return {
    url,
    pawl,
    operations: log.records,
    effects: await effectsOf(url),
    doctored: (statements, options) =>
      inTransaction(url, async (client) => {
        for (const statement of statements) await client.query(statement);
        return verifyDatabase(readerOf(client), options);
      }),
    async close() {
      release();
      await pawl.close({ drain: 0 });
      await database.drop();
    },
  };
}

/** Declares the worker that runs it dead, again and again, until it is held. */
async function killWorkersOf(url: string, executionId: string): Promise<void> {
  await waitFor(`${executionId} is quarantined`, async () => {
    const [row] = await query<{ state: string }>(url, "SELECT state FROM pawl.executions WHERE execution_id = $1", [executionId]);
    if (row!.state === "quarantined") return true;
    await execute(url, `UPDATE pawl.workers SET state = 'dead' WHERE id = (SELECT worker_id FROM pawl.executions WHERE execution_id = '${executionId}')`);
    await delay(50);
    return undefined;
  });
}

/** One client that asks one thing after the other. */
class Log {
  readonly records: OperationRecord[] = [];
  #n = 0;

  add(operation: OperationRecord["operation"], fields: Partial<OperationRecord>): void {
    this.records.push(...operationOf({ process: "client", n: ++this.#n, operation, ...fields }, this.#n * 10));
  }
}

/** An invocation and its acknowledgement. */
export function operationOf(
  fields: Omit<Partial<OperationRecord>, "operation"> & Pick<OperationRecord, "operation" | "process" | "n">,
  at: number,
  phase: OperationRecord["phase"] = "ok",
): OperationRecord[] {
  const { process, n, operation, executionId, workflow, idempotencyKey } = fields;
  const asked = { process, n, operation, ...(executionId === undefined ? {} : { executionId }), ...(workflow === undefined ? {} : { workflow }) };
  return [
    { ...asked, ...(idempotencyKey === undefined ? {} : { idempotencyKey }), phase: "invoke", at },
    { ...fields, phase, at: at + 5 },
  ];
}

/** What a ledger would hold if every step had written one. */
async function effectsOf(url: string): Promise<EffectRecord[]> {
  const rows = await query<{ execution_id: string; lineage: string; name: string; position: number; attempt: number }>(
    url,
    `SELECT DISTINCT x.execution_id, concat_ws('/', x.execution_id, s.data::json -> 'continuedFrom' ->> 'runId') AS lineage, h.data::json ->> 'name' AS name, (h.data::json ->> 'position')::int AS position, (h.data::json ->> 'attempt')::int AS attempt
FROM pawl.history h JOIN (SELECT run_id, execution_id FROM pawl.executions UNION ALL SELECT run_id, execution_id FROM pawl.past_runs) x USING (run_id)
 JOIN pawl.history s ON s.run_id = h.run_id AND s.seq = 1
WHERE h.type IN ('StepCompleted', 'StepFailed', 'StepAttemptFailed') ORDER BY 1, 2, 4, 5`,
  );
  return rows.flatMap(({ execution_id: executionId, lineage, name, position, attempt }, index) => {
    const call = { key: `${lineage}/${encodeURIComponent(name)}/${position}`, executionId, position, attempt, pid: 1 };
    return [
      { ...call, phase: "begin", at: index * 10 },
      { ...call, phase: "end", at: index * 10 + 5 },
    ] as const;
  });
}

export function readerOf(client: pg.Client): Read {
  return async (sql, parameters = []) => (await client.query<Record<string, unknown>>(sql, [...parameters])).rows;
}

/** One snapshot, of which nothing stays. The workload's worker goes on beating: who meets it begins anew. */
export async function inTransaction<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (;;) {
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL search_path = pawl");
      try {
        return await work(client);
      } catch (error) {
        if ((error as { readonly code?: string }).code !== serializationFailure) throw error;
      } finally {
        await client.query("ROLLBACK");
      }
    }
  } finally {
    await client.end();
  }
}

const serializationFailure = "40001";

/** What is violated, with its evidence. */
export function violations(report: VerifyReport): Record<string, readonly string[]> {
  return Object.fromEntries(
    report.invariants
      .filter(({ verdict }) => verdict === "violated")
      .map(({ invariant, evidence }) => [
        invariant,
        evidence.map(({ executionId, detail }) => (executionId === undefined ? detail : `${executionId}: ${detail}`)),
      ]),
  );
}
