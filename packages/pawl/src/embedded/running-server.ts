/** Finds the server that runs for an embedded directory already. Called under the directory's lock. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedStartFailed } from "../base/errors.ts";
import type { DataDirectory } from "./data-directory.ts";
import { clusterNameOf, findPostmaster, findUnrecorded, readPostmasterFile } from "./postmaster.ts";
import { tokenOf } from "./process-identity.ts";
import { connectionUrl, recordedAddress, type ServerAddress } from "./server-address.ts";
import { probe } from "./server-probe.ts";
import { stopServer } from "./server-process.ts";
import type { ServerContext } from "./server-program.ts";
import { isStopping } from "./stop-notice.ts";

/** The server this process is attached to. */
export interface RunningServer {
  readonly pid: number;
  /** Tells the process from a later one with its pid; undefined when it runs in another container. */
  readonly token: string | undefined;
  readonly url: string;
  readonly address: ServerAddress;
  readonly clusterName: string;
  /** Whether this process started it. */
  readonly started: boolean;
}

/** A start may have to recover from a crash first, which takes as long as there is log to replay. */
const answerTimeoutMs = 300_000;
/** A server writes `postmaster.pid` in its first milliseconds; one that has none after this long has lost it. */
const unrecordedMs = 5_000;

/** The server that runs already, once it answers; undefined when there is none. `context` is needed to stop one on Windows. */
export async function findRunningServer(paths: DataDirectory, context: ServerContext | undefined): Promise<RunningServer | undefined> {
  if ((await stat(paths.data).catch(() => undefined)) === undefined) return undefined;
  const clusterName = await clusterNameOf(paths);
  const address = await recordedAddress(paths);
  const url = address && (await connectionUrl(paths, address));
  const began = Date.now();
  for (;;) {
    const pid = await findPostmaster(paths, clusterName);
    const leaving = pid !== undefined && isStopping(paths, pid);
    const answer = url === undefined || leaving ? undefined : await probe(url);
    if (address !== undefined && url !== undefined && answer?.state === "ready") {
      // Without a process to be seen, the server runs in another container that shares the directory.
      const serverPid = pid ?? (await readPostmasterFile(paths))?.pid;
      if (serverPid !== undefined) return { pid: serverPid, token: pid === undefined ? undefined : tokenOf(pid), url, address, clusterName, started: false };
    }
    const hidden = pid === undefined && answer?.state !== "busy" ? await findUnrecorded(clusterName) : undefined;
    if (pid === undefined && hidden === undefined && answer?.state !== "busy") return undefined;
    if (Date.now() - began > answerTimeoutMs) throw silent(pid ?? hidden, answer?.error);
    if (pid !== undefined && (leaving || (address !== undefined && (await lostSocket(paths, address))))) await stopServer(paths, pid, clusterName, context);
    else if (hidden !== undefined && Date.now() - began > unrecordedMs) await stopServer(paths, hidden, clusterName, context);
    else if (pid !== undefined && url === undefined) throw unaddressed(paths, pid);
    else await delay(20);
  }
}

/** Whether something removed the socket of a server that is up: nobody can reach it any more, so it has to start again. */
async function lostSocket(paths: DataDirectory, address: ServerAddress): Promise<boolean> {
  if (address.kind === "tcp" || !(await readPostmasterFile(paths))?.ready) return false;
  return (await stat(join(address.directory, `.s.PGSQL.${address.port}`)).catch(() => undefined)) === undefined;
}

function silent(pid: number | undefined, cause: unknown): EmbeddedStartFailed {
  return new EmbeddedStartFailed(`its server (process ${pid}) does not answer`, stopIt(pid), { cause });
}

function unaddressed(paths: DataDirectory, pid: number): EmbeddedStartFailed {
  return new EmbeddedStartFailed(`its server runs (process ${pid}), but ${paths.address} does not tell where`, stopIt(pid));
}

function stopIt(pid: number | undefined): string {
  return `Stop it with \`kill -INT ${pid}\`, then start again; the data stay.`;
}
