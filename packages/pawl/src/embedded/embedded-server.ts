/**
 * The server of one embedded directory as one process sees it: makes sure that it runs, and stops it after the last
 * process has left. Everything that changes who runs or who uses it happens under the directory's lock.
 */
import { mkdir, stat } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findBinaries, prepareBinaries, type Binaries } from "./binaries.ts";
import { Clients } from "./clients.ts";
import { createCluster } from "./create-cluster.ts";
import { checkLayout, writeLayout, type DataDirectory } from "./data-directory.ts";
import { lockDirectory, lockDirectoryNow, type DirectoryLock } from "./directory-lock.ts";
import { mayPass, startFailure } from "./failed-start.ts";
import { fileProblem } from "./file-problem.ts";
import { clusterNameOf, findPostmaster, isPostmaster, signal } from "./postmaster.ts";
import { livenessOf, tokenOf } from "./process-identity.ts";
import { findRunningServer, type RunningServer } from "./running-server.ts";
import { serverAccount } from "./server-account.ts";
import { chooseAddress, connectionUrl, type ServerAddress, type Transport } from "./server-address.ts";
import { probe } from "./server-probe.ts";
import { boundLog, startServer, stopServer } from "./server-process.ts";
import { serverContext, type ServerContext } from "./server-program.ts";
import { announceStop } from "./stop-notice.ts";

/** A start may have to recover from a crash first, which takes as long as there is log to replay. */
const lockTimeoutMs = 600_000;
const exitLockTimeoutMs = 1_000;
/** What may pass by itself gets this long, and as many attempts when each takes long. */
const passingMs = 30_000;
const passingAttempts = 5;
const betweenAttemptsMs = 100;

/** One process's hold on the server of a directory. */
export class EmbeddedServer {
  readonly #paths: DataDirectory;
  readonly #transport: Transport;
  readonly #onProgress: (line: string) => void;
  readonly #clients: Clients;
  #lock: DirectoryLock | undefined;
  #context: ServerContext | undefined;
  #running: RunningServer | undefined;

  constructor(paths: DataDirectory, transport: Transport, onProgress: (line: string) => void) {
    this.#paths = paths;
    this.#transport = transport;
    this.#onProgress = onProgress;
    this.#clients = new Clients(paths.clients);
  }

  /** Counts this process among the users and returns the running server, started if need be. */
  async ensure(): Promise<RunningServer> {
    const known = this.#running;
    try {
      const found = await findBinaries();
      // Before anything is touched, also the lock.
      await checkLayout(this.#paths, found.major);
      return await this.#locked(async () => {
        await checkLayout(this.#paths, found.major);
        this.#clients.register();
        await boundLog(this.#paths);
        this.#running = (await findRunningServer(this.#paths, this.#context)) ?? (await this.#start(found, known?.address));
        return this.#running;
      });
    } catch (error) {
      if (known === undefined) this.#clients.unregister();
      throw fileProblem(error, this.#paths.root);
    }
  }

  /** Whether the server answers at this moment. */
  async answers(): Promise<boolean> {
    return this.#running !== undefined && (await probe(this.#running.url)).state === "ready";
  }

  /** Leaves; stops the server if nobody else uses it. */
  async leave(): Promise<void> {
    const running = this.#running;
    // Without its directory there is nothing to lock, only a server to stop.
    if ((await stat(this.#paths.root).catch(() => undefined)) === undefined) {
      if (running !== undefined && (await isPostmaster(running.pid, running.clusterName)))
        await stopServer(this.#paths, running.pid, running.clusterName, this.#context);
      return;
    }
    await this.#locked(async () => {
      this.#clients.unregister();
      if (running === undefined || this.#clients.hasOthers()) return;
      const pid = (await findPostmaster(this.#paths, running.clusterName)) ?? running.pid;
      if (await isPostmaster(pid, running.clusterName)) await stopServer(this.#paths, pid, running.clusterName, this.#context);
    });
  }

  /** The same for a process that is about to exit: tells the server to stop and does not wait for it. */
  leaveNow(): void {
    const running = this.#running;
    // Exiting in the middle of starting or leaving, it holds the lock itself.
    let lock = this.#lock;
    try {
      lock ??= lockDirectoryNow(this.#paths.lock, exitLockTimeoutMs);
      this.#clients.unregister();
      // Whoever holds the lock now stops the server when leaving, or the next process adopts it.
      if (lock === undefined || running?.token === undefined || this.#clients.hasOthers()) return;
      if (livenessOf(running.token) !== "alive") return;
      announceStop(this.#paths, running.pid);
      signal(running.pid, "SIGINT");
    } catch {
      // The directory is gone or the server is not ours to signal: an exiting process has nobody to tell.
    } finally {
      lock?.release();
    }
  }

  async #locked<T>(work: () => Promise<T>): Promise<T> {
    const waiting = (holder: string) => this.#onProgress(`Waiting for ${holder}, which starts or stops the embedded PostgreSQL...`);
    const lock = await lockDirectory(this.#paths.lock, lockTimeoutMs, waiting);
    this.#lock = lock;
    try {
      return await work();
    } finally {
      this.#lock = undefined;
      lock.release();
    }
  }

  async #start(found: Binaries, fixed: ServerAddress | undefined): Promise<RunningServer> {
    this.#clients.forgetUnknown();
    const context = await this.#prepare(found);
    const began = Date.now();
    const slow = once(() => this.#onProgress("The embedded PostgreSQL recovers after it was not stopped properly..."));
    for (let attempt = 1; ; attempt++) {
      const address = fixed ?? (await chooseAddress(context, this.#transport));
      const outcome = await startServer(context, address, slow);
      const clusterName = await clusterNameOf(this.#paths);
      if ("pid" in outcome) {
        const { pid } = outcome;
        return { pid, token: tokenOf(pid), url: await connectionUrl(this.#paths, address), address, clusterName, started: true };
      }
      // A server whose starter was killed before it left a trace is there after all, or a port was taken meanwhile.
      const other = await findRunningServer(this.#paths, context);
      if (other !== undefined) return other;
      if (attempt < 3 && address.kind === "tcp" && fixed === undefined) continue;
      const givesUp = attempt >= passingAttempts && Date.now() - began > passingMs;
      if (givesUp || !mayPass(outcome)) throw startFailure(this.#paths, outcome);
      await delay(betweenAttemptsMs);
    }
  }

  /** Brings a directory, new or old, to where a server can be started in it. */
  async #prepare(found: Binaries): Promise<ServerContext> {
    const paths = this.#paths;
    const account = await serverAccount(paths);
    const binaries = await prepareBinaries(found, paths, account, (target) => this.#onProgress(`Copying PostgreSQL to ${target}...`));
    await writeLayout(paths, found.major);
    await mkdir(paths.gate, { recursive: true, mode: 0o700 });
    await account.guard(paths.gate, false);
    const context = await serverContext(paths, account, binaries);
    this.#context = context;
    if ((await stat(paths.data).catch(() => undefined)) === undefined) {
      this.#onProgress(`Creating the embedded PostgreSQL in ${nameOf(paths.root)} (first start, a few seconds)...`);
      await createCluster(context);
    }
    return context;
  }
}

function once(tell: () => void): () => void {
  let told = false;
  return () => {
    if (!told) tell();
    told = true;
  };
}

/** A directory as the user would write it. */
function nameOf(path: string): string {
  const short = relative("", path) || ".";
  return short.startsWith("..") || isAbsolute(short) ? path : short;
}
