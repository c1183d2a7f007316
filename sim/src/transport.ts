import type { Around, Hint, HintChannel } from "pawl/internal";
import type { Fault, FaultSource } from "./faults.ts";
import type { Chance } from "./random.ts";
import type { SimProcess } from "./sim-process.ts";
import type { World } from "./world.ts";

/** Counts of what was done to a simulation. */
export interface FaultCounts {
  [kind: string]: number;
}

export interface TransportOptions {
  readonly world: World;
  readonly faults: FaultSource;
  readonly chance: Chance;
  /** Called after every transaction, with the database as that left it. */
  readonly observe: (name: string, result: unknown) => Promise<void>;
}

export class NetworkError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Longer than a lease. */
const silenceMs = 4000;

/** Everything that is on its way between processes and the database, and what becomes of it. */
export class Transport {
  readonly counts: FaultCounts = {};
  /** Off for the last part of a simulation, in which everything must come to an end. */
  faultsOn = true;
  transactions = 0;
  readonly #options: TransportOptions;
  #points = 0;
  /** A request, a reply and a hint take up to so many milliseconds each: some databases are far away. */
  readonly #slowest: number;
  /** Until when a process cannot reach the database. */
  readonly #cutOff = new Map<SimProcess, number>();
  /** Until when its heartbeats are lost. */
  readonly #silent = new Map<SimProcess, number>();
  readonly #channels = new Set<SimHints>();

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#slowest = options.chance.pick([4, 4, 4, 30, 120]);
  }

  /** The attempts of one process's transactions. */
  around(process: SimProcess): Around {
    return (name, attempt) => new Promise((resolve, reject) => this.#send(process, name, attempt, resolve, reject));
  }

  hints(process: SimProcess): HintChannel {
    const hints = new SimHints(
      process,
      (from, hint) => this.#spread(from, hint),
      () => this.#channels.delete(hints),
    );
    this.#channels.add(hints);
    return hints;
  }

  /** @param name of the transaction; undefined for a hint */
  #fault(name: string | undefined): Fault | undefined {
    const point = ++this.#points;
    const { faults } = this.#options;
    const fault = !this.faultsOn ? undefined : name === undefined ? faults.hint(point) : faults.transaction(point, name);
    if (fault !== undefined) this.counts[fault.kind] = (this.counts[fault.kind] ?? 0) + 1;
    return fault;
  }

  #send<Result>(process: SimProcess, name: string, attempt: () => Promise<Result>, resolve: (result: Result) => void, reject: (error: unknown) => void): void {
    if (!process.alive) return;
    const { world, chance } = this.#options;
    const fault = this.#fault(name);
    const label = fault === undefined ? name : `${name} (${fault.kind} ${fault.ms} ms)`;
    const kind = fault?.kind;
    if (kind === "crash before") return process.crash();
    const there = chance.whole(1, this.#slowest) + (kind === "late request" || kind === "pause before" ? fault!.ms : 0);
    const back = chance.whole(1, this.#slowest) + (kind === "late reply" || kind === "silent heart" ? fault!.ms : 0);
    const answer = (what: string, settle: () => void): void => void world.schedule(back, "reply", process, `${name}: ${what}`, settle);
    if (kind === "cut off") this.#cutOff.set(process, world.now + fault!.ms);
    if (kind === "silent heart") this.#silent.set(process, world.now + fault!.ms + silenceMs);
    if (kind === "refused" || this.#isWithin(this.#cutOff, process))
      return answer("refused", () => reject(new NetworkError("ECONNREFUSED", "connect ECONNREFUSED")));
    if (kind === "lost request" || (name === "heartbeat" && this.#isWithin(this.#silent, process)))
      return answer("no answer", () => reject(new NetworkError("ECONNRESET", "read ECONNRESET")));
    if (kind === "conflict") return answer("conflict", () => reject(new NetworkError("40001", "could not serialize access")));
    if (kind === "clock step") world.stepClock(fault!.ms);
    if (kind === "pause before") process.pause(fault!.ms);
    world.schedule(there, "request", process, label, async () => {
      this.transactions++;
      let settle: () => void;
      let result: Result | undefined;
      try {
        result = await attempt();
        settle = () => resolve(result as Result);
      } catch (error) {
        settle = () => reject(error);
        world.note("database", `${name} failed: ${String(error)}`);
      }
      await this.#options.observe(name, result);
      if (kind === "crash after") return process.crash();
      if (kind === "pause after") process.pause(fault!.ms);
      if (!process.alive) return;
      if (kind === "lost reply" || this.#isWithin(this.#cutOff, process)) answer("no answer", () => reject(new NetworkError("ECONNRESET", "read ECONNRESET")));
      else answer("done", settle);
    });
    if (kind === "crash during") process.crash();
  }

  #isWithin(times: ReadonlyMap<SimProcess, number>, process: SimProcess): boolean {
    return this.faultsOn && this.#options.world.now < (times.get(process) ?? 0);
  }

  #spread(from: SimProcess, hint: Hint): void {
    const { world, chance } = this.#options;
    for (const channel of this.#channels) {
      if (channel.process === from || !channel.process.alive) continue;
      const fault = this.#fault(undefined);
      if (fault?.kind === "lost hint") continue;
      const deliver = (inMs: number): void => void world.schedule(inMs, "hint", channel.process, hint.kind, () => channel.deliver(hint));
      deliver(chance.whole(1, this.#slowest) + (fault?.kind === "late hint" ? fault.ms : 0));
      if (fault?.kind === "repeated hint") deliver(fault.ms);
    }
  }
}

/** Hints between simulated processes. */
class SimHints implements HintChannel {
  readonly process: SimProcess;
  readonly #spread: (from: SimProcess, hint: Hint) => void;
  readonly #onClose: () => void;
  readonly #listeners = new Set<(hint: Hint) => void>();

  constructor(process: SimProcess, spread: (from: SimProcess, hint: Hint) => void, onClose: () => void) {
    this.process = process;
    this.#spread = spread;
    this.#onClose = onClose;
  }

  send(hint: Hint): void {
    this.process.soon(() => this.deliver(hint));
    this.#spread(this.process, hint);
  }

  deliver(hint: Hint): void {
    for (const listener of this.#listeners) listener(hint);
  }

  onHint(listener: (hint: Hint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#onClose();
    return Promise.resolve();
  }
}
