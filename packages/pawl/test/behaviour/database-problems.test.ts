import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { DatabaseUnreachable, DatabaseVersionUnsupported, defineWorkflow, Pawl, PawlError, SchemaOutdated, SchemaTooNew, type ExecutionHandle } from "pawl";
import { silentLogger, startThreadLeaseKeeper } from "pawl/internal";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { checkInvariants, databaseUrl, execute, freshDatabase, query, type FreshDatabase } from "../support/database.ts";
import { eventually, gate, refusalOf, soon } from "./harness.ts";

const open = (url: string, options: Parameters<typeof Pawl.open>[0] = {}) => Pawl.open({ url, connectTimeout: 300, logger: silentLogger, ...options });

async function took(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

describe("a database that cannot be reached", () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  async function listen(onConnection: (socket: Socket) => void, port = 0): Promise<number> {
    const server = createServer((socket) => {
      sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)));
      onConnection(socket);
    });
    servers.push(server);
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  test("is said in one clear line with the place, the reason and what to do, and without the password", async () => {
    let error: PawlError | undefined;
    const ms = await took(async () => {
      error = await refusalOf(open("postgres://me:secret@127.0.0.1:1/orders"), DatabaseUnreachable);
    });
    expect(ms).toBeLessThan(3000);
    expect(error!.message).toContain("127.0.0.1:1/orders");
    expect(error!.message).toContain("ECONNREFUSED");
    expect(error!.message).toContain("DATABASE_URL");
    expect(error!.message).not.toContain("\n");
    expect(`${error!.message}${error!.stack}`).not.toContain("secret");
  });

  test("is waited for until it is there", async () => {
    const database = await freshDatabase();
    const { host, port: realPort, user, password, database: name } = new pg.Client({ connectionString: database.url });
    const port = await listen((socket) => socket.destroy());
    await new Promise((resolve) => servers.pop()!.close(resolve));
    const warnings: string[] = [];
    const opening = open(`postgres://${user}:${encodeURIComponent(password ?? "")}@127.0.0.1:${port}/${name}`, {
      connectTimeout: "20s",
      logger: { ...silentLogger, warn: (message) => void warnings.push(message) },
    });
    await eventually(() => expect(warnings).toEqual([expect.stringContaining(`no database at 127.0.0.1:${port}/${name} yet`)]));
    await listen((socket) => {
      const real = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${realPort}`) : connect(realPort, host);
      sockets.add(real.on("error", () => {}));
      socket.pipe(real).pipe(socket);
    }, port);
    await (await opening).close();
    await database.drop();
  });

  test("is given up on in time when it accepts connections and never answers", async () => {
    const port = await listen(() => {});
    expect(await took(() => refusalOf(open(`postgres://127.0.0.1:${port}/x`), DatabaseUnreachable))).toBeLessThan(4000);
  });

  test("is given up on when something else answers there", async () => {
    const port = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await refusalOf(open(`postgres://127.0.0.1:${port}/x`), DatabaseUnreachable);
  });

  test("is left with no connection of a lease where it greets and then answers no more", async () => {
    const closed: number[] = [];
    let opened = 0;
    const port = await listen((socket) => {
      const number = opened++;
      // "Authenticated", and "ready for queries".
      socket.once("data", () => socket.write(Buffer.from("5200000008000000005a0000000549", "hex")));
      socket.resume().once("close", () => closed.push(number));
    });
    const heldSince = performance.now();
    const lease = startThreadLeaseKeeper(`postgres://me@127.0.0.1:${port}/x`, "pawl", {
      workerId: "00000000-0000-0000-0000-000000000000",
      leaseMs: 300,
      heldSince,
      hangMs: 60_000,
      killOnHang: false,
      onLost: () => {},
    });
    await eventually(() => expect(opened).toBeGreaterThan(2));
    await eventually(() => expect(closed).toEqual(expect.arrayContaining([0, 1])), 10_000);
    await lease.stop();
  });

  test("is not waited for when it says that the database or the user does not exist", async () => {
    const database = await freshDatabase();
    const missing = databaseUrl(database.url, "no_such_database");
    expect(
      await took(async () =>
        expect((await refusalOf(open(missing, { connectTimeout: "1 minute" }), DatabaseUnreachable)).message).toContain("no_such_database"),
      ),
    ).toBeLessThan(3000);
    await database.drop();
  });
});

