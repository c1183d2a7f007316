/** Starts and stops the server process. It is detached: it outlives whoever started it as long as others use it. */
import type { ChildProcess } from "node:child_process";
import { open, readFile, rename, rm, stat, copyFile, truncate, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { DataDirectory } from "./data-directory.ts";
import type { FailedStart } from "./failed-start.ts";
import { isMissing } from "./file-problem.ts";
import { clusterNameOf, endOrphans, isPostmaster, readPostmasterFile, signal, type PostmasterFile } from "./postmaster.ts";
import { pidRuns } from "./process-identity.ts";
import { titleOf } from "./process-titles.ts";
import { prepareAddress, type ServerAddress } from "./server-address.ts";
import { runServerProgram, type ServerContext } from "./server-program.ts";
import { placement, writeSettings } from "./server-settings.ts";
import { announceStop, clearStopNotice } from "./stop-notice.ts";

/** A start gives a server that takes connections, or what is known of its end. */
export type StartOutcome = { readonly pid: number } | FailedStart;

const logLimitBytes = 4 * 1024 * 1024;
const fastStopMs = 30_000;
const immediateStopMs = 10_000;

/** Starts the server of a directory where none runs. `onSlow` is told once when it takes long, as after a crash. */
export async function startServer(context: ServerContext, address: ServerAddress, onSlow: () => void): Promise<StartOutcome> {
  const { paths } = context;
  const clusterName = await clusterNameOf(paths);
  const stale = await readPostmasterFile(paths);
  if (stale !== undefined) await endOrphans(clusterName);
  // A server that was killed before it had written its pid leaves an empty file, with which none starts any more.
  else await rm(join(paths.data, "postmaster.pid"), { force: true });
  await clearStopNotice(paths);
  await prepareAddress(context, address);
  await writeSettings(context, address);
  await boundLog(paths);
  const log = await open(paths.log, "a", 0o600);
  try {
    await context.account.own(paths.log);
    const logStart = (await log.stat()).size;
    const child = await spawnServer(context, placement(context, address, clusterName), log, stale?.pid);
    const ready = await waitUntilReady(child, paths, stale, onSlow);
    child.unref();
    return ready === undefined ? { logTail: await logTail(paths, logStart), exit: child.signalCode ?? child.exitCode } : { pid: ready };
  } finally {
    await log.close();
  }
}

/** Stops a server: clients are disconnected, everything is written. Returns when it is gone. */
export async function stopServer(paths: DataDirectory, pid: number, clusterName: string, context: ServerContext | undefined): Promise<void> {
  announceStop(paths, pid);
  await interrupt(pid, context);
  if (await goneWithin(pid, clusterName, fastStopMs)) return;
  // Nothing is lost: the next start recovers from the log, as after a crash.
  signal(pid, "SIGQUIT");
  await goneWithin(pid, clusterName, immediateStopMs);
}

/** Keeps the log small. The server appends, so its file can be cut while it runs. */
export async function boundLog(paths: DataDirectory): Promise<void> {
  try {
    if ((await stat(paths.log)).size <= logLimitBytes) return;
    await copyFile(paths.log, `${paths.log}.new`);
    await rename(`${paths.log}.new`, `${paths.log}.old`);
    await truncate(paths.log);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function spawnServer(context: ServerContext, settings: string[], log: FileHandle, stale: number | undefined): Promise<ChildProcess> {
  if (process.platform === "win32") {
    // pg_ctl gives up administrator rights, with which postgres does not run.
    const args = ["start", "--wait", "--silent", "--pgdata", context.paths.data, "--log", context.paths.log, "--options", settings.join(" ")];
    return runServerProgram(context, "pg_ctl", args, { output: "pipe", detached: true });
  }
  return runServerProgram(context, "postgres", ["-D", `${context.gate}/data`, ...settings], {
    output: log.fd,
    detached: true,
    // The stale pid may be anyone's by now, who must not keep the server from starting. This is how pg_ctl says that a pid
    // is not a server; every other safeguard of PostgreSQL (shared memory still in use) stays in force.
    ...(stale === undefined ? {} : { environment: { PG_GRANDPARENT_PID: String(stale) } }),
  });
}

/** Pid of the server once it takes connections, undefined if it ended. */
async function waitUntilReady(child: ChildProcess, paths: DataDirectory, stale: PostmasterFile | undefined, onSlow: () => void): Promise<number | undefined> {
  const started = Date.now();
  let told = false;
  for (;;) {
    const file = await readPostmasterFile(paths);
    const fresh = file?.pid !== stale?.pid || file?.started !== stale?.started;
    const ours = file !== undefined && fresh && (process.platform === "win32" || file.pid === child.pid);
    if (ours && file.ready) return file.pid;
    const ended = child.signalCode !== null || (child.exitCode !== null && !(process.platform === "win32" && child.exitCode === 0));
    if (ended) return undefined;
    if (!told && Date.now() - started > 2_000) {
      told = true;
      onSlow();
    }
    await delay(10);
  }
}

async function interrupt(pid: number, context: ServerContext | undefined): Promise<void> {
  if (process.platform !== "win32") return signal(pid, "SIGINT");
  // Windows has no signals; PostgreSQL brings its own and this is who sends them.
  if (context !== undefined) await runServerProgram(context, "pg_ctl", ["kill", "INT", String(pid)], { output: "pipe" });
}

async function goneWithin(pid: number, clusterName: string, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  // A process that is being torn down has no title any more, but still its memory.
  while ((await isPostmaster(pid, clusterName)) || (pidRuns(pid) && (await titleOf(pid)) === undefined)) {
    if (Date.now() > deadline) return false;
    await delay(10);
  }
  return true;
}

async function logTail(paths: DataDirectory, from: number): Promise<string> {
  const text = (await readFile(paths.log)).subarray(from).toString("utf8").trim();
  return text.split("\n").slice(-10).join("\n");
}
