/**
 * Finds the server process of a data directory, and what a killed one left behind. A pid in `postmaster.pid` proves
 * nothing: after a restart it may be anyone's. So each server carries a cluster name, made from the identity of its data
 * directory on disk (which a copy does not share), in its command line and in the titles of its children.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readOptional, type DataDirectory } from "./data-directory.ts";
import { pidRuns } from "./process-identity.ts";
import { processesTitled, titleOf } from "./process-titles.ts";

/** What `postmaster.pid` says. */
export interface PostmasterFile {
  readonly pid: number;
  /** When it started, which tells it from an earlier server with the same pid, as containers have. */
  readonly started: string;
  readonly ready: boolean;
}

/** Name of the server of a data directory, e.g. `pawl-fe00-1a2b`. */
export async function clusterNameOf(paths: DataDirectory): Promise<string> {
  const { dev, ino } = await stat(paths.data, { bigint: true });
  return `pawl-${dev.toString(16)}-${ino.toString(16)}`;
}

/** Content of `postmaster.pid`, which may be stale; undefined when there is none. */
export async function readPostmasterFile(paths: DataDirectory): Promise<PostmasterFile | undefined> {
  const lines = (await readOptional(join(paths.data, "postmaster.pid")))?.split("\n");
  const pid = Number(lines?.[0]);
  return Number.isInteger(pid) && pid > 0 ? { pid, started: lines?.[2]?.trim() ?? "", ready: lines?.[7]?.trim() === "ready" } : undefined;
}

/** Pid of the running server of the directory, also while it starts or shuts down. */
export async function findPostmaster(paths: DataDirectory, clusterName: string): Promise<number | undefined> {
  const pid = (await readPostmasterFile(paths))?.pid;
  return pid !== undefined && (await isPostmaster(pid, clusterName)) ? pid : undefined;
}

/** Whether a process is the server of this name. */
export async function isPostmaster(pid: number, clusterName: string): Promise<boolean> {
  if (!pidRuns(pid)) return false;
  if (process.platform === "win32") return true;
  return startsCluster((await titleOf(pid)) ?? "", clusterName);
}

/**
 * Pid of a server that is not in `postmaster.pid`: one that is so young that it has not written it (whoever started it may be
 * dead), or a child of a killed one that is so young that it has no title of its own yet.
 */
export async function findUnrecorded(clusterName: string): Promise<number | undefined> {
  return (await processesTitled("")).find(({ title }) => startsCluster(title, clusterName))?.pid;
}

function startsCluster(title: string, clusterName: string): boolean {
  return title.split(" ").includes(`cluster_name=${clusterName}`);
}

/**
 * Ends the children of a server that was killed. They hold its shared memory, so no server starts while one lives; most
 * notice and leave at once, one in a long statement does not. SIGQUIT is what a crashed server itself would send.
 */
export async function endOrphans(clusterName: string): Promise<void> {
  const prefix = `postgres: ${clusterName}: `;
  const started = Date.now();
  for (let wait = 5; ; wait = Math.min(wait * 2, 100)) {
    const orphans = await processesTitled(prefix);
    if (orphans.length === 0) return;
    const waited = Date.now() - started;
    if (waited > 200) for (const { pid } of orphans) signal(pid, waited > 3_000 ? "SIGKILL" : "SIGQUIT");
    // Not even SIGKILL ends a process that hangs in the kernel; starting the server will say what is wrong then.
    if (waited > 10_000) return;
    await delay(wait);
  }
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