describe("a database that this version cannot use", () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  test("without a schema is refused when migrating is off, and left as it was", async () => {
    const error = await refusalOf(open(database.url, { migrate: false }), SchemaOutdated);
    expect(error.message).toContain("pawl migrate");
    expect(await query(database.url, "SELECT 1 FROM pg_namespace WHERE nspname = 'pawl'")).toEqual([]);
  });

  test("of a server that is too old or too new is refused with both versions", async () => {
    const name = database.url.match(/test_\w+/)![0];
    for (const [number, text] of [
      ["130012", "13.12"],
      ["190001", "19beta1"],
    ] as const) {
      await execute(
        database.url,
        `CREATE OR REPLACE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT CASE $1 WHEN 'server_version_num' THEN '${number}' WHEN 'server_version' THEN '${text}' END $$;
         ALTER DATABASE ${name} SET search_path = public, pg_catalog`,
      );
      const error = await refusalOf(open(database.url), DatabaseVersionUnsupported);
      expect(error.message).toContain(text);
      expect(error.message).toContain("14 to 18");
    }
    expect(await query(database.url, "SELECT 1 FROM pg_namespace WHERE nspname = 'pawl'")).toEqual([]);
    await execute(database.url, `ALTER DATABASE ${name} RESET search_path; DROP FUNCTION public.current_setting(text)`);
  });

  test("is no such: one in which the user owns a schema and may create none", async () => {
    const given = await freshDatabase();
    const name = given.url.match(/test_\w+/)![0];
    await execute(given.url, `CREATE ROLE app_${name}; REVOKE CREATE ON DATABASE ${name} FROM PUBLIC; CREATE SCHEMA mine AUTHORIZATION app_${name}`);
    const url = `${given.url}${given.url.includes("?") ? "&" : "?"}options=${encodeURIComponent(`-c role=app_${name}`)}`;
    await expect(query(url, "CREATE SCHEMA IF NOT EXISTS mine")).rejects.toMatchObject({ code: "42501" });
    const echo = defineWorkflow({ name: "echo", run: async (ctx, input: string) => ctx.step("echo", () => input) });
    const pawl = await open(url, { schema: "mine" });
    await pawl.worker({ workflows: [echo], ...soon });
    expect(await pawl.execute(echo, "hello")).toBe("hello");
    await pawl.close();
    expect(await query(given.url, "SELECT tableowner FROM pg_tables WHERE schemaname = 'mine' AND tablename = 'executions'")).toEqual([
      { tableowner: `app_${name}` },
    ]);
    await given.drop();
    const server = inject("databaseServerUrl");
    if (!inject("databaseServerIsOurs")) await execute(server, `DROP ROLE app_${name}`);
  });

  test("with a newer schema is refused, with and without migrating, and left as it was", async () => {
    await (await open(database.url)).close();
    await execute(database.url, "INSERT INTO pawl.migrations (number) VALUES (9999)");
    for (const migrate of [true, false]) {
      const error = await refusalOf(open(database.url, { migrate }), SchemaTooNew);
      expect(error.message).toContain("9999");
      expect(error.message).toContain("Upgrade Pawl");
    }
    await execute(database.url, "DELETE FROM pawl.migrations WHERE number = 9999");
    await (await open(database.url, { migrate: false })).close();
  });

  test("is migrated once by twenty that open it at the same time", async () => {
    const fresh = await freshDatabase();
    const pawls = await Promise.all(Array.from({ length: 20 }, () => open(fresh.url, { connectTimeout: "20s", poolSize: 1 })));
    await Promise.all(pawls.map((pawl) => pawl.close()));
    const applied = await query<{ n: number }>(fresh.url, "SELECT number AS n FROM pawl.migrations ORDER BY number");
    expect(applied.map(({ n }) => n)).toEqual(applied.map((_, index) => index + 1));
    await fresh.drop();
  });
});

/** A file system of its own, small enough to be filled; undefined and a reason where mounting is not permitted. */
function mountSmall(): { readonly path: string } | { readonly reason: string } {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return { reason: "mounting a file system needs root on Linux" };
  const path = mkdtempSync(join(tmpdir(), "pawl-full-"));
  chmodSync(path, 0o755);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=160m,mode=755", "pawl-full", path], { stdio: "pipe" });
    return { path };
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    return { reason: `mount is not permitted: ${error instanceof Error ? error.message.split("\n").at(-1) : String(error)}` };
  }
}

