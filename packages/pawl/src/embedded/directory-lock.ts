/**
 * A lock on a directory that exactly one process holds and that no kill -9 leaves stuck.
 *
 * The lock is a file made by a hard link, so that it appears whole or not at all; it names its holder. A lock whose
 * holder died is removed only under a second lock named after that very holder, and only if it still names it: two
 * processes that find the same dead holder can therefore never remove the lock one of them has just taken. The operations
 * are synchronous (a handful of system calls) so that a process can also use them while it exits.
 */
import { createHash, randomUUID } from "node:crypto";
import { linkSync, readFileSync, readdirSync, statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedStartFailed } from "../base/errors.ts";
import { currentProcess, livenessOf, pidOf } from "./process-identity.ts";

/** A held lock. */
export interface DirectoryLock {
  release(): void;
}

/** How often a holder touches its lock, for processes that cannot see it because it runs in another container. */
const heartbeatMs = 2_000;
/** A holder that cannot be seen and has not touched its lock for this long is taken for dead. */
const silentMs = 15_000;
const pollMs = 20;
const draftMark = ".draft-";

/** Waits until the lock is free and takes it. `onWait` is told once, with the holder's pid, when that takes long. */
export async function lockDirectory(path: string, timeoutMs: number, onWait?: (holder: string) => void): Promise<DirectoryLock> {
  const started = Date.now();
  let told = false;
  for (;;) {
    const lock = tryLock(path);
    if (lock !== undefined) {
      removeLeftovers(path);
      return lock;
    }
    const waited = Date.now() - started;
    const holder = `process ${pidOf(holderIn(contentOf(path) ?? "")) ?? "unknown"}`;
    if (waited > timeoutMs) {
      throw new EmbeddedStartFailed(
        `${holder} has held the lock ${path} for more than ${Math.round(timeoutMs / 1000)} s`,
        `See what that process does; end it if it hangs, then start again.`,
      );
    }
    if (!told && waited > 1_000) {
      told = true;
      onWait?.(holder);
    }
    await delay(pollMs * (0.5 + Math.random()));
  }
}

/** The same without an event loop, for `process.on("exit")`. Undefined when the lock was not free in time. */
export function lockDirectoryNow(path: string, timeoutMs: number): DirectoryLock | undefined {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const lock = tryLock(path);
    if (lock !== undefined || Date.now() > deadline) return lock;
    Atomics.wait(sleeper, 0, 0, pollMs);
  }
}

function tryLock(path: string): DirectoryLock | undefined {
  if (contentOf(path) !== undefined) {
    removeStale(path);
    return undefined;
  }
  const mine = `${currentProcess()}.${randomUUID()}`;
  // Its name tells whose it is from the first moment on; its content does not until it is written.
  const draft = `${path}${draftMark}${mine}`;
  writeFileSync(draft, mine, { flag: "wx", mode: 0o644 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return undefined;
  } finally {
    unlinkSync(draft);
  }
  const heartbeat = setInterval(() => touch(path, mine), heartbeatMs);
  heartbeat.unref();
  return {
    release() {
      clearInterval(heartbeat);
      if (contentOf(path) === mine) removeFile(path);
    },
  };
}

/**
 * Removes what processes left behind that were killed in the middle of `tryLock` or `removeStale`. The lock is ours, so no
 * second lock of a dead process serves any more: the holder it is named after will never be named by the lock again.
 */
function removeLeftovers(path: string): void {
  const directory = dirname(path);
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const leftover = join(directory, name);
    const holder = name.includes(draftMark) ? name.slice(name.lastIndexOf(draftMark) + draftMark.length) : contentOf(leftover);
    if (holder !== undefined && livenessOf(holderIn(holder)) === "dead") removeFile(leftover);
  }
}

function removeStale(path: string): void {
  const found = contentOf(path);
  if (found === undefined || !isStale(path, found)) return;
  const guard = tryLock(`${path}.${createHash("sha256").update(found).digest("hex").slice(0, 16)}`);
  if (guard === undefined) return;
  try {
    if (contentOf(path) === found) removeFile(path);
  } finally {
    guard.release();
  }
}

function isStale(path: string, content: string): boolean {
  const liveness = livenessOf(holderIn(content));
  if (liveness !== "unknown") return liveness === "dead";
  try {
    return Date.now() - statSync(path).mtimeMs > silentMs;
  } catch {
    return false;
  }
}

function touch(path: string, mine: string): void {
  if (contentOf(path) !== mine) return;
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // The directory was removed under us; the operation that holds the lock will say so.
  }
}

function holderIn(content: string): string {
  return content.split(".")[0] ?? "";
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
