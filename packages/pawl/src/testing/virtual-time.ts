import type { Timer, TimerOptions } from "../base/runtime.ts";

// As they are now: tests may put fake timers in their place, and workers guard them against workflow code.
const realImmediate = setImmediate;
const realInterval = setInterval;
const realClear = clearInterval;
const realNow = performance.now.bind(performance);

/** While steps run, time goes on as it really does, in steps of this; a step that is done sooner takes no time. */
const flowMs = 50;
/** So far time goes, without anything that is known to be due, before it is taken for certain that nothing will come. */
const searchMs = 12_000;

interface PlannedTimer {
  dueAt: number;
  readonly order: number;
  readonly onTime: () => void;
  /** Of an interval: planned again when it has fired. */
  readonly everyMs: number | undefined;
  readonly kind: "awaited" | "attendant" | "poll";
}

/** What the time asks of the database that it belongs to. */
export interface TimedDatabase {
  setTime(nowMs: number): Promise<void>;
  /** The next time after now at which something becomes due. */
  nextDue(): Promise<number | undefined>;
}

/**
 * Time as everything on one in-memory database has it. It stands still, except
 *
 * - while somebody waits for it (`skip`, `advance`): then, as soon as nothing is under way, it jumps to the next moment at
 *   which something is due, in memory or in the database;
 * - while the function of a step runs, which may really be doing something: then it goes at its real pace.
 *
 * Timers that only look after things (heartbeats, polls) are not jumped to, but fire when a jump passes them, once. Polls
 * fire at every jump: what became due is found at once.
 */
export class VirtualTime {
  /** Milliseconds since 1970, whole. */
  now: number;
  readonly #database: TimedDatabase;
  readonly #timers = new Set<PlannedTimer>();
  #lastOrder = 0;
  #lastId = 0;
  /** Turns and transactions that are under way. */
  #busy = 0;
  /** Functions of steps that run. */
  #held = 0;
  /** Grows with everything that begins. */
  #begun = 0;
  #onChange: (() => void)[] = [];
  readonly #skipping = new Set<object>();
  #targets: { readonly at: number; readonly reached: () => void }[] = [];
  #driving = false;
  #closed = false;
  #flow: NodeJS.Timeout | undefined;
  /** Grows with everything that shows that something is going on: steps, commits, timers that are waited for. */
  #progress = 0;
  #searchedMs = 0;
  #searchedSince = 0;
  #onStuck: (() => void)[] = [];

  constructor(database: TimedDatabase, now: number) {
    this.#database = database;
    this.now = now;
  }

  /** Unique, and growing. */
  nextId(): number {
    return ++this.#lastId;
  }

  // What processes do

  startTimer(ms: number, onTime: () => void, options: TimerOptions = {}): Timer {
    const kind = options.polls === true ? "poll" : options.background === true ? "attendant" : "awaited";
    return this.#plan({ dueAt: this.now + Math.max(0, Math.ceil(ms)), order: ++this.#lastOrder, onTime, everyMs: undefined, kind });
  }

  startInterval(ms: number, onTime: () => void): Timer {
    return this.#plan({ dueAt: this.now + ms, order: ++this.#lastOrder, onTime, everyMs: ms, kind: "attendant" });
  }

  soon(task: () => void): void {
    this.#begin();
    realImmediate(() => {
      try {
        task();
      } finally {
        this.#end();
      }
    });
  }

  /** A transaction, at this time. */
  async transact<Result>(name: string, attempt: () => Promise<Result>): Promise<Result> {
    if (name.startsWith("commit")) this.#progress++;
    this.#begin();
    try {
      await this.#database.setTime(this.now);
      return await attempt();
    } finally {
      this.#end();
    }
  }

