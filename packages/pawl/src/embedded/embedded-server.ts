/**
 * The server of one embedded directory as one process sees it: makes sure that it runs, and stops it after the last
 * process has left. Everything that changes who runs or who uses it happens under the directory's lock.
 */
import { mkdir, stat } from "node:fs/promises";
import { isAbsolute, join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedStartFailed } from "../base/errors.ts";
import { findBinaries, prepareBinaries, type Binaries } from "./binaries.ts";
import { Clients } from "./clients.ts";
import { createCluster } from "./create-cluster.ts";
import { checkLayout, writeLayout, type DataDirectory } from "./data-directory.ts";
import { lockDirectory, lockDirectoryNow, type DirectoryLock } from "./directory-lock.ts";
import { diskFull, fileProblem, saysDiskFull } from "./file-problem.ts";
import { clusterNameOf, findPostmaster, isPostmaster, readPostmasterFile, signal } from "./postmaster.ts";
import { serverAccount } from "./server-account.ts";
import { chooseAddress, connectionUrl, recordedAddress, type ServerAddress, type Transport } from "./server-address.ts";
import { probe } from "./server-probe.ts";
import { boundLog, startServer, stopServer } from "./server-process.ts";
import { serverContext, type ServerContext } from "./server-program.ts";

/** The server this process is attached to. */
export interface RunningServer {
  readonly pid: number;
  readonly url: string;
  readonly address: ServerAddress;
  readonly clusterName: string;
  /** Whether this process started it. */
  readonly started: boolean;
}

/** A start may have to recover from a crash first, which takes as long as there is log to replay. */
const lockTimeoutMs = 600_000;
const answerTimeoutMs = 300_000;
const exitLockTimeoutMs = 1_000;

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
        this.#running = (await this.#attach()) ?? (await this.#start(found, known?.address));
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
      if (running !== undefined && (await isPostmaster(running.pid, running.clusterName))) await stopServer(running.pid, running.clusterName, this.#context);
      return;
    }
    await this.#locked(async () => {
      this.#clients.unregister();
      if (running === undefined || this.#clients.hasOthers()) return;
      const pid = (await findPostmaster(this.#paths, running.clusterName)) ?? running.pid;
      if (await isPostmaster(pid, running.clusterName)) await stopServer(pid, running.clusterName, this.#context);
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
      if (lock !== undefined && running !== undefined && !this.#clients.hasOthers()) signal(running.pid, "SIGINT");
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

  /** The server that runs already, once it answers; undefined when there is none. */
  async #attach(): Promise<RunningServer | undefined> {
    if ((await stat(this.#paths.data).catch(() => undefined)) === undefined) return undefined;
    const clusterName = await clusterNameOf(this.#paths);
    const address = await recordedAddress(this.#paths);
    const url = address && (await connectionUrl(this.#paths, address));
    const deadline = Date.now() + answerTimeoutMs;
    for (;;) {
      const pid = await findPostmaster(this.#paths, clusterName);
      const answer = url === undefined ? undefined : await probe(url);
      if (address !== undefined && url !== undefined && answer?.state === "ready") {
        // Without a process to be seen, the server runs in another container that shares the directory.
        const serverPid = pid ?? (await readPostmasterFile(this.#paths))?.pid;
        if (serverPid !== undefined) return { pid: serverPid, url, address, clusterName, started: false };
      }
      if (pid === undefined && answer?.state !== "busy") return undefined;
      if (pid !== undefined && address !== undefined && (await this.#lostSocket(address))) {
        await stopServer(pid, clusterName, this.#context);
        continue;
      }
      if (url === undefined || Date.now() > deadline) {
        throw new EmbeddedStartFailed(
          url === undefined
            ? `its server runs (process ${pid}), but ${this.#paths.address} does not tell where`
            : `its server (process ${pid}) does not answer`,
          `Stop it with \`kill -INT ${pid}\`, then start again; the data stay.`,
          { cause: answer?.error },
        );
      }
      await delay(20);
    }
  }

  /** Whether something removed the socket of a server that is up: nobody can reach it any more, so it has to start again. */
  async #lostSocket(address: ServerAddress): Promise<boolean> {
    if (address.kind === "tcp" || !(await readPostmasterFile(this.#paths))?.ready) return false;
    return (await stat(join(address.directory, `.s.PGSQL.${address.port}`)).catch(() => undefined)) === undefined;
  }

  async #start(found: Binaries, fixed: ServerAddress | undefined): Promise<RunningServer> {
    this.#clients.forgetUnknown();
    const context = await this.#prepare(found);
    for (let attempt = 1; ; attempt++) {
      const address = fixed ?? (await chooseAddress(context, this.#transport));
      const slow = () => this.#onProgress("The embedded PostgreSQL recovers after it was not stopped properly...");
      const outcome = await startServer(context, address, slow);
      const clusterName = await clusterNameOf(this.#paths);
      if ("pid" in outcome) {
        return { pid: outcome.pid, url: await connectionUrl(this.#paths, address), address, clusterName, started: true };
      }
      // A server whose starter was killed before it left a trace is there after all, or a port was taken meanwhile.
      const other = await this.#attach();
      if (other !== undefined) return other;
      if (attempt < 3 && address.kind === "tcp" && fixed === undefined) continue;
      if (attempt < 30 && /pre-existing shared memory block/.test(outcome.logTail)) {
        // Processes of a killed server that are being torn down still hold it.
        await delay(100);
        continue;
      }
      if (saysDiskFull(outcome.logTail)) throw diskFull(this.#paths.root, new Error(outcome.logTail));
      throw new EmbeddedStartFailed(`its log (${this.#paths.log}) ends with\n${outcome.logTail}\n`, "Correct what it says, then start again.");
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

/** A directory as the user would write it. */
function nameOf(path: string): string {
  const short = relative("", path) || ".";
  return short.startsWith("..") || isAbsolute(short) ? path : short;
}
