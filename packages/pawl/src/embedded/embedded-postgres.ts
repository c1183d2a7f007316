/**
 * The embedded PostgreSQL: a real server, started from an npm package, with its data in one directory and no settings.
 *
 * One server runs per directory, whoever opens it: the first process starts it, others attach, the last to leave stops
 * it. The server is detached, so it outlives a `kill -9` of the process that started it; the next open of the directory
 * adopts it. After a `kill -9` of its only user it therefore runs on, idle, until some process opens and closes the
 * directory again (or the machine restarts): no watchdog runs besides it. A server that was killed itself is brought
 * back by the next open or by `ensureRunning`.
 *
 * The directory must be on a local disk. As root the server runs as another user: see `server-account.ts`, and
 * `server-program.ts` for directories only root can enter.
 */
import { Closed, EmbeddedStartFailed } from "../base/errors.ts";
import { openDataDirectory } from "./data-directory.ts";
import { EmbeddedServer } from "./embedded-server.ts";
import type { RunningServer } from "./running-server.ts";
import type { Transport } from "./server-address.ts";

/** How to open the embedded PostgreSQL. */
export interface EmbeddedOptions {
  /** Directory of the data, default ".pawl" under the current directory. */
  directory?: string;
  /** Told one line per slow stage of a start, e.g. "Creating the embedded PostgreSQL in .pawl (first start, a few seconds)...". */
  onProgress?: (line: string) => void;
}

/** A process's hold on a running embedded PostgreSQL. */
export interface EmbeddedPostgres {
  /** Connection string for `pg`: a Unix socket where possible, else 127.0.0.1. It stays the same until `close`. */
  readonly url: string;
  /** Where its data is, an absolute path. */
  readonly directory: string;
  /** Whether this process started the server (true) or attached to a running one (false). */
  readonly owner: boolean;
  /** pid of the server's main process (the postmaster). */
  readonly serverPid: number;
  /** Brings the server back, in the same place, if it died. Several processes may call it at once. */
  ensureRunning(): Promise<void>;
  /** Detaches. The last process that uses the server stops it, which disconnects what is still connected. Idempotent. */
  close(): Promise<void>;
}

/** Opens the embedded PostgreSQL of a directory, creating and starting it as needed. */
export function openEmbedded(options: EmbeddedOptions = {}): Promise<EmbeddedPostgres> {
  return openEmbeddedOver(process.platform === "win32" ? "tcp" : "socket", options);
}

/** The same with a chosen transport, so that the one for Windows is tested everywhere. */
export async function openEmbeddedOver(transport: Transport, options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const paths = await openDataDirectory(options.directory ?? ".pawl");
  let shared = opened.get(paths.root);
  if (shared === undefined) {
    shared = new SharedServer(paths.root, new EmbeddedServer(paths, transport, options.onProgress ?? (() => undefined)));
    opened.set(paths.root, shared);
  }
  return shared.join();
}

/** By directory: what this process has open, which is one hold however often it was opened. */
const opened = new Map<string, SharedServer>();

/** What a process must let go of when it exits without `close`: all of the above, and those still closing. */
const held = new Set<EmbeddedServer>();

function leaveAllNow(): void {
  for (const server of held) server.leaveNow();
}

/** The hold of one process, counted by reference. */
class SharedServer {
  readonly #root: string;
  readonly #server: EmbeddedServer;
  #references = 0;
  #ensuring: Promise<RunningServer> | undefined;
  #running: RunningServer | undefined;

  constructor(root: string, server: EmbeddedServer) {
    this.#root = root;
    this.#server = server;
    if (held.size === 0) process.on("exit", leaveAllNow);
    held.add(server);
  }

  async join(): Promise<EmbeddedPostgres> {
    this.#references++;
    try {
      this.#running ??= await this.#ensure();
    } catch (error) {
      this.#references--;
      if (this.#references === 0) this.#forget();
      throw error;
    }
    return this.#handle(this.#running);
  }

  #handle(first: RunningServer): EmbeddedPostgres {
    const current = () => this.#running ?? first;
    let closing: Promise<void> | undefined;
    return {
      url: first.url,
      directory: this.#root,
      get owner() {
        return current().started;
      },
      get serverPid() {
        return current().pid;
      },
      ensureRunning: async () => {
        if (closing !== undefined) throw new Closed("The embedded PostgreSQL");
        if (await this.#server.answers()) return;
        const running = await this.#ensure();
        this.#running = running;
        if (running.url === first.url) return;
        throw new EmbeddedStartFailed("it runs again, but at another address, since its old one was taken", "Close it and open it again.");
      },
      close: () => (closing ??= this.#leave()),
    };
  }

  /** One attempt at a time serves all who ask meanwhile. */
  #ensure(): Promise<RunningServer> {
    this.#ensuring ??= this.#server.ensure().finally(() => {
      this.#ensuring = undefined;
    });
    return this.#ensuring;
  }

  async #leave(): Promise<void> {
    this.#references--;
    if (this.#references > 0) return;
    // From here on another open of the directory makes a hold of its own; the directory's lock puts the two in order.
    if (opened.get(this.#root) === this) opened.delete(this.#root);
    await this.#ensuring?.catch(() => undefined);
    await this.#server.leave();
    this.#forget();
  }

  #forget(): void {
    if (opened.get(this.#root) === this) opened.delete(this.#root);
    held.delete(this.#server);
    if (held.size === 0) process.off("exit", leaveAllNow);
  }
}