  /** Something runs that takes its real time, until the function given back is called. */
  hold(): () => void {
    this.#begun++;
    this.#progress++;
    this.#changed();
    if (this.#held++ === 0) this.#startFlow();
    let released = false;
    return () => {
      if (released) return;
      released = true;
      if (--this.#held > 0) return;
      realClear(this.#flow);
      this.#changed();
    };
  }

  // What tests do

  /** Time jumps until the function given back is called. */
  skip(): () => void {
    const key = {};
    this.#skipping.add(key);
    void this.#drive();
    return () => {
      this.#skipping.delete(key);
      this.#changed();
    };
  }

  /** Lets `ms` pass, and resolves when everything that they made due has had its effects. */
  advance(ms: number): Promise<void> {
    return new Promise((reached) => {
      this.#targets.push({ at: this.now + ms, reached });
      void this.#drive();
    });
  }

  /** Resolves when nothing is under way and no step runs. */
  async settled(): Promise<void> {
    for (;;) {
      while (this.#busy > 0 || this.#held > 0) await this.#change();
      const before = this.#begun;
      await turn();
      await turn();
      if (this.#busy === 0 && this.#held === 0 && this.#begun === before) return;
    }
  }

  /** Resolves when time cannot bring anything any more: all that waits, waits for ever. Only while somebody skips. */
  stuck(): Promise<void> {
    return new Promise((resolve) => this.#onStuck.push(resolve));
  }

  /** The database is gone: nothing more happens. */
  close(): void {
    this.#closed = true;
    realClear(this.#flow);
    this.#changed();
  }

  async #drive(): Promise<void> {
    if (this.#driving) return;
    this.#driving = true;
    while (!this.#closed && this.#skipping.size + this.#targets.length > 0) {
      await this.settled();
      this.#reachTargets();
      if (this.#skipping.size + this.#targets.length === 0) break;
      const begun = this.#begun;
      const next = await this.#next().catch((error: unknown) => {
        // The test may have ended without waiting for what it began.
        if (!this.#closed) throw error;
      });
      // Something began while the database was asked.
      if (this.#begun !== begun) continue;
      if (next !== undefined) this.#jump(next);
      else if (!this.#search()) {
        for (const resolve of this.#onStuck.splice(0)) resolve();
        await this.#change();
      }
    }
    this.#driving = false;
  }

  #reachTargets(): void {
    const reached = this.#targets.filter(({ at }) => at <= this.now);
    this.#targets = this.#targets.filter(({ at }) => at > this.now);
    for (const target of reached) target.reached();
  }

  async #next(): Promise<number | undefined> {
    const times = this.#targets.map(({ at }) => at);
    for (const timer of this.#timers) if (timer.kind === "awaited") times.push(timer.dueAt);
    await this.#database.setTime(this.now);
    const due = await this.#database.nextDue();
    // Whole: the next whole millisecond that is not before it.
    if (due !== undefined) times.push(Math.ceil(due));
    return times.length === 0 ? undefined : Math.max(this.now, Math.min(...times));
  }

  /**
   * Nothing is known to come. Whatever looks after things gets some time to find something; gives false when it had that, and
   * nothing came of it.
   */
  #search(): boolean {
    if (this.#searchedSince !== this.#progress) {
      this.#searchedSince = this.#progress;
      this.#searchedMs = 0;
    }
    const times = [...this.#timers].map(({ dueAt }) => dueAt);
    if (times.length === 0 || this.#searchedMs >= searchMs) return false;
    const to = Math.max(this.now + 1, Math.min(...times));
    this.#searchedMs += to - this.now;
    this.#jump(to);
    return true;
  }

  #jump(to: number): void {
    this.now = to;
    const due = [...this.#timers].filter(({ dueAt, kind }) => dueAt <= to || kind === "poll");
    this.#fire(due);
  }

  #fire(due: readonly PlannedTimer[]): void {
    for (const timer of due.toSorted((a, b) => a.dueAt - b.dueAt || a.order - b.order)) {
      // One before it may have cleared it.
      if (!this.#timers.has(timer)) continue;
      if (timer.everyMs === undefined) this.#timers.delete(timer);
      else timer.dueAt = this.now + timer.everyMs;
      timer.onTime();
    }
  }

  #startFlow(): void {
    let last = realNow();
    this.#flow = realInterval(() => {
      const passed = Math.floor(realNow() - last);
      last += passed;
      this.now += passed;
      this.#fire([...this.#timers].filter(({ dueAt }) => dueAt <= this.now));
    }, flowMs);
    this.#flow.unref();
  }

  #plan(timer: PlannedTimer): Timer {
    // Now is at once, also where nobody lets time pass.
    if (timer.dueAt <= this.now) {
      let cleared = false;
      this.soon(() => {
        if (!cleared) timer.onTime();
      });
      return {
        clear: () => {
          cleared = true;
        },
      };
    }
    this.#timers.add(timer);
    if (timer.kind === "awaited") {
      this.#progress++;
      this.#changed();
    }
    return { clear: () => this.#timers.delete(timer) };
  }

  #begin(): void {
    this.#busy++;
    this.#begun++;
    this.#changed();
  }

  #end(): void {
    if (--this.#busy === 0) this.#changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#onChange.push(resolve));
  }

  #changed(): void {
    for (const resolve of this.#onChange.splice(0)) resolve();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => realImmediate(resolve));
}
