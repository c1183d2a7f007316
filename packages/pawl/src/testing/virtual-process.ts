import { Closed } from "../base/errors.ts";
import { uuidv7 } from "../base/ids.ts";
import type { ProcessIdentity } from "../base/process-identity.ts";
import type { Runtime, Timer, TimerOptions } from "../base/runtime.ts";
import { untilAborted } from "../base/until-aborted.ts";
import type { Around } from "../postgres/gateway.ts";
import type { VirtualTime } from "./virtual-time.ts";

const host = "in-memory";

/** One process as Pawl sees it, with a virtual time around it. It can stop dead. */
export class VirtualProcess implements Runtime {
  readonly identity: ProcessIdentity;
  readonly #time: VirtualTime;
  /** Pids of those that have stopped dead, shared by all that are to know of each other. */
  readonly #gone: Set<number>;
  #state: "alive" | "dead" | "closing" = "alive";
  readonly #timers = new Set<Timer>();
  /** What a dead process does no more: turns, and what waits for its transactions. */
  readonly #stopped: (() => void)[] = [];
  readonly #crash = new AbortController();

  constructor(time: VirtualTime, gone: Set<number>) {
    this.#time = time;
    this.#gone = gone;
    const pid = time.nextId();
    this.identity = { host, pid, pidStarted: String(pid) };
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  /** From now on nothing of it happens any more, and others can see that it is gone. */
  crash(): void {
    this.#state = "dead";
    this.#gone.add(this.identity.pid);
    for (const timer of this.#timers) timer.clear();
    this.#timers.clear();
    this.#crash.abort(new Closed("The process that crashed"));
  }

  /** What others hold on to while this one works, and let go of when it crashes. @throws Closed then, at once */
  async whileAlive<Result>(work: () => Promise<Result>): Promise<Result> {
    const { signal } = this.#crash;
    signal.throwIfAborted();
    return untilAborted(work(), signal);
  }

  /**
   * Lets a dead one go so far on that what it holds in this program (globals, listeners) can be given back. Call after its
   * Pawl was told to close: that starts nothing more, and what it writes is too late.
   */
  bury(): void {
    this.#state = "closing";
    for (const resume of this.#stopped.splice(0)) resume();
  }

  /** For the gateway: what a dead process has asked is never answered. */
  readonly around: Around = async (name, attempt) => {
    await this.goOn();
    try {
      return await this.#time.transact(name, attempt);
    } finally {
      await this.goOn();
    }
  };

  /** Resolves at once for one that is alive. For one that has crashed, never, until it is buried. @throws Closed then */
  async goOn(): Promise<void> {
    if (this.#state !== "dead") return;
    await new Promise<void>((resolve) => this.#stopped.push(resolve));
    throw new Closed("The process that crashed");
  }

  // Runtime

  monotonicMs(): number {
    return this.#time.now;
  }

  startTimer(ms: number, onTime: () => void, options?: TimerOptions): Timer {
    if (this.#state === "dead") return { clear: () => {} };
    const timer = this.#time.startTimer(
      ms,
      () => {
        this.#timers.delete(timer);
        if (this.#state !== "dead") onTime();
      },
      options,
    );
    return this.#own(timer);
  }

  startInterval(ms: number, onTime: () => void): Timer {
    return this.#own(
      this.#time.startInterval(ms, () => {
        if (this.#state !== "dead") onTime();
      }),
    );
  }

  soon(task: () => void): void {
    if (this.#state === "dead") return void this.#stopped.push(task);
    this.#time.soon(() => {
      if (this.#state === "dead") this.#stopped.push(task);
      else task();
    });
  }

  /** In the middle: waits are as long as they are configured, without jitter. */
  random(): number {
    return 0.5;
  }

  /** In the order of making, the same in every run. */
  newUuid(): string {
    const bytes = Buffer.alloc(10);
    bytes.writeUIntBE(this.#time.nextId(), 4, 6);
    return uuidv7(this.#time.now, bytes);
  }

  isGone(pid: number): boolean {
    return this.#gone.has(pid);
  }

  #own(timer: Timer): Timer {
    this.#timers.add(timer);
    return {
      clear: () => {
        this.#timers.delete(timer);
        timer.clear();
      },
    };
  }
}
