/**
 * Who tells a server to stop says so in a file first. A server that was signalled goes on answering until it gets to run, and
 * whoever signalled it may be gone by then: without the notice the next process would attach to a server about to stop.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { DataDirectory } from "./data-directory.ts";

/** Announces that this server is told to stop. Synchronous so that it works during exit. */
export function announceStop(paths: DataDirectory, pid: number): void {
  try {
    // A root process may have left it, which its owner cannot write but remove.
    rmSync(paths.stopping, { force: true });
    writeFileSync(paths.stopping, String(pid), { mode: 0o644 });
  } catch {
    // The disk is full or the directory is gone: the server has to stop all the same.
  }
}

/** Whether this server was told to stop. */
export function isStopping(paths: DataDirectory, pid: number): boolean {
  try {
    return readFileSync(paths.stopping, "utf8") === String(pid);
  } catch {
    return false;
  }
}

/** Takes the notice back before a server is started, which may get the pid of the one before. */
export async function clearStopNotice(paths: DataDirectory): Promise<void> {
  await rm(paths.stopping, { force: true });
}
