import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { defineWorkflow, ExecutionConflict, ExecutionNotFound, ExecutionStateInvalid, OptionInvalid, PayloadInvalid, type Pawl, type SqlClient } from "pawl";
import { openInMemory } from "pawl/testing";
import { CompiledQuery, Kysely, PostgresDialect } from "kysely";
import pg, { type Client as PgClient, type PoolClient } from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { execute, query } from "../support/database.ts";
import { causeOf, eventually, failureOf, gate, harness, quickly, refusalOf, soon } from "./harness.ts";

const h = harness();
const inDrizzle = (client: PoolClient) => drizzle(client);
const inKysely = (client: PoolClient) =>
  new Kysely<{ accounts: { name: string; cents: number } }>({ dialect: new PostgresDialect({ pool: { connect: async () => client, end: async () => {} } }) });
const accounts = pgTable("accounts", { name: text("name").primaryKey(), cents: integer("cents").notNull() });

beforeAll(() => execute(h.url, "CREATE TABLE public.accounts (name text PRIMARY KEY, cents integer NOT NULL)"));

const open = (name: string, cents = 0) => execute(h.url, `INSERT INTO accounts VALUES ('${name}', ${cents})`);
const balance = async (name: string) => (await query<{ cents: number }>(h.url, "SELECT cents FROM accounts WHERE name = $1", [name]))[0]!.cents;

