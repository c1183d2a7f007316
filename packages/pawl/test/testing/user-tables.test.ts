/** Users' own tables in the in-memory database: made anew for each test and each run of the explorer, and gone after it. */
import { describe, expect, test, vi } from "vitest";
import { defineWorkflow, ExecutionNotFound, OptionInvalid, type SqlClient } from "pawl";
import { exploreCrashes, openInMemory, TestPawl, type ExploreOptions, type TestPawlOptions } from "pawl/testing";

// The first in-memory database of a process takes long to make where the machine is busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const orders = async (sql: SqlClient) => (await sql.query<{ id: string }>("SELECT id FROM orders ORDER BY id")).rows.map(({ id }) => id);
const setUp = (sql: SqlClient) => sql.query("CREATE TABLE orders (id text NOT NULL); INSERT INTO orders VALUES ('o-0')");
const ordering = defineWorkflow({
  name: "ordering",
  run: async (ctx, id: string) => {
    await ctx.sleep("1 day");
    return ctx.transaction("insert", async (tx) => (await tx.query("INSERT INTO orders VALUES ($1)", [id])).rowCount);
  },
});

describe("a test pawl", () => {
  test("begins with what its set-up makes, whatever the one before it has left", async () => {
    for (const id of ["o-1", "o-2"]) {
      const pawl = await TestPawl.open({ setUp });
      await pawl.worker({ workflows: [ordering] });
      expect(await pawl.execute(ordering, id)).toBe(1);
      expect(await orders(pawl.sql)).toEqual(["o-0", id]);
      await pawl.close();
    }
    const without = await TestPawl.open();
    await expect(orders(without.sql)).rejects.toMatchObject({ code: "42P01" });
    await without.close();
  });

  test("finds nothing of what users' SQL can make in a database and in a session", async () => {
    const making = `CREATE SCHEMA app; CREATE TABLE app.items (n serial); CREATE TYPE app.color AS ENUM ('red'); CREATE ROLE clerk; GRANT USAGE ON SCHEMA app TO clerk;
CREATE FUNCTION public.one() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE TABLE public.runs (run_id uuid REFERENCES pawl.executions);
CREATE TEMPORARY TABLE scratch (n integer); PREPARE one AS SELECT 1; SELECT lo_create(4711); SELECT pg_advisory_lock(1); SET TIME ZONE 'Asia/Tokyo'; SET search_path = app; SET ROLE clerk`;
    const look = `SELECT (SELECT count(*)::int FROM pg_namespace WHERE nspname = 'app') AS schemas, (SELECT count(*)::int FROM pg_roles WHERE rolname = 'clerk') AS roles,
(SELECT count(*)::int FROM pg_class WHERE relname = 'scratch') AS temporary, (SELECT count(*)::int FROM pg_proc WHERE proname = 'one') AS functions,
(SELECT count(*)::int FROM pg_prepared_statements WHERE name = 'one') AS prepared, (SELECT count(*)::int FROM pg_largeobject_metadata) AS large,
(SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory') AS locks, current_setting('TimeZone') = 'Asia/Tokyo' AS tokyo, current_user AS role, to_regclass('runs') AS runs`;
    const nothing = { schemas: 0, roles: 0, temporary: 0, functions: 0, prepared: 0, large: 0, locks: 0, tokyo: false, role: "postgres", runs: null };
    for (let n = 0; n < 2; n++) {
      const pawl = await TestPawl.open();
      expect((await pawl.sql.query(look)).rows).toEqual([nothing]);
      await pawl.sql.query(making);
      await pawl.close();
    }
    const pawl = await TestPawl.open({ setUp });
    expect((await pawl.sql.query(look)).rows).toEqual([nothing]);
    await pawl.worker({ workflows: [ordering] });
    await pawl.execute(ordering, "o-1");
    await pawl.close();
  });

  test("takes no temporary table of the user's for one of its own", async () => {
    const pawl = await TestPawl.open({ setUp });
    await pawl.sql.query("CREATE TEMPORARY TABLE tasks (n integer)");
    await pawl.sql.query("CREATE TEMPORARY TABLE history (LIKE pawl.history INCLUDING ALL)");
    await pawl.worker({ workflows: [ordering] });
    expect(await pawl.execute(ordering, "o-1")).toBe(1);
    expect((await pawl.sql.query("SELECT * FROM history")).rows).toEqual([]);
    await pawl.close();
  });

  test("has the machine's clock again after one whose time was far away", async () => {
    const past = await TestPawl.open({ now: new Date("2001-01-01") });
    await past.worker({ workflows: [ordering] });
    await past.start(ordering, "o-1");
    await past.close();
    const pawl = await openInMemory();
    const handle = await pawl.start(ordering, "o-1");
    expect(Math.abs((await handle.status()).createdAt.getTime() - Date.now())).toBeLessThan(60_000);
    await pawl.close();
  });

  test("takes its sql, which has no open transaction, for no transaction of the test's own", async () => {
    const pawl = await TestPawl.open({ setUp });
    await expect(pawl.start(ordering, "o-1", { transaction: pawl.sql, executionId: "never" })).rejects.toThrow(/^transaction: has no open transaction/);
    await expect(pawl.handle("never").status()).rejects.toThrow(ExecutionNotFound);
    await pawl.close();
  });

  test("does not open when its set-up fails, and leaves nothing of that", async () => {
    const failing = async (sql: SqlClient): Promise<void> => {
      await setUp(sql);
      await sql.query("INSERT INTO nowhere VALUES (1)");
    };
    await expect(TestPawl.open({ setUp: failing })).rejects.toMatchObject({ code: "42P01" });
    await expect(exploreCrashes(ordering, "o-1", { setUp: failing })).rejects.toMatchObject({ code: "42P01" });
    for (const open of [openInMemory, (options: TestPawlOptions) => TestPawl.open(options)]) {
      await expect(open({ setUp: "CREATE TABLE orders" as never })).rejects.toThrow(OptionInvalid);
      const pawl = await open({ setUp });
      await pawl.close();
    }
    await expect(exploreCrashes(ordering, "o-1", { setUp: {} as never })).rejects.toThrow(/^setUp: must be a function/);
  });

  test("runs a mock in the place of a transaction's function, which then writes nothing but its result", async () => {
    const pawl = await TestPawl.open({ setUp });
    const mock = pawl.mocks.step("insert", ({ attempt }) => {
      if (attempt === 1) throw new Error("not yet");
      return 7;
    });
    await pawl.worker({ workflows: [ordering] });
    expect(await pawl.execute(ordering, "o-1")).toBe(7);
    expect(mock.calls.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(await orders(pawl.sql)).toEqual(["o-0"]);
    mock.restore();
    expect(await pawl.execute(ordering, "o-1")).toBe(1);
    expect(await orders(pawl.sql)).toEqual(["o-0", "o-1"]);
    await pawl.close();
  });
});

describe("the explorer", () => {
  test("crashes before and after the commit of a transaction, which changes nothing", async () => {
    const report = await exploreCrashes(ordering, "o-1", { setUp, effects: orders });
    expect(String(report)).toBe(`"ordering" is safe: a crash at any of its ${report.crashPoints.length} crash points changes nothing.`);
    expect(report).toMatchObject({ outcome: { state: "completed", result: 1 }, effects: ["o-0", "o-1"], unreached: [] });
    expect(report.crashPoints).toEqual(
      expect.arrayContaining([
        'before the function of step "insert"',
        'after the function of step "insert", before its result is recorded',
        'before the commit of the result of step "insert"',
        'after the commit of the result of step "insert", before the commit of its end (completed)',
      ]),
    );
    // What was rolled back with its worker ran again; what was committed did not.
    expect(report.repeatedSteps).toEqual([{ step: "insert", idempotencyKey: "explored/insert/2", calls: 2 }]);
  });

  test("reports the same INSERT in a step, over another connection", async () => {
    let connection: SqlClient | undefined;
    const careless = defineWorkflow({
      name: "careless",
      run: (ctx, id: string) => ctx.step("insert", async () => (await connection!.query("INSERT INTO orders VALUES ($1)", [id])).rowCount),
    });
    const options = {
      setUp: async (sql: SqlClient) => {
        connection = sql;
        await setUp(sql);
      },
      effects: orders,
    };
    const report = await exploreCrashes(careless, "o-1", options);
    expect(report.differences.map(({ crashPoint, actual }) => [crashPoint, actual])).toEqual([
      ['after the function of step "insert", before its result is recorded', ["o-0", "o-1", "o-1"]],
      ['before the commit of the result of step "insert"', ["o-0", "o-1", "o-1"]],
    ]);
  });

  test("goes through transactions that are retried, side by side, of children, and mocked", async () => {
    const child = defineWorkflow({
      name: "child",
      run: (ctx, id: string) =>
        ctx.transaction("insert", async (tx, { attempt }) => {
          await tx.query("INSERT INTO orders VALUES ($1)", [id]);
          if (attempt === 1) throw new Error("not yet");
          return id;
        }),
    });
    const parent = defineWorkflow({
      name: "parent",
      run: async (ctx) =>
        ctx.all([
          () => ctx.child(child, "o-1"),
          () => ctx.transaction("beside", async (tx) => (await tx.query("INSERT INTO orders VALUES ('o-2')")).rowCount),
          () => ctx.transaction("mocked", async (tx) => (await tx.query("INSERT INTO orders VALUES ('o-3')")).rowCount),
          () => ctx.step("else", () => "step"),
        ]),
    });
    const mocks: ExploreOptions["mocks"] = (made) => void made.step("mocked", () => "mock");
    const report = await exploreCrashes(parent, undefined, { setUp, effects: orders, workflows: [child], mocks });
    expect(String(report)).toContain("is safe");
    expect(report).toMatchObject({ outcome: { result: ["o-1", 1, "mock", "step"] }, effects: ["o-0", "o-1", "o-2"] });
    expect(report.crashPoints).toContainEqual(expect.stringMatching(/^before the commit of the result of step "insert" of child/));
  });
});

test("a transaction that takes long is not announced after its result", async () => {
  const slow = defineWorkflow({
    name: "slow",
    run: async (ctx) =>
      ctx.transaction("insert", async (tx) => {
        // Time of the machine's: what runs longer than a moment is announced, unless nothing can be written meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 700));
        return (await tx.query("INSERT INTO orders VALUES ('slow')")).rowCount;
      }),
  });
  const pawl = await openInMemory({ setUp });
  await pawl.worker({ workflows: [slow] });
  const handle = await pawl.start(slow, undefined);
  expect(await handle.result()).toBe(1);
  expect((await handle.history()).map(({ event }) => event.type)).toEqual(["ExecutionStarted", "StepCompleted", "ExecutionCompleted"]);
  await pawl.close();
});
