/** The worker processes of a run, each behind a proxy of its own, and what is done to them. */
import type { WorkerOptions } from "pawl";
import { Program } from "../../packages/pawl/test/support/program.ts";
import { TcpProxy } from "../../packages/pawl/test/support/tcp-proxy.ts";
import { honestNow } from "./honest-clock.ts";
import type { Health, WorkerProcessOptions } from "./worker-process.ts";

export interface Placement {
  readonly pawl?: WorkerProcessOptions["pawl"];
  readonly worker?: Omit<WorkerOptions, "workflows">;
  readonly nodeOptions?: readonly string[];
}

/** A death that the rig caused or allowed. */
export interface Death {
  readonly pid: number;
  readonly at: number;
}

export class WorkerProcess {
  readonly program: Program;
  readonly proxy: TcpProxy;
  /** Whether its end was asked for. */
  expected = false;

  constructor(program: Program, proxy: TcpProxy) {
    this.program = program;
    this.proxy = proxy;
  }

  get pid(): number {
    return this.program.pid;
  }

  get health(): Health | undefined {
    return this.program.reports.findLast(({ event }) => event === "health") as unknown as Health | undefined;
  }
}

export class Fleet {
  readonly deaths: Death[] = [];
  /** Every one that ever ran. */
  readonly all: WorkerProcess[] = [];
  /** Called for each new proxy, so that a fault can set it. */
  onProxy: (proxy: TcpProxy) => void = () => {};
  /** Whether workers may die of what they run. */
  mayDie = false;
  readonly #url: string;
  readonly #options: WorkerProcessOptions;
  #placement: Placement;
  #closing = false;

  constructor(url: string, options: WorkerProcessOptions, placement: Placement) {
    this.#url = url;
    this.#options = options;
    this.#placement = placement;
  }

  get running(): readonly WorkerProcess[] {
    return this.all.filter(({ program }) => !program.hasEnded);
  }

  /** The one with the most work in flight: harm to an idle one proves nothing. */
  get busiest(): WorkerProcess {
    const [worker] = this.running.toSorted((a, b) => (b.health?.active ?? 0) - (a.health?.active ?? 0));
    if (worker === undefined) throw new Error("no worker is running");
    return worker;
  }

  get staleWritesRejected(): number {
    return this.all.reduce((sum, { health }) => sum + (health?.staleWritesRejected ?? 0), 0);
  }

  /** Deaths that nothing explains. */
  get unexplained(): readonly string[] {
    return this.all
      .filter(({ expected, program }) => program.hasEnded && !expected && !this.mayDie)
      .map(({ program }) => `worker process ${program.pid} ended by itself: ${program.output.slice(-2000)}`);
  }

  /** Later workers are started so. */
  place(placement: Placement): void {
    this.#placement = placement;
  }

  async start(placement: Placement = this.#placement): Promise<WorkerProcess> {
    const proxy = await TcpProxy.open(this.#url);
    this.onProxy(proxy);
    const options: WorkerProcessOptions = {
      ...this.#options,
      // On an embedded directory there is no way in between to put a proxy.
      pawl: { ...this.#options.pawl, ...(placement.pawl?.directory === undefined ? { url: proxy.url } : {}), ...placement.pawl },
      worker: { ...this.#options.worker, ...placement.worker },
    };
    const program = new Program(new URL("./worker-process.js", import.meta.url), { ...options }, placement.nodeOptions);
    const worker = new WorkerProcess(program, proxy);
    this.all.push(worker);
    void this.#supervise(worker);
    return worker;
  }

  /** What died by itself is started anew. */
  async #supervise(worker: WorkerProcess): Promise<void> {
    await worker.program.exited;
    if (!worker.expected) this.deaths.push({ pid: worker.pid, at: honestNow() });
    await worker.proxy.close();
    if (!worker.expected && !this.#closing) await this.start();
  }

  async startAll(count: number): Promise<void> {
    const workers = await Promise.all(Array.from({ length: count }, () => this.start()));
    await Promise.all(workers.map(({ program }) => program.report("ready", 1, 120_000)));
  }

  async kill(worker: WorkerProcess): Promise<void> {
    worker.expected = true;
    this.deaths.push({ pid: worker.pid, at: honestNow() });
    await worker.program.kill();
  }

  /** SIGTERM, and SIGKILL for what is still there after so long. Gives whether it ended by itself. */
  async stop(worker: WorkerProcess, killAfterMs: number): Promise<boolean> {
    worker.expected = true;
    worker.program.signal("SIGTERM");
    let killed = false;
    const timer = setTimeout(() => {
      killed = true;
      this.deaths.push({ pid: worker.pid, at: honestNow() });
      worker.program.signal("SIGKILL");
    }, killAfterMs);
    await worker.program.exited;
    clearTimeout(timer);
    return !killed;
  }

  async stopAll(killAfterMs = 20_000): Promise<void> {
    this.#closing = true;
    await Promise.all(
      this.running.map((worker) => {
        worker.program.signal("SIGCONT");
        worker.proxy.partition("none");
        return this.stop(worker, killAfterMs);
      }),
    );
  }

  reopen(): void {
    this.#closing = false;
  }
}