describe("a transaction", () => {
  test("does what it does and records its result in one commit, with the client, with drizzle, and with a step's context", async () => {
    await open("raw");
    const paying = defineWorkflow({
      name: "paying",
      run: async (ctx, cents: number) => {
        const first = await ctx.transaction("raw", async (tx, { attempt, idempotencyKey }) => {
          const { rows, rowCount } = await tx.query<{ cents: number }>("UPDATE accounts SET cents = cents + $1 WHERE name = 'raw' RETURNING cents", [cents]);
          return { cents: rows[0]!.cents, rowCount, attempt, idempotencyKey };
        });
        const second = await ctx.transaction(
          "drizzle",
          async (db) => {
            const [row] = await db
              .update(accounts)
              .set({ cents: sql`${accounts.cents} * 2` })
              .where(eq(accounts.name, "raw"))
              .returning();
            return row!.cents;
          },
          { using: inDrizzle },
        );
        return { first, second };
      },
    });
    const { pawl } = await h.run([paying]);
    const handle = await pawl.start(paying, 5, { executionId: "paying" });
    expect(await handle.result()).toEqual({ first: { cents: 5, rowCount: 1, attempt: 1, idempotencyKey: "paying/raw/1" }, second: 10 });
    const [shared] = await query<{ same: boolean }>(
      h.url,
      "SELECT a.xmin = h.xmin AS same FROM accounts a, pawl.history h JOIN pawl.executions e USING (run_id) WHERE a.name = 'raw' AND e.execution_id = 'paying' AND h.data LIKE '%drizzle%'",
    );
    expect(shared).toEqual({ same: true });
    expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepCompleted", "StepCompleted", "ExecutionCompleted"]);
  });

  test("waits its turn beside steps that always have more to record, and they beside it", async () => {
    await open("busy");
    const paid = gate();
    const busy = defineWorkflow({
      name: "busy",
      run: async (ctx) =>
        ctx.all([
          // There is more to record until the transaction has come to where it waits for its turn, and 300 steps long after that.
          () =>
            ctx.map(Array.from({ length: 400 }), (_, index) => ctx.step(`step ${index}`, async () => (index < 100 ? undefined : paid.opened)), {
              concurrency: 20,
            }),
          () =>
            ctx.map([1, 2, 3], (n) =>
              ctx.transaction(`pay ${n}`, async (tx) => {
                const { rowCount } = await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'busy'");
                paid.open();
                return rowCount;
              }),
            ),
        ]),
    });
    const { pawl } = await h.run([busy]);
    const handle = await pawl.start(busy, undefined);
    await handle.result();
    const names = (await handle.history()).flatMap(({ event }) => (event.type === "StepCompleted" ? [event.name] : []));
    expect(names.findIndex((name) => name.startsWith("pay"))).toBeLessThan(300);
    expect(names.filter((name) => name.startsWith("step"))).toHaveLength(400);
    expect(await balance("busy")).toBe(3);
  });

  test("that has no time left is rolled back at once, also while it waits for its turn", async () => {
    await open("queueing");
    const [holding, mayCommit] = [gate(), gate()];
    let isHeld = false;
    const queueing = defineWorkflow({
      name: "queueing",
      run: async (ctx) =>
        ctx.all([
          () => ctx.step("first", () => void (isHeld = true)),
          () =>
            ctx.transaction(
              "pay",
              async (tx) => {
                await holding.opened;
                await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'queueing'");
              },
              { timeout: 5000, retry: { maximumAttempts: 1 } },
            ),
        ]),
    });
    const pawl = await h.open({}, async (name, phase) => {
      if (name !== "commit" || phase !== "before" || !isHeld) return;
      holding.open();
      await mayCommit.opened;
    });
    await pawl.worker({ workflows: [queueing], ...soon });
    const handle = await pawl.start(queueing, undefined);
    await holding.opened;
    // Its row is free again although nothing of the execution can be recorded.
    await eventually(async () =>
      expect(await query(h.url, "SELECT FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%queueing%'")).toHaveLength(1),
    );
    await execute(h.url, "UPDATE accounts SET cents = 7 WHERE name = 'queueing'");
    mayCommit.open();
    expect(await failureOf(handle.result())).toMatchObject({ message: expect.stringContaining("pay") as string });
    expect(await balance("queueing")).toBe(7);
  });

  test("that fails leaves nothing, and is tried again like a step", async () => {
    await open("failing");
    const failing = defineWorkflow({
      name: "failing",
      run: async (ctx, fails: number) =>
        ctx.transaction(
          "pay",
          async (tx, { attempt }) => {
            await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'failing'");
            if (attempt <= fails) throw new RangeError(`attempt ${attempt}`);
            return attempt;
          },
          { retry: { ...quickly, maximumAttempts: 3 } },
        ),
    });
    const { pawl } = await h.run([failing]);
    expect(await pawl.execute(failing, 2)).toBe(3);
    expect(await balance("failing")).toBe(1);
    expect(await causeOf(pawl.execute(failing, 3))).toMatchObject({ name: "RangeError" });
    expect(await balance("failing")).toBe(1);
  });

  test("whose SQL or result is refused fails with PostgreSQL's error, or says what cannot be stored, and leaves nothing", async () => {
    await open("refused");
    const refused = defineWorkflow({
      name: "refused",
      retry: { maximumAttempts: 1 },
      run: async (ctx, how: "sql" | "commit" | "value") =>
        ctx.transaction("pay", async (tx) => {
          await tx.query("UPDATE accounts SET cents = 7 WHERE name = 'refused'");
          if (how === "sql") await tx.query("INSERT INTO accounts VALUES ('refused', 1)");
          if (how === "commit")
            await tx.query(
              "CREATE TEMPORARY TABLE late (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DELETE ROWS; INSERT INTO late VALUES (1), (1)",
            );
          return how === "value" ? () => 1 : 1;
        }),
    });
    const { pawl } = await h.run([refused]);
    expect(await causeOf(pawl.execute(refused, "sql"))).toMatchObject({ code: "23505" });
    expect(await causeOf(pawl.execute(refused, "commit"))).toMatchObject({ code: "23505" });
    expect((await causeOf(pawl.execute(refused, "value"))).message).toContain("result");
    expect(await balance("refused")).toBe(0);
  });

  test("runs again when another was in its way, without counting an attempt", async () => {
    await open("contended");
    const adding = defineWorkflow({
      name: "adding",
      run: async (ctx) => {
        await ctx.map(Array.from({ length: 4 }), () =>
          ctx.transaction(
            "add",
            async (tx) => {
              const { rows } = await tx.query<{ cents: number }>("SELECT cents FROM accounts WHERE name = 'contended'");
              await tx.query("UPDATE accounts SET cents = $1 WHERE name = 'contended'", [rows[0]!.cents + 1]);
            },
            { isolation: "serializable" },
          ),
        );
      },
    });
    const { pawl } = await h.run([adding]);
    const handles = await Promise.all([1, 2].map(() => pawl.start(adding, undefined)));
    await Promise.all(handles.map((handle) => handle.result()));
    expect(await balance("contended")).toBe(8);
    const failed = (await Promise.all(handles.map((handle) => handle.history()))).flat().filter(({ event }) => event.type === "StepAttemptFailed");
    expect(failed).toEqual([]);
  });

  test("runs beside other steps and other transactions of its execution", async () => {
    const both = gate();
    const begun: string[] = [];
    const meet = async (tx: { query(text: string): Promise<unknown> }, name: string): Promise<string> => {
      await tx.query("SELECT 1");
      begun.push(name);
      if (begun.length === 2) both.open();
      await both.opened;
      return name;
    };
    const beside = defineWorkflow({
      name: "beside",
      run: async (ctx) =>
        ctx.all([
          () => ctx.transaction("one", async (tx) => meet(tx, "one")),
          () => ctx.transaction("two", async (tx) => meet(tx, "two")),
          () => ctx.step("three", () => 3),
        ]),
    });
    const { pawl } = await h.run([beside]);
    expect(await pawl.execute(beside, undefined)).toEqual(["one", "two", 3]);
  });

  test("of an execution that was terminated, or whose time ran out, is rolled back", async () => {
    await open("stopped");
    const hold = gate();
    let runs = 0;
    const stopped = defineWorkflow({
      name: "stopped",
      run: async (ctx, timeout: number) =>
        ctx.transaction(
          "pay",
          async (tx) => {
            runs++;
            await tx.query("SELECT 1");
            await hold.opened;
            await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'stopped'");
          },
          { timeout, retry: { maximumAttempts: 1 } },
        ),
    });
    const { pawl } = await h.run([stopped]);
    const handle = await pawl.start(stopped, 60_000);
    await eventually(() => expect(runs).toBe(1));
    await handle.terminate();
    expect(await causeOf(pawl.execute(stopped, 200))).toMatchObject({ code: "STEP_TIMEOUT" });
    hold.open();
    const idle = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pawl transactions' AND (state = 'active' OR state LIKE 'idle in%')";
    await eventually(async () => expect(await query(h.url, idle)).toEqual([]));
    expect({ runs, balance: await balance("stopped") }).toEqual({ runs: 2, balance: 0 });
  });

  test("whose attempt is over lets go of its connection and its locks, also while it waits for a lock of somebody else's", async () => {
    await open("locked");
    await open("mine");
    const others = await connect();
    await others.query("BEGIN; SELECT FROM accounts WHERE name = 'locked' FOR UPDATE");
    const begun: number[] = [];
    const waiting = defineWorkflow({
      name: "waiting",
      run: async (ctx, timeout: number) =>
        ctx.transaction(
          "pay",
          async (tx, { attempt }) => {
            begun.push(attempt);
            await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'mine'");
            await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'locked'");
          },
          { timeout, retry: quickly },
        ),
    });
    const pawl = await h.open({ poolSize: 2 });
    await pawl.worker({ workflows: [waiting], ...soon });
    const active = "pg_stat_activity WHERE application_name = 'pawl transactions' AND state <> 'idle'";
    const terminated = await pawl.start(waiting, 600_000);
    await eventually(async () => expect(await h.count(`${active} AND wait_event_type = 'Lock'`)).toBe(1));
    await terminated.terminate();
    await eventually(async () => expect(await h.count(active)).toBe(0));
    begun.length = 0;
    const handle = await pawl.start(waiting, 200);
    // The row that is its own would be locked by the attempt before, and there are two connections.
    await eventually(() => expect(begun.length).toBeGreaterThan(4));
    expect(await h.count("pg_stat_activity WHERE application_name = 'pawl transactions'")).toBeLessThanOrEqual(2);
    await others.query("COMMIT");
    await handle.result();
    expect([await balance("locked"), await balance("mine")]).toEqual([1, 1]);
    await others.end();
  });

  test("whose statement waits for a lock does not outlive its Pawl", async () => {
    await open("outlived");
    const others = await connect();
    await others.query("BEGIN; SELECT FROM accounts WHERE name = 'outlived' FOR UPDATE");
    const waiting = defineWorkflow({
      name: "outliving",
      run: async (ctx) => ctx.transaction("pay", async (tx) => void (await tx.query("UPDATE accounts SET cents = 1 WHERE name = 'outlived'"))),
    });
    const { pawl } = await h.run([waiting]);
    await pawl.start(waiting, undefined);
    const sessions = "pg_stat_activity WHERE application_name = 'pawl transactions'";
    await eventually(async () => expect(await h.count(`${sessions} AND wait_event_type = 'Lock'`)).toBe(1));
    await pawl.close({ drain: 0 });
    await eventually(async () => expect(await h.count(sessions)).toBe(0));
    await others.end();
  });

  test("in memory whose function never ends is rolled back when its time is over, and holds up nobody", async () => {
    const pawl = await openInMemory({ setUp: (client) => client.query("CREATE TABLE numbers (n integer)") });
    const hanging = defineWorkflow({
      name: "hanging",
      run: async (ctx) =>
        ctx.transaction(
          "insert",
          async (tx, { attempt }) => {
            await tx.query("INSERT INTO numbers VALUES ($1)", [attempt]);
            if (attempt === 1) await new Promise(() => {});
            return (await tx.query<{ n: number }>("SELECT n FROM numbers")).rows;
          },
          { timeout: 100, retry: quickly },
        ),
    });
    await pawl.worker({ workflows: [hanging], ...soon });
    expect(await pawl.execute(hanging, undefined)).toEqual([{ n: 2 }]);
    await pawl.close();
  });

  test("whose commit got no answer is found to be committed, and does not run again", async () => {
    await open("unanswered");
    let runs = 0;
    let lost = 0;
    const paying = defineWorkflow({
      name: "unanswered",
      run: async (ctx) =>
        ctx.transaction("pay", async (tx) => {
          runs++;
          await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'unanswered'");
        }),
    });
    const pawl = await h.open({}, (name, phase) => {
      if (name !== "transaction" || phase !== "after" || lost++ > 0) return;
      throw Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    });
    await pawl.worker({ workflows: [paying], ...soon });
    await pawl.execute(paying, undefined);
    expect({ runs, lost, balance: await balance("unanswered") }).toEqual({ runs: 1, lost: 1, balance: 1 });
  });

  test("whose connection breaks before the commit is tried again", async () => {
    await open("broken");
    const breaking = defineWorkflow({
      name: "breaking",
      run: async (ctx) =>
        ctx.transaction(
          "pay",
          async (tx, { attempt }) => {
            await tx.query("UPDATE accounts SET cents = cents + 1 WHERE name = 'broken'");
            if (attempt === 1) await tx.query("SELECT pg_terminate_backend(pg_backend_pid())");
            return attempt;
          },
          { retry: quickly },
        ),
    });
    const { pawl } = await h.run([breaking]);
    expect(await pawl.execute(breaking, undefined)).toBe(2);
    expect(await balance("broken")).toBe(1);
  });

  test.each([
    [
      "Drizzle's own transaction",
      async (tx: SqlClient) => drizzle(tx as PoolClient).transaction(async (db) => void (await db.update(accounts).set({ cents: 7 }))),
    ],
    [
      "Kysely's own transaction",
      async (tx: SqlClient) =>
        inKysely(tx as PoolClient)
          .transaction()
          .execute(async (db) => db.updateTable("accounts").set({ cents: 7 }).execute()),
    ],
    ["a COMMIT", async (tx: SqlClient) => tx.query(" /* now */ commit")],
    ["a ROLLBACK", async (tx: SqlClient) => tx.query("ROLLBACK WORK")],
  ])("refuses %s, and fails at once without having done anything", async (_, control) => {
    await execute(h.url, "INSERT INTO accounts VALUES ('controlled', 0) ON CONFLICT DO NOTHING");
    let runs = 0;
    const controlling = defineWorkflow({
      name: "controlling",
      retry: quickly,
      run: async (ctx) =>
        ctx.transaction("pay", async (tx) => {
          runs++;
          await tx.query("UPDATE accounts SET cents = 1 WHERE name = 'controlled'");
          await control(tx);
        }),
    });
    const { pawl } = await h.run([controlling]);
    const cause = await causeOf(pawl.execute(controlling, undefined));
    expect(cause).toMatchObject({ name: "TransactionControlInvalid", code: "TRANSACTION_CONTROL_INVALID", message: expect.stringContaining("SAVEPOINT") });
    expect({ runs, cents: await balance("controlled") }).toEqual({ runs: 1, cents: 0 });
  });

  test("that its own SQL has ended records no result outside of it, and fails at once", async () => {
    await open("ended");
    let runs = 0;
    const ending = defineWorkflow({
      name: "ending",
      retry: quickly,
      run: async (ctx, how: string) =>
        ctx.transaction("pay", async (tx) => {
          runs++;
          await tx.query(`UPDATE accounts SET cents = cents + 1 WHERE name = 'ended'; ${how}`);
        }),
    });
    const memory = await openInMemory({ setUp: (client) => client.query("CREATE TABLE accounts (name text, cents integer)") });
    for (const pawl of [await h.open(), memory]) {
      await pawl.worker({ workflows: [ending], ...soon });
      for (const how of ["COMMIT", "ROLLBACK", "COMMIT; BEGIN"]) {
        runs = 0;
        const handle = await pawl.start(ending, how);
        expect(await causeOf(handle.result())).toMatchObject({
          code: "TRANSACTION_CONTROL_INVALID",
          message: expect.stringContaining("has ended its transaction"),
        });
        expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepFailed", "ExecutionFailed"]);
        expect(runs).toBe(1);
      }
    }
    expect(await balance("ended")).toBe(2);
    await memory.close();
  });

  test("whose commit takes long is not announced after its result", async () => {
    await execute(
      h.url,
      `CREATE TABLE slow (n integer); CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.8); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()`,
    );
    const slow = defineWorkflow({
      name: "slow",
      run: async (ctx) => ctx.transaction("insert", async (tx) => void (await tx.query("INSERT INTO slow VALUES (1)"))),
    });
    const { pawl } = await h.run([slow]);
    const handle = await pawl.start(slow, undefined);
    await handle.result();
    expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepCompleted", "ExecutionCompleted"]);
  });

  test("may go back to savepoints, and its client is of no use when it is over", async () => {
    await open("saved");
    const kept: SqlClient[] = [];
    const saving = defineWorkflow({
      name: "saving",
      run: async (ctx) =>
        ctx.transaction("pay", async (tx) => {
          kept.push(tx);
          await tx.query("UPDATE accounts SET cents = 1 WHERE name = 'saved'");
          await tx.query("SAVEPOINT here");
          await tx.query("UPDATE accounts SET cents = 2 WHERE name = 'saved'");
          await tx.query("ROLLBACK TO SAVEPOINT here");
        }),
    });
    const { pawl } = await h.run([saving]);
    await pawl.execute(saving, undefined);
    expect(await balance("saved")).toBe(1);
    await expect(kept[0]!.query("UPDATE accounts SET cents = 3 WHERE name = 'saved'")).rejects.toMatchObject({ code: "CLOSED" });
    expect(await balance("saved")).toBe(1);
  });

  test("runs through Kysely, on a server and in memory, and its connection stays its own", async () => {
    const adding = defineWorkflow({
      name: "kysely",
      run: async (ctx, fails: boolean) =>
        ctx.transaction(
          "add",
          async (db, { attempt }) => {
            const { numInsertedOrUpdatedRows } = await db
              .insertInto("accounts")
              .values({ name: `kysely ${fails} ${attempt}`, cents: 3 })
              .executeTakeFirstOrThrow();
            if (fails && attempt === 1) throw new Error("not yet");
            const { cents } = await db
              .updateTable("accounts")
              .set((row) => ({ cents: row("cents", "+", 1) }))
              .where("name", "=", `kysely ${fails} ${attempt}`)
              .returning("cents")
              .executeTakeFirstOrThrow();
            return [
              Number(numInsertedOrUpdatedRows),
              cents,
              (await db.selectFrom("accounts").select("name").where("name", "like", `kysely ${fails}%`).execute()).length,
            ];
          },
          { using: inKysely, retry: quickly },
        ),
    });
    const memory = await openInMemory({ setUp: (client) => client.query("CREATE TABLE accounts (name text PRIMARY KEY, cents integer NOT NULL)") });
    for (const pawl of [await h.open({ poolSize: 1 }), memory]) {
      await pawl.worker({ workflows: [adding], ...soon });
      expect(await Promise.all([pawl.execute(adding, true), pawl.execute(adding, false)])).toEqual([
        [1, 4, 1],
        [1, 4, 1],
      ]);
    }
    await memory.close();
  });

  test("needs an isolation level that there is, and functions", async () => {
    const wrong = defineWorkflow({ name: "wrong", run: async (ctx, options: object) => ctx.transaction("pay", async () => 1, options) });
    const { pawl } = await h.run([wrong]);
    for (const options of [{ isolation: "chaos" }, { using: 1 }]) expect(await causeOf(pawl.execute(wrong, options))).toMatchObject({ name: "OptionInvalid" });
  });

  test("works in memory too, also beside others", async () => {
    const pawl = await openInMemory();
    const counting = defineWorkflow({
      name: "counting",
      run: async (ctx) => {
        await ctx.transaction("table", async (tx) => void (await tx.query("CREATE TABLE IF NOT EXISTS public.numbers (n integer)")));
        const insert = async (n: number): Promise<number> =>
          ctx.transaction("insert", async (db) => db.execute(sql`INSERT INTO public.numbers VALUES (${n})`).then(() => n), { using: inDrizzle });
        await ctx.map([1, 2, 3], insert);
        const sum = await ctx.transaction("sum", async (tx) => (await tx.query<{ sum: number }>("SELECT sum(n)::int AS sum FROM numbers")).rows[0]!.sum);
        await ctx.transaction("drop", async (tx) => void (await tx.query("DROP TABLE public.numbers")));
        return sum;
      },
    });
    await pawl.worker({ workflows: [counting] });
    expect(await pawl.execute(counting, undefined)).toBe(6);
    await pawl.close();
  });
});

