/**
 * The processes that use one embedded server, as files named after them: the one that leaves last stops the server.
 * A name alone says everything, so that processes of different users (root and the owner) can read each other's.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { currentProcess, livenessOf } from "./process-identity.ts";

/** One process's (or worker thread's) entry, and its view of the others. Synchronous so that it works during exit. */
export class Clients {
  readonly #directory: string;
  /** Worker threads share a pid, so an entry also has a part of its own. */
  readonly #name = `${currentProcess()}.${randomUUID().slice(0, 8)}`;

  #registered = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Counts this process among the users. Idempotent. */
  register(): void {
    mkdirSync(this.#directory, { recursive: true });
    this.#registered = true;
    writeFileSync(join(this.#directory, this.#name), "", { mode: 0o644 });
  }

  /** Takes this process out. Idempotent, also when the directory is gone. */
  unregister(): void {
    if (this.#registered) rmSync(join(this.#directory, this.#name), { force: true });
    this.#registered = false;
  }

  /** Whether any other process uses the server. Entries of dead processes are removed on the way. */
  hasOthers(): boolean {
    let others = false;
    for (const name of this.#names()) {
      if (livenessOf(tokenOf(name)) === "dead") rmSync(join(this.#directory, name), { force: true });
      else if (name !== this.#name) others = true;
    }
    return others;
  }

  /**
   * Removes entries of other containers, whose processes cannot be seen from here. Called when a server is started anew:
   * had they been alive, their server would have been too; those that are alive register again through `ensureRunning`.
   */
  forgetUnknown(): void {
    for (const name of this.#names()) {
      if (livenessOf(tokenOf(name)) === "unknown") rmSync(join(this.#directory, name), { force: true });
    }
  }

  #names(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch {
      return [];
    }
  }
}

function tokenOf(name: string): string {
  return name.split(".")[0] ?? "";
}
