import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openEmbedded, openEmbeddedOver } from "./embedded-postgres.ts";
import { pidRuns } from "./process-identity.ts";
import { makeClusterTemplate, type ClusterTemplate } from "./test-support/cluster-template.ts";
import { query } from "./test-support/query.ts";

// Servers are created and started; the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let template: ClusterTemplate;

beforeAll(async () => {
  template = await makeClusterTemplate();
});
afterAll(() => template.remove());

test("the first start creates a database, later ones find its data again and take well under a second", async () => {
  const directory = join(await template.copy(), "new");
  const lines: string[] = [];
  const first = await openEmbedded({ directory, onProgress: (line) => lines.push(line) });
  expect(lines.join("\n")).toMatch(/^Creating the embedded PostgreSQL in .* \(first start, a few seconds\)\.\.\.$/);
  await query(first.url, "create table kept as select 42 as answer");
  await first.close();
  expect(pidRuns(first.serverPid)).toBe(false);

  const began = performance.now();
  const second = await openEmbedded({ directory, onProgress: (line) => lines.push(line) });
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(lines).toHaveLength(1);
  expect(second.owner).toBe(true);
  expect(second.url).toBe(first.url);
  expect(await query(second.url, "select answer from kept")).toEqual([[42]]);
  await second.close();
});

test("the server is durable, private, in UTC and UTF-8", async () => {
  const directory = await template.copy();
  const embedded = await openEmbedded({ directory });
  try {
    const names = [
      "fsync",
      "synchronous_commit",
      "full_page_writes",
      "listen_addresses",
      "jit",
      "timezone",
      "data_checksums",
      "server_encoding",
      "max_connections",
    ];
    const rows = await query(embedded.url, `select current_setting(unnest(array['${names.join("','")}']))`);
    expect(rows.flat()).toEqual(["on", "on", "on", "", "off", "UTC", "on", "UTF8", "200"]);
    expect((await query(embedded.url, "select datcollate from pg_database where datname = current_database()")).flat()).toEqual(["C"]);
    // Only the server's user (and root) can enter where the socket lies.
    expect((await stat(join(directory, "postgres"))).mode & 0o007).toBe(0);
    expect((await stat(join(directory, "postgres", "run"))).mode & 0o077).toBe(0);
  } finally {
    await embedded.close();
  }
});

test("variables of the environment do not lead astray", async () => {
  const directory = await template.copy();
  const before = { ...process.env };
  Object.assign(process.env, { PGPORT: "9", PGHOST: "192.0.2.1", PGSSLMODE: "require", PGDATA: "/nowhere", PGDATABASE: "none" });
  try {
    const embedded = await openEmbedded({ directory });
    expect(await query(embedded.url, "select 1")).toEqual([[1]]);
    await embedded.close();
  } finally {
    process.env = before;
  }
});

test("opening a directory twice in one process shares the server until both are closed", async () => {
  const directory = await template.copy();
  const [one, two] = await Promise.all([openEmbedded({ directory }), openEmbedded({ directory: `${directory}/.` })]);
  expect(two.serverPid).toBe(one.serverPid);
  expect(await readdir(join(directory, "clients"))).toHaveLength(1);
  await Promise.all([one.close(), one.close()]);
  expect(await query(two.url, "select 1")).toEqual([[1]]);
  await two.close();
  await two.close();
  expect(pidRuns(one.serverPid)).toBe(false);
  await expect(two.ensureRunning()).rejects.toMatchObject({ code: "CLOSED" });
  expect(await readdir(directory)).not.toContain("lock");
});

test("closing and opening at the same time leaves a server that works", async () => {
  const directory = await template.copy();
  const first = await openEmbedded({ directory });
  const [, second] = await Promise.all([first.close(), openEmbedded({ directory })]);
  expect(await query(second.url, "select 1")).toEqual([[1]]);
  await second.close();
});

test("a path too long for a socket gets one in a short private directory, and keeps it", async () => {
  const directory = await template.copy();
  const long = join(dirname(directory), "a-very-long-name-".repeat(5), "ä'\" ,%");
  await mkdir(dirname(long));
  await rename(directory, long);
  const first = await openEmbedded({ directory: long });
  const socketDirectory = new URL(first.url.replace("@/", "@x/")).searchParams.get("host") ?? "";
  expect(socketDirectory).toMatch(/\/pawl-\w+$/);
  expect((await stat(socketDirectory)).mode & 0o007).toBe(0);
  await first.close();
  // As if the temporary directory had been cleaned.
  await rm(socketDirectory, { recursive: true });
  const second = await openEmbedded({ directory: long });
  expect(second.url).toBe(first.url);
  expect(await query(second.url, "select 1")).toEqual([[1]]);
  await second.close();
  await rm(socketDirectory, { recursive: true });
});

test("over TCP it listens on 127.0.0.1 only and asks for a password", async () => {
  const directory = await template.copy();
  const embedded = await openEmbeddedOver("tcp", { directory });
  try {
    expect(embedded.url).toMatch(/^postgresql:\/\/pawl:[\w-]{32}@127\.0\.0\.1:\d+\//);
    const [[addresses, sockets] = []] = await query(embedded.url, "select current_setting('listen_addresses'), current_setting('unix_socket_directories')");
    expect([addresses, sockets]).toEqual(["127.0.0.1", ""]);
    await expect(query(embedded.url.replace(/:[\w-]{32}@/, ":wrong@"), "select 1")).rejects.toMatchObject({ code: "28P01" });
    expect((await stat(join(directory, "postgres", "password"))).mode & 0o777).toBe(0o600);
  } finally {
    await embedded.close();
  }
  const again = await openEmbeddedOver("tcp", { directory });
  expect(again.url).toBe(embedded.url);
  await again.close();
});

test("the log is cut when it grows large, keeping the part before", async () => {
  const directory = await template.copy();
  const first = await openEmbedded({ directory });
  const log = join(directory, "postgres", "server.log");
  await writeFile(log, "x".repeat(5 * 1024 * 1024));
  await first.close();
  await (await openEmbedded({ directory })).close();
  expect((await stat(log)).size).toBeLessThan(100_000);
  expect((await stat(`${log}.old`)).size).toBeGreaterThan(4 * 1024 * 1024);
  expect(await readFile(log, "utf8")).toContain("ready to accept connections");
});

test("a directory that was removed while in use is told, and its server is stopped by close", async () => {
  const directory = await template.copy();
  const embedded = await openEmbedded({ directory });
  await rm(directory, { recursive: true, force: true });
  await embedded.close();
  expect(pidRuns(embedded.serverPid)).toBe(false);
});

test("a server whose socket was removed is started again at the same address", async () => {
  const directory = await template.copy();
  const embedded = await openEmbedded({ directory });
  await rm(join(directory, "postgres", "run", ".s.PGSQL.5432"));
  await embedded.ensureRunning();
  expect(await query(embedded.url, "select 1")).toEqual([[1]]);
  await embedded.close();
});

test("the directory may be renamed between two starts", async () => {
  const directory = await template.copy();
  const first = await openEmbedded({ directory });
  await query(first.url, "create table kept as select 1 as n");
  await first.close();
  const renamed = join(dirname(directory), "renamed");
  await rename(directory, renamed);
  const second = await openEmbedded({ directory: renamed });
  expect(await query(second.url, "select n from kept")).toEqual([[1]]);
  await second.close();
});