const connect = async (): Promise<PgClient> => {
  const client = new pg.Client({ connectionString: h.url });
  await client.connect();
  return client;
};

describe("a start in a transaction", () => {
  const greeting = defineWorkflow({ name: "greeting", run: async (ctx, name: string) => ctx.step("greet", () => `hello ${name}`) });

  test("is there when the transaction commits, and never was when it is rolled back", async () => {
    const { pawl } = await h.run([greeting], { pollInterval: "1h" });
    const client = await connect();
    await client.query("BEGIN");
    const handle = await pawl.start(greeting, "Ann", { transaction: client, executionId: "in-transaction", labels: { team: "red" } });
    await refusalOf(pawl.handle("in-transaction").status(), ExecutionNotFound);
    expect((await client.query("SHOW search_path")).rows).toEqual([{ search_path: '"$user", public' }]);
    await client.query("COMMIT");
    // Found by the notification that came with the commit: nobody polls.
    expect(await handle.result()).toBe("hello Ann");
    expect(await handle.status()).toMatchObject({ runId: handle.runId, labels: { team: "red" } });
    await client.query("BEGIN");
    await pawl.start(greeting, "Bob", { transaction: client, executionId: "rolled-back" });
    await client.query("ROLLBACK");
    await refusalOf(pawl.handle("rolled-back").status(), ExecutionNotFound);
    await client.end();
  });

  test("gives the one that is there, in the same transaction or before it, and refuses another workflow's id", async () => {
    const other = defineWorkflow({ name: "other", run: async () => 1 });
    const pawl = await h.open();
    const client = await connect();
    const before = await pawl.start(greeting, "Ann", { executionId: "before", idempotencyKey: "key" });
    await client.query("BEGIN");
    expect(await pawl.start(greeting, "Ann", { transaction: client, executionId: "before" })).toMatchObject({ runId: before.runId });
    expect(await pawl.start(greeting, "Ann", { transaction: client, idempotencyKey: "key" })).toMatchObject({ executionId: "before" });
    await refusalOf(pawl.start(greeting, "Bob", { transaction: client, idempotencyKey: "key" }), ExecutionConflict);
    expect(await pawl.start(greeting, "Bob", { transaction: client, executionId: "before", idempotencyKey: "another" })).toMatchObject({ runId: before.runId });
    const twice = await Promise.all([1, 2].map(() => pawl.start(greeting, "Bob", { transaction: client, executionId: "twice" })));
    expect(twice[0]!.runId).toBe(twice[1]!.runId);
    await refusalOf(pawl.start(other, undefined, { transaction: client, executionId: "before" }), ExecutionConflict);
    await client.query("COMMIT");
    await client.end();
    await refusalOf(pawl.start(greeting, "Ann", { transaction: {} as never }), OptionInvalid);
    await pawl.worker({ workflows: [greeting], ...soon });
    expect(await twice[0]!.result()).toBe("hello Bob");
    expect(await before.result()).toBe("hello Ann");
  });

  test("needs one that is open: a pool, and a client without one, start and signal nothing", async () => {
    const pawl = await h.open();
    const there = await pawl.start(greeting, "Ann");
    const client = await connect();
    const pool = new pg.Pool({ connectionString: h.url });
    const around = { query: (asked: string, values: readonly unknown[]) => pool.query(asked, [...values]) };
    await client.query("BEGIN");
    await client.query("COMMIT");
    for (const [transaction, reason] of [
      [client, /^transaction: has no open transaction; begin one/],
      [around, /^transaction: has no open transaction; begin one/],
      [pool, /^transaction: is a pool/],
    ] as const) {
      expect((await refusalOf(pawl.start(greeting, "Ann", { transaction, executionId: "never" }), OptionInvalid)).message).toMatch(reason);
      expect((await refusalOf(pawl.handle(there.executionId).signal("any", 1, { transaction }), OptionInvalid)).message).toMatch(reason);
    }
    await refusalOf(pawl.handle("never").status(), ExecutionNotFound);
    expect(await h.count("noted_signals")).toBe(0);
    await there.terminate();
    // A transaction that has not asked anything yet may still be given its isolation level.
    await client.query("BEGIN");
    await client.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    await pawl.start(greeting, "Bob", { transaction: client, executionId: "first-in-it" });
    await client.query("ROLLBACK");
    await client.end();
    await pool.end();
  });

  test.each([1, 4])("that stays open holds up nobody but starts of the same id or key, with %i connections", async (poolSize) => {
    const stepping = defineWorkflow({
      name: "stepping",
      async run(ctx) {
        for (let step = 1; step <= 5; step++) await ctx.step(`step ${step}`, () => step);
        return "done";
      },
    });
    const waits = defineWorkflow({ name: "waits", signals: { go: z.string() }, run: (ctx) => ctx.signal("go") });
    const pawl = await h.open({ poolSize });
    // One slot: what waits does not keep it.
    await pawl.worker({ workflows: [greeting, stepping], concurrency: 1, ...soon });
    await (await h.open()).worker({ workflows: [waits], ...soon });
    const client = await connect();
    await client.query("BEGIN");
    const id = (name: string) => `open-${poolSize}-${name}`;
    await pawl.start(greeting, "Ann", { executionId: id("id"), transaction: client });
    await pawl.start(greeting, "Ann", { idempotencyKey: id("key"), transaction: client });
    await pawl.start(waits, undefined, { executionId: id("signal"), transaction: client });
    const settled: string[] = [];
    const noted = (name: string, work: Promise<unknown>) => work.then(() => void settled.push(name));
    const held = [
      noted("first", pawl.start(greeting, "Bob", { executionId: id("id") })),
      noted("second", pawl.start(greeting, "Bob", { executionId: id("id") })),
      noted("keyed", pawl.start(greeting, "Ann", { idempotencyKey: id("key") })),
      noted("signalled", pawl.signalWithStart(waits, undefined, { executionId: id("signal"), signal: { name: "go", payload: "now" } })),
    ];
    const other = await pawl.start(waits, undefined, { executionId: id("other") });
    // Once the first attempts have been given up, work goes on as if nobody waited.
    await eventually(async () => expect(await h.count("pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")).toBeGreaterThan(0));
    for (let round = 0; round < 5; round++) {
      const handle = await pawl.start(stepping, undefined, { executionId: id(`stepping-${round}`) });
      expect(await handle.result()).toBe("done");
    }
    await other.signal("go", "on");
    expect(await other.result()).toBe("on");
    expect(settled).toEqual([]);
    await client.query("COMMIT");
    await client.end();
    await Promise.all(held);
    expect(await pawl.handle(id("id")).result()).toBe("hello Ann");
    expect(await pawl.handle(id("signal")).result()).toBe("now");
  });

  test("can be one of Drizzle, through the client that it is on, and one of Kysely", async () => {
    const { pawl } = await h.run([greeting]);
    const client = await connect();
    const inDrizzlesOwn = async (executionId: string, fails: boolean) =>
      drizzle(client).transaction(async (tx) => {
        await tx.insert(accounts).values({ name: executionId, cents: 1 });
        await pawl.start(greeting, "Ann", { executionId, transaction: client });
        if (fails) throw new Error("no");
      });
    const kysely = new Kysely<{ accounts: { name: string; cents: number } }>({
      dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: h.url }) }),
    });
    const inKyselysOwn = async (executionId: string, fails: boolean) =>
      kysely.transaction().execute(async (tx) => {
        await tx.insertInto("accounts").values({ name: executionId, cents: 1 }).execute();
        const transaction = { query: (asked: string, values: readonly unknown[]) => tx.executeQuery(CompiledQuery.raw(asked, [...values])) };
        await pawl.start(greeting, "Ann", { executionId, transaction });
        if (fails) throw new Error("no");
      });
    for (const [name, run] of [
      ["drizzle", inDrizzlesOwn],
      ["kysely", inKyselysOwn],
    ] as const) {
      await failureOf(run(`${name}-fails`, true));
      await refusalOf(pawl.handle(`${name}-fails`).status(), ExecutionNotFound);
      await run(`${name}-works`, false);
      expect(await pawl.handle(`${name}-works`).result()).toBe("hello Ann");
    }
    expect(await query(h.url, "SELECT name FROM accounts WHERE name LIKE '%-fails' OR name LIKE '%-works' ORDER BY name")).toEqual([
      { name: "drizzle-works" },
      { name: "kysely-works" },
    ]);
    await kysely.destroy();
    await client.end();
  });

  test("goes together with a transactional step: the step's effect, its result and the start are one", async () => {
    const parent = defineWorkflow({
      name: "parent",
      run: async (ctx, fails: boolean) =>
        ctx.transaction(
          "order and ship",
          async (tx, { attempt }) => {
            await pawl.start(greeting, "Cleo", { transaction: tx, executionId: `ship-${fails}-${attempt}` });
            if (fails && attempt === 1) throw new Error("not yet");
            return attempt;
          },
          { retry: quickly },
        ),
    });
    const { pawl } = await h.run([parent, greeting]);
    expect(await pawl.execute(parent, true)).toBe(2);
    expect(await pawl.handle("ship-true-2").result()).toBe("hello Cleo");
    await refusalOf(pawl.handle("ship-true-1").status(), ExecutionNotFound);
  });
});