describe("a full disk", () => {
  test("loses nothing that was acknowledged, and work goes on after space is freed", async (context) => {
    const small = mountSmall();
    if ("reason" in small) return context.skip(small.reason);
    const filler = join(small.path, "filler");
    const free = (): number => {
      const { bavail, bsize } = statfsSync(small.path);
      return bavail * bsize;
    };
    const work = defineWorkflow({
      name: "work",
      run: async (ctx, input: { n: number; ballast: string }) => {
        const first = await ctx.step("first", () => input.n + 1);
        await ctx.step("ballast", () => input.ballast);
        return ctx.step("last", () => first * 2);
      },
    });
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
    let pawl: Pawl | undefined;
    try {
      pawl = await Pawl.open({ directory: join(small.path, "data"), logger });
      await pawl.worker({ workflows: [work], ...soon });
      const acknowledged: ExecutionHandle<number>[] = [];
      const started: Promise<unknown>[] = [];
      const start = (n: number): void => {
        // Random text, so that nothing compresses it.
        const ballast = Array.from({ length: 30_000 }, () => Math.random().toString(36)).join("");
        started.push(pawl!.start(work, { n, ballast }, { executionId: `full-${n}` }).then((handle) => acknowledged.push(handle)));
      };
      for (let n = 0; n < 10; n++) start(n);
      await Promise.all(started);
      await Promise.all(acknowledged.map((handle) => handle.result()));
      for (let chunk = 0; free() > 0 && chunk < 1000; chunk++) {
        try {
          writeFileSync(filler, Buffer.alloc(Math.max(4096, Math.min(free(), 1 << 20))), { flag: "a" });
        } catch {
          break;
        }
      }
      for (let n = 10; n < 30; n++) start(n);
      await eventually(() => expect(warnings.join("\n")).toMatch(/no disk space left|database:/));
      expect(acknowledged.length).toBeLessThan(30);
      const sure = acknowledged.length;
      expect(sure).toBeGreaterThanOrEqual(10);
      rmSync(filler);
      await Promise.all(started);
      expect(acknowledged).toHaveLength(30);
      for (const handle of acknowledged) expect(await handle.result({ timeout: "2 minutes" })).toBe((Number(handle.executionId.slice(5)) + 1) * 2);
    } finally {
      rmSync(filler, { force: true });
      await pawl?.close({ drain: 0 });
    }
    const again = await Pawl.open({ directory: join(small.path, "data"), logger: silentLogger });
    try {
      const { executions } = await again.list({ limit: 100 });
      expect(executions.map(({ state }) => state)).toEqual(Array(30).fill("completed"));
    } finally {
      await again.close();
      await eventually(() => execFileSync("umount", [small.path], { stdio: "pipe" }));
      rmSync(small.path, { recursive: true, force: true });
    }
  });
});

