import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openEmbedded } from "./embedded-postgres.ts";
import { pidRuns } from "./process-identity.ts";
import { compileProgram, makeTestDirectory, startClient } from "./test-support/child-client.ts";
import { makeClusterTemplate, type ClusterTemplate } from "./test-support/cluster-template.ts";
import { query } from "./test-support/query.ts";

// Servers are created and started; the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let template: ClusterTemplate;
let home: string;
let program: string;

beforeAll(async () => {
  template = await makeClusterTemplate();
  home = await makeTestDirectory();
  program = await compileProgram(join(home, "program"));
});
afterAll(async () => {
  await template.remove();
  await rm(home, { recursive: true });
});

function untilGone(pid: number): Promise<void> {
  return vi.waitUntil(() => !pidRuns(pid), { timeout: 120_000, interval: 20 }).then(() => undefined);
}

test("of five processes that open a new directory at once, one starts the server and the last to close stops it", async () => {
  const directory = join(home, "five");
  const clients = await Promise.all(Array.from({ length: 5 }, () => startClient(program, directory)));
  expect(clients.map((client) => client.report.error)).toEqual(Array(5).fill(undefined));
  expect(clients.filter((client) => client.report.owner)).toHaveLength(1);
  const [first] = clients;
  if (first === undefined) return;
  const { serverPid, url } = first.report;
  expect(new Set(clients.map((client) => `${client.report.serverPid} ${client.report.url}`)).size).toBe(1);
  // The owner leaves first: the others go on.
  clients.sort((a, b) => Number(b.report.owner) - Number(a.report.owner));
  await Promise.all(clients.slice(0, 4).map((client) => client.end("close")));
  expect(await query(url, "select 1")).toEqual([[1]]);
  await clients[4]?.end("close");
  expect(pidRuns(serverPid)).toBe(false);
  expect((await readdir(directory)).toSorted()).toEqual(["clients", "pawl.json", "postgres"]);
});

test("the server outlives a kill -9 of its owner, and stops when the one attached closes", async () => {
  const directory = await template.copy();
  const owner = await startClient(program, directory);
  const other = await openEmbedded({ directory });
  expect([owner.report.owner, other.owner]).toEqual([true, false]);
  await owner.end("SIGKILL");
  expect(await query(other.url, "select 1")).toEqual([[1]]);
  await other.close();
  expect(pidRuns(other.serverPid)).toBe(false);
});

test("a server whose every user was killed is adopted by the next open and stopped by its close", async () => {
  const directory = await template.copy();
  const client = await startClient(program, directory);
  await client.end("SIGKILL");
  expect(pidRuns(client.report.serverPid)).toBe(true);
  const next = await openEmbedded({ directory });
  expect([next.owner, next.serverPid]).toEqual([false, client.report.serverPid]);
  await next.close();
  expect(pidRuns(next.serverPid)).toBe(false);
});

test.each(["exit", "throw"] as const)("a process that ends without close (%s) stops the server", async (how) => {
  const directory = await template.copy();
  const client = await startClient(program, directory);
  await client.end(how);
  await untilGone(client.report.serverPid);
  expect(await readdir(join(directory, "clients"))).toEqual([]);
});

test("a process that ends without close leaves the server to the others", async () => {
  const directory = await template.copy();
  const client = await startClient(program, directory);
  const other = await openEmbedded({ directory });
  await client.end("exit");
  expect(await query(other.url, "select 1")).toEqual([[1]]);
  await other.close();
});

test("an open during the shutdown of another process waits for it and starts anew", async () => {
  const directory = await template.copy();
  const client = await startClient(program, directory);
  const ended = client.end("exit");
  const next = await openEmbedded({ directory });
  await ended;
  await next.ensureRunning();
  expect(await query(next.url, "select 1")).toEqual([[1]]);
  await next.close();
});

test("a killed server is brought back once by all who ask, at the same address, with all that was acknowledged", async () => {
  const directory = await template.copy();
  const clients = await Promise.all([startClient(program, directory), startClient(program, directory)]);
  const own = await openEmbedded({ directory });
  await query(own.url, "create table kept (n int)");
  for (let round = 1; round <= 3; round++) {
    await query(own.url, `insert into kept values (${round})`);
    const killed = own.serverPid;
    process.kill(killed, "SIGKILL");
    const [one, two] = await Promise.all([...clients.map((client) => client.ask("ensure")), own.ensureRunning(), own.ensureRunning()]);
    expect(own.serverPid).not.toBe(killed);
    expect(one).toMatchObject({ serverPid: own.serverPid, url: own.url });
    expect(two).toMatchObject({ serverPid: own.serverPid, url: own.url });
    expect((await query(own.url, "select count(*)::int from kept")).flat()).toEqual([round]);
  }
  await Promise.all(clients.map((client) => client.end("close")));
  await own.close();
  expect(pidRuns(own.serverPid)).toBe(false);
});

test("what a killed server left working is ended before the next one starts", async () => {
  const directory = await template.copy();
  const client = await startClient(program, directory);
  const busy = new Client({ connectionString: client.report.url });
  const lost = new Promise((resolve) => busy.on("error", resolve));
  await busy.connect();
  const [[backend] = []] = (await busy.query<number[]>({ text: "select pg_backend_pid()", rowMode: "array" })).rows;
  // A loop in the server that looks at nothing, as long statements may.
  const statement = busy.query("do $$ begin for i in 1..2000000000 loop end loop; end $$").catch((error: unknown) => error);
  await vi.waitUntil(async () => (await query(client.report.url, "select 1 from pg_stat_activity where state = 'active' and query like 'do %'")).length > 0);
  process.kill(client.report.serverPid, "SIGKILL");
  await client.end("SIGKILL");
  expect(pidRuns(backend ?? 0)).toBe(true);
  const next = await openEmbedded({ directory });
  expect(next.owner).toBe(true);
  expect(pidRuns(backend ?? 0)).toBe(false);
  expect(await query(next.url, "select 1")).toEqual([[1]]);
  expect(await statement).toBeInstanceOf(Error);
  await lost;
  await next.close();
});

test("a stale postmaster.pid that names a living stranger keeps nothing from starting", async () => {
  const directory = await template.copy();
  const client = await startClient(program, directory);
  process.kill(client.report.serverPid, "SIGKILL");
  await client.end("SIGKILL");
  const path = join(directory, "postgres", "data", "postmaster.pid");
  const stranger = await startClient(program, join(home, "stranger"));
  await writeFile(path, (await readFile(path, "utf8")).replace(/^\d+/, String(stranger.pid)));
  const next = await openEmbedded({ directory });
  expect(next.owner).toBe(true);
  await next.close();
  await stranger.end("close");
});