describe("a signal in a transaction", () => {
  const collecting = defineWorkflow({
    name: "collecting",
    signals: { add: z.number() },
    run: async (ctx, count: number) => {
      const got: number[] = [];
      while (got.length < count) got.push(await ctx.signal("add"));
      return got;
    },
  });

  test("in a step takes its locks in the order in which all others take them, whoever is signalled", async () => {
    const { pawl } = await h.run([
      collecting,
      defineWorkflow({
        name: "telling",
        run: async (ctx) => ctx.transaction("tell", async (tx) => pawl.handle("told").signal("add", 1, { transaction: tx })),
      }),
    ]);
    const lock = (executionId: string) => `SELECT FROM pawl.executions WHERE execution_id = '${executionId}' FOR UPDATE NOWAIT`;
    const told = await pawl.start(collecting, 1, { executionId: "told" });
    await eventually(async () => expect(await told.status()).toMatchObject({ state: "running", workerId: null }));
    const client = await connect();
    await client.query("BEGIN");
    await client.query(lock("told"));
    const telling = await pawl.start("telling", undefined, { executionId: "tells" });
    await eventually(async () => expect(await h.count("pg_stat_activity WHERE application_name = 'pawl transactions' AND wait_event_type = 'Lock'")).toBe(1));
    // Were that locked already, whoever wants both in the order of their runs and has the first would wait for ever.
    await client.query(lock("tells"));
    await client.query("ROLLBACK");
    await client.end();
    await telling.result();
    expect(await told.result()).toEqual([1]);
  });

  test("arrives with the commit and wakes who waits, after a rollback there is none", async () => {
    const { pawl } = await h.run([collecting], { pollInterval: "1h" });
    const client = await connect();
    const handle = await pawl.start(collecting, 3);
    await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
    await client.query("BEGIN");
    await handle.signal("add", 1, { transaction: client });
    await client.query("ROLLBACK");
    await client.query("BEGIN");
    await handle.signal("add", 2, { transaction: client });
    await client.query("SAVEPOINT s");
    await handle.signal("add", 3, { transaction: client });
    await client.query("ROLLBACK TO s");
    await handle.signal("add", 4, { transaction: client });
    expect((await client.query("SHOW search_path")).rows).toEqual([{ search_path: '"$user", public' }]);
    expect((await handle.history()).some(({ event }) => event.type === "SignalReceived")).toBe(false);
    // While it is open, it holds up nobody who has to do with the execution.
    await handle.signal("add", 5);
    await client.query("COMMIT");
    // By the notification that came with the commit: nobody polls.
    expect(await handle.result()).toEqual([5, 2, 4]);
    expect(await h.count("noted_signals")).toBe(0);
    await client.end();
  });

  test("arrives whatever temporary tables the session has", async () => {
    const { pawl } = await h.run([collecting]);
    const client = await connect();
    const handle = await pawl.start(collecting, 1);
    await eventually(async () => expect(await handle.status()).toMatchObject({ state: "running", workerId: null }));
    await client.query("BEGIN");
    await client.query("CREATE TEMP TABLE tasks (id integer, title text); CREATE TEMP TABLE executions (id integer)");
    await client.query("CREATE TEMP TABLE inbox (LIKE pawl.inbox INCLUDING ALL); CREATE TEMP TABLE noted_signals (LIKE pawl.noted_signals INCLUDING ALL)");
    await handle.signal("add", 1, { transaction: client });
    const started = await pawl.start(collecting, 1, { transaction: client });
    await started.signal("add", 2, { transaction: client });
    await client.query("COMMIT");
    expect(await handle.result({ timeout: 20_000 })).toEqual([1]);
    expect(await started.result({ timeout: 20_000 })).toEqual([2]);
    await client.end();
  });

  test("reaches several executions, one that the same transaction starts, and one that has not begun", async () => {
    const pawl = await h.open();
    const client = await connect();
    const before = await pawl.start(collecting, 1, { executionId: "before-it" });
    await client.query("BEGIN");
    const within = await pawl.start(collecting, 2, { executionId: "within-it", transaction: client });
    await within.signal("add", 1, { transaction: client });
    await before.signal("add", 2, { transaction: client });
    await within.signal("add", 3, { transaction: client });
    await client.query("COMMIT");
    await client.end();
    await pawl.worker({ workflows: [collecting], ...soon });
    expect(await within.result()).toEqual([1, 3]);
    expect(await before.result()).toEqual([2]);
  });

  test("of the same id arrives once, in one transaction, in two, and besides", async () => {
    const { pawl } = await h.run([collecting]);
    const client = await connect();
    const handle = await pawl.start(collecting, 2);
    for (const times of [2, 1]) {
      await client.query("BEGIN");
      for (let i = 0; i < times; i++) await handle.signal("add", 1, { transaction: client, signalId: "one" });
      await client.query("COMMIT");
    }
    await handle.signal("add", 1, { signalId: "one" });
    await handle.signal("add", 2);
    expect(await handle.result()).toEqual([1, 2]);
    await client.end();
  });

  test("is refused where nobody can take it, and leaves the transaction to go on", async () => {
    const { pawl } = await h.run([collecting]);
    const client = await connect();
    const ended = await pawl.start(collecting, 0);
    await ended.result();
    const waiting = await pawl.start(collecting, 1);
    await client.query("BEGIN");
    await refusalOf(pawl.handle("nobody").signal("add", 1, { transaction: client }), ExecutionNotFound);
    expect((await refusalOf(ended.signal("add", 1, { transaction: client }), ExecutionStateInvalid)).state).toBe("completed");
    await refusalOf(waiting.signal("add", "one" as never, { transaction: client }), PayloadInvalid);
    await refusalOf(waiting.signal("add", 1, { transaction: {} as never }), OptionInvalid);
    await waiting.signal("add", 1, { transaction: client });
    await client.query("COMMIT");
    expect(await waiting.result()).toEqual([1]);
    await client.end();
  });

  test("to an execution that ends before the commit waits for a run that goes on from there", async () => {
    const pawl = await h.open();
    const client = await connect();
    const handle = await pawl.start(collecting, 1);
    await client.query("BEGIN");
    await handle.signal("add", 1, { transaction: client });
    await handle.terminate();
    await client.query("COMMIT");
    expect((await handle.status()).state).toBe("terminated");
    await handle.rollback({ to: 1 });
    await (await pawl.worker({ workflows: [collecting], manual: true })).runOnce();
    expect(await handle.result()).toEqual([1]);
    await client.end();
  });

  test("reaches the run that goes on when the execution was rolled back meanwhile", async () => {
    const pawl = await h.open();
    const client = await connect();
    const handle = await pawl.start(collecting, 1);
    await client.query("BEGIN");
    await handle.signal("add", 1, { transaction: client });
    const worker = await pawl.worker({ workflows: [collecting], manual: true });
    await worker.runOnce();
    await handle.rollback({ to: 1 });
    await client.query("COMMIT");
    await worker.runOnce();
    expect(await handle.result()).toEqual([1]);
    await client.end();
  });

  test("at an isolation level that allows no changes meanwhile fails the commit, and can be sent again", async () => {
    const { pawl } = await h.run([collecting]);
    const client = await connect();
    const handle = await pawl.start(collecting, 2);
    const transact = async (meanwhile: () => Promise<void>): Promise<void> => {
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
      await handle.signal("add", 2, { transaction: client });
      await meanwhile();
      await client.query("COMMIT");
    };
    const failure = await failureOf(transact(() => handle.signal("add", 1)));
    expect(failure).toMatchObject({ code: "40001" });
    await eventually(() => transact(async () => {}));
    expect(await handle.result()).toEqual([1, 2]);
    await client.end();
  });

  test("goes together with a transactional step, on a server and in memory", async () => {
    const telling = (pawl: Pawl) =>
      defineWorkflow({
        name: "telling",
        run: async (ctx, to: string) =>
          ctx.transaction(
            "tell",
            async (tx, { attempt }) => {
              await pawl.handle(to, collecting).signal("add", attempt, { transaction: tx });
              if (attempt === 1) throw new Error("not yet");
              return attempt;
            },
            { retry: quickly },
          ),
      });
    const memory = await openInMemory();
    for (const pawl of [await h.open(), memory]) {
      const workflow = telling(pawl);
      await pawl.worker({ workflows: [collecting, workflow], ...soon });
      const handle = await pawl.start(collecting, 1);
      expect(await pawl.execute(workflow, handle.executionId)).toBe(2);
      expect(await handle.result()).toEqual([2]);
    }
    await memory.close();
  });
});