describe("a database that lets nobody in for a while", () => {
  /** Everybody who is connected is thrown out, and nobody is let in. */
  async function close(server: string, name: string): Promise<void> {
    await execute(server, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await query(server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [name]);
  }

  test("and is renamed meanwhile fails no execution: what its steps gave is stored when it is back, and the worker goes on claiming", async () => {
    const database = await freshDatabase();
    const server = inject("databaseServerUrl");
    const name = database.url.match(/test_\w+/)![0];
    const began = gate();
    const mayEnd = gate();
    let runs = 0;
    const slow = defineWorkflow({
      name: "slow",
      run: (ctx) =>
        ctx.step("once", async () => {
          runs++;
          began.open();
          await mayEnd.opened;
          return "done";
        }),
    });
    const quick = defineWorkflow({ name: "quick", run: (ctx) => ctx.step("once", () => "done as well") });
    const warnings: string[] = [];
    const pawl = await open(database.url, { logger: { ...silentLogger, warn: (message) => void warnings.push(message) } });
    const worker = await pawl.worker({ workflows: [slow, quick], lease: "1 minute", ...soon });
    const { workerId } = worker.health();
    const handle = await pawl.start(slow, undefined);
    await began.opened;
    await close(server, name);
    mayEnd.open();
    await eventually(() => expect(warnings.join("\n")).toContain("not currently accepting connections"));
    await eventually(() => execute(server, `ALTER DATABASE ${name} RENAME TO away_${name}`));
    await eventually(() => expect(warnings.join("\n")).toContain("does not exist"));
    const refused = await refusalOf(open(database.url, { connectTimeout: "1 minute" }), DatabaseUnreachable);
    expect(refused.message).toContain("does not exist");
    await execute(server, `ALTER DATABASE away_${name} RENAME TO ${name}`);
    expect((await refusalOf(open(database.url, { connectTimeout: "1 minute" }), DatabaseUnreachable)).message).toContain("not currently accepting connections");
    await execute(server, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    expect(await handle.result()).toBe("done");
    expect(runs).toBe(1);
    expect(await pawl.execute(quick, undefined)).toBe("done as well");
    expect(worker.health()).toMatchObject({ workerId, leaseValid: true });
    await pawl.close();
    await checkInvariants(database.url);
    await database.drop();
  });
});

describe("a database that ends or cancels what takes long", () => {
  const slow = defineWorkflow({ name: "slow", run: async (ctx) => ctx.step("once", () => "done") });

  /** Holds up all that is written to histories until it is told to let go. */
  async function holdUp(url: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    // It has the database's settings, too.
    await client.query("SELECT set_config(name, '0', false) FROM pg_settings WHERE name LIKE '%timeout' AND setting = '300'");
    await client.query("BEGIN; LOCK TABLE pawl.history IN EXCLUSIVE MODE");
    return client;
  }

  async function waiting(url: string): Promise<readonly { readonly pid: number }[]> {
    return query<{ pid: number }>(url, "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'");
  }

  test("by its timeouts fails nothing, and keeps its sessions", async () => {
    const database = await freshDatabase();
    const name = database.url.match(/test_\w+/)![0];
    const { version } = (await query<{ version: number }>(database.url, "SELECT current_setting('server_version_num')::int AS version"))[0]!;
    const timeouts = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"];
    if (version >= 170_000) timeouts.push("transaction_timeout");
    for (const timeout of timeouts) await execute(database.url, `ALTER DATABASE ${name} SET ${timeout} = '300ms'`);
    await execute(database.url, `ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`);
    const warnings: string[] = [];
    const pawl = await open(database.url, { logger: { ...silentLogger, warn: (message) => void warnings.push(message) } });
    await pawl.worker({ workflows: [slow], ...soon });
    const sessions = async () =>
      (await query<{ pid: number }>(database.url, "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pawl%'")).map(
        ({ pid }) => pid,
      );
    await (await pawl.start(slow, undefined)).result();
    const before = await sessions();
    const locker = await holdUp(database.url);
    const starting = pawl.start(slow, undefined, { executionId: "held-up" });
    await eventually(async () => expect(await waiting(database.url)).not.toEqual([]));
    await new Promise((resolve) => setTimeout(resolve, 700));
    await locker.query("COMMIT");
    await locker.end();
    expect(await (await starting).result()).toBe("done");
    expect(warnings).toEqual([]);
    expect(await sessions()).toEqual(expect.arrayContaining(before));
    await pawl.close();
    await database.drop();
  });

  test("leaves the settings of users' own transactions to users", async () => {
    const database = await freshDatabase();
    const name = database.url.match(/test_\w+/)![0];
    await execute(database.url, `ALTER DATABASE ${name} SET statement_timeout = '41s'`);
    const asks = defineWorkflow({
      name: "asks",
      run: (ctx) => ctx.transaction("ask", async (tx) => (await tx.query<{ ms: string }>("SELECT current_setting('statement_timeout') AS ms")).rows[0]!.ms),
    });
    const pawl = await open(database.url);
    await pawl.worker({ workflows: [asks], ...soon });
    expect(await pawl.execute(asks, undefined)).toBe("41s");
    await pawl.close();
    await database.drop();
  });

  test("by hand has what is written sent again, and what is read refused", async () => {
    const database = await freshDatabase();
    const pawl = await open(database.url);
    await pawl.worker({ workflows: [slow], ...soon });
    const locker = await holdUp(database.url);
    const starting = pawl.start(slow, undefined, { executionId: "cancelled" });
    const cancelled = new Set<number>();
    await eventually(async () => {
      for (const { pid } of await waiting(database.url)) {
        cancelled.add(pid);
        await query(database.url, "SELECT pg_cancel_backend($1)", [pid]);
      }
      expect(cancelled.size).toBeGreaterThan(1);
    });
    await locker.query("ROLLBACK; BEGIN; LOCK TABLE pawl.executions IN ACCESS EXCLUSIVE MODE");
    const listing = pawl.list().then(
      () => "listed",
      (error: { readonly code?: string; readonly cause?: { readonly code?: string } }) => error.cause?.code ?? error.code,
    );
    await eventually(async () => {
      const [reader] = await query<{ pid: number }>(
        database.url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pawl reads' AND wait_event_type = 'Lock' AND query LIKE '%order by%'",
      );
      expect(reader).toBeDefined();
      await query(database.url, "SELECT pg_cancel_backend($1)", [reader!.pid]);
    });
    expect(await listing).toBe("57014");
    await locker.query("ROLLBACK");
    await locker.end();
    expect(await (await starting).result()).toBe("done");
    await pawl.close();
    await database.drop();
  });
});

test("a host that does not exist is unreachable; a connection string that cannot be read is said to be one, without its password", async () => {
  await refusalOf(open("postgres://no-such-host.invalid/x"), DatabaseUnreachable);
  for (const url of ["postgres://me:secret@127.0.0.1:99999/x", "postgres://me:secret@[::1/x", "postgres://me:secret@a b/x"]) {
    const error = await refusalOf(open(url), PawlError as never);
    expect(inspect(error, { depth: 5 })).not.toContain("secret");
  }
});

test("invariants hold on a database that was only opened", async () => {
  const database = await freshDatabase();
  await (await open(database.url)).close();
  await checkInvariants(database.url);
  await database.drop();
});
