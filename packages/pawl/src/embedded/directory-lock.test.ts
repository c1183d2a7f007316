import { mkdtemp, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockDirectory, lockDirectoryNow } from "./directory-lock.ts";
import { currentProcess } from "./process-identity.ts";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "pawl-test-"));
  path = join(directory, "lock");
});
afterEach(() => rm(directory, { recursive: true }));

/** A holder with our boot and pid namespace, and a start time no process with this pid has. */
function deadHolder(): string {
  const [, , boot, space] = currentProcess().split("-");
  return `${process.pid}-1-${boot}-${space}.x`;
}

function hiddenHolder(): string {
  const [, , boot] = currentProcess().split("-");
  return `4242-1-${boot}-987654321.x`;
}

test("only one of many holds the lock at a time, and each gets it", async () => {
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const lock = await lockDirectory(path, 10_000);
      most = Math.max(most, ++holders);
      await readFile(path, "utf8");
      holders--;
      lock.release();
    }),
  );
  expect(most).toBe(1);
  expect(await readdir(directory)).toEqual([]);
});

test("a lock whose holder died is taken over, by one of several who find it", async () => {
  await writeFile(path, deadHolder());
  let holders = 0;
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      const lock = await lockDirectory(path, 10_000);
      expect(++holders).toBe(1);
      await readFile(path, "utf8");
      holders--;
      lock.release();
    }),
  );
  expect(await readdir(directory)).toEqual([]);
});

test("what a process left that was killed while it took the lock is removed", async () => {
  await writeFile(`${path}.draft-${deadHolder()}`, "");
  // The second lock under which a dead holder's is removed.
  await writeFile(`${path}.0123456789abcdef`, deadHolder());
  (await lockDirectory(path, 1_000)).release();
  expect(await readdir(directory)).toEqual([]);
});

test("what another process is just writing to take the lock is left to it", async () => {
  const draft = `lock.draft-${currentProcess()}.x`;
  await writeFile(join(directory, draft), "");
  (await lockDirectory(path, 1_000)).release();
  expect(await readdir(directory)).toEqual([draft]);
});

test("a lock from before a restart of the machine is taken over", async () => {
  await writeFile(path, `${process.pid}-1-abcdefabcdef-1.x`);
  (await lockDirectory(path, 1_000)).release();
});

test("a live holder keeps the lock, and whoever waits too long is told who it is", async () => {
  const lock = await lockDirectory(path, 1_000);
  await expect(lockDirectory(path, 100)).rejects.toThrow(`process ${process.pid} has held the lock`);
  lock.release();
});

test("a holder in another container keeps the lock while it touches it", async () => {
  await writeFile(path, hiddenHolder());
  expect(lockDirectoryNow(path, 50)).toBeUndefined();
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(path, longAgo, longAgo);
  const lock = lockDirectoryNow(path, 1_000);
  expect(lock).toBeDefined();
  lock?.release();
});

test("a process that exits takes the lock without an event loop", async () => {
  const lock = lockDirectoryNow(path, 0);
  expect(lock).toBeDefined();
  expect(lockDirectoryNow(path, 30)).toBeUndefined();
  lock?.release();
  expect(await readdir(directory)).toEqual([]);
});
