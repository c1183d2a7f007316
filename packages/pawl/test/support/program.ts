/** Runs the programs of `programs/` as processes of their own. They speak JSON lines: reports on the fourth channel, commands on stdin. */
import { spawn, type ChildProcess } from "node:child_process";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { waitFor } from "./wait.ts";

/** A report; `event` says which. */
export interface Report {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Program {
  readonly pid: number;
  readonly reports: Report[] = [];
  readonly exited: Promise<Ended>;
  #ended: Ended | undefined;
  #output = "";
  readonly #child: ChildProcess;

  /** @param program a file of `programs/`, or the place of another one */
  constructor(program: string | URL, options: Readonly<Record<string, unknown>>, nodeOptions: readonly string[] = []) {
    const path = fileURLToPath(new URL(program, new URL("./programs/", import.meta.url)));
    const name = basename(path);
    this.#child = spawn(process.execPath, [...nodeOptions, path], {
      env: { ...process.env, PROGRAM_OPTIONS: JSON.stringify(options) },
      stdio: ["pipe", "pipe", "pipe", "pipe"],
    });
    if (this.#child.pid === undefined) throw new Error(`${name} did not start`);
    this.pid = this.#child.pid;
    running.add(this);
    this.#child.stdin?.on("error", () => {});
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        if (this.#output.length < 10_000) this.#output += chunk.toString();
      });
    }
    const reports = this.#child.stdio[3];
    if (!(reports instanceof Readable)) throw new Error(`${name} has no channel for reports`);
    createInterface({ input: reports }).on("line", (line) => this.reports.push(JSON.parse(line) as Report));
    // "close" comes after the last line was read.
    this.exited = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        running.delete(this);
        this.#ended = { code, signal };
        resolve(this.#ended);
      });
    });
  }

  /** What it printed. */
  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** The `count`-th report of that name, once it is there. */
  async report(event: string, count = 1, timeoutMs = 120_000): Promise<Report> {
    return waitFor(
      `process ${this.pid} reports "${event}"`,
      () => {
        const found = this.reports.filter((report) => report.event === event)[count - 1];
        if (found === undefined && this.#ended !== undefined) {
          throw new Error(`the program ended (${JSON.stringify(this.#ended)}) without the report "${event}":\n${this.#output}`);
        }
        return found;
      },
      timeoutMs,
    );
  }

  /** Sends a command and waits for the report of the same name. */
  async ask(command: string, fields: Readonly<Record<string, unknown>> = {}, timeoutMs?: number): Promise<Report> {
    const count = this.reports.filter((report) => report.event === command).length;
    this.#child.stdin?.write(`${JSON.stringify({ command, ...fields })}\n`);
    return this.report(command, count + 1, timeoutMs);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }
}

const running = new Set<Program>();

/** For `afterEach`: ends what a failed test left. */
export async function killPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.kill()));
}
