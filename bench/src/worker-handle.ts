import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Counts } from "./counters.ts";
import type { Memory, WorkerArguments, WorkerMessage, WorkerRequest, WorkerAnswer } from "./messages.ts";

/** The scenario's side of a worker process. */
export class WorkerHandle {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #counts: Counts = { finished: 0, firstSteps: 0, held: 0 };
  #lastDone: { request: WorkerRequest; answer: WorkerAnswer } | undefined;
  #ready = false;
  #failure: Error | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message: WorkerMessage) => this.#receive(message));
    child.on("exit", (code, signal) => {
      this.#failure ??= new Error(`The worker process ended (${signal ?? `code ${code}`}).`);
      this.#wake();
    });
  }

  /** Resolves when the process is up and its engine loaded; it takes no work before `listen`. */
  static async spawn(args: WorkerArguments): Promise<WorkerHandle> {
    const child = fork(fileURLToPath(new URL("./worker-process.js", import.meta.url)), [JSON.stringify(args)], {
      execArgv: ["--expose-gc", "--no-deprecation"],
      stdio: ["ignore", "ignore", 2, "ipc"],
    });
    const worker = new WorkerHandle(child);
    await worker.#until(() => worker.#ready);
    return worker;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get counts(): Counts {
    return this.#counts;
  }

  /** Gives the milliseconds in which it certainly took no work yet. */
  async listen(): Promise<number> {
    return (await this.#request("listen")).idleMs;
  }

  async unlisten(): Promise<void> {
    await this.#request("unlisten");
  }

  async usage(): Promise<WorkerAnswer> {
    return await this.#request("usage");
  }

  /** After a full garbage collection. */
  async memory(): Promise<Memory> {
    return (await this.#request("collect")).memory;
  }

  /** Resolves when the process has reported counts that satisfy `condition`. */
  async untilCounts(condition: (counts: Counts) => boolean): Promise<void> {
    await this.#until(() => condition(this.#counts));
  }

  async close(): Promise<void> {
    if (!this.alive) return;
    const exited = once(this.#child, "exit");
    await this.#request("close");
    // A system may keep its process alive with a forgotten timer; that is not what is measured.
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
    await exited;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    if (!this.alive) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  async #request(request: WorkerRequest): Promise<WorkerAnswer> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#lastDone = undefined;
    this.#child.send(request);
    await this.#until(() => this.#lastDone?.request === request);
    const done = this.#lastDone as { answer: WorkerAnswer } | undefined;
    if (done === undefined) throw new Error(`The worker process did not answer "${request}".`);
    return done.answer;
  }

  #receive(message: WorkerMessage): void {
    switch (message.type) {
      case "ready":
        this.#ready = true;
        break;
      case "counts":
        this.#counts = message.counts;
        break;
      case "done":
        this.#lastDone = message;
        break;
      case "failed":
        this.#failure = new Error(`The worker process failed: ${message.message}`);
        break;
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }
}
