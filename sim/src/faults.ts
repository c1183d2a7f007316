import type { Chance } from "./random.ts";

/** What can go wrong with one transaction, or with one hint. */
export type FaultKind =
  /** The request never leaves: the database did nothing, and the sender knows. */
  | "refused"
  /** PostgreSQL rolls it back and says so (40001). */
  | "conflict"
  /** The request is lost: the database did nothing, and the sender cannot know. */
  | "lost request"
  /** It is executed, and its reply is lost. */
  | "lost reply"
  /** The request arrives late. */
  | "late request"
  /** The reply arrives late. */
  | "late reply"
  /** The sender dies before the request leaves. */
  | "crash before"
  /** The sender dies with the request on its way. */
  | "crash during"
  /** The sender dies with the reply on its way. */
  | "crash after"
  /** The sender stands still, and its request arrives only when it goes on. */
  | "pause before"
  /** The sender stands still with the reply on its way. */
  | "pause after"
  /** Nothing gets through between the sender and the database for a while. */
  | "cut off"
  /** The reply arrives late, and for a while no heartbeat of the sender arrives: leases have connections of their own. */
  | "silent heart"
  /** The database's clock is set. */
  | "clock step"
  | "lost hint"
  | "late hint"
  | "repeated hint";

export interface Fault {
  /** The how-manieth transaction or hint of the simulation it meets. */
  readonly point: number;
  readonly kind: FaultKind;
  /** How late, how long, how far; milliseconds. */
  readonly ms: number;
}

const transactionKinds = [
  "refused",
  "conflict",
  "lost request",
  "lost reply",
  "late request",
  "late reply",
  "crash before",
  "crash during",
  "crash after",
  "pause before",
  "pause after",
  "cut off",
  "silent heart",
  "clock step",
] as const satisfies FaultKind[];
const hintKinds = ["lost hint", "late hint", "repeated hint"] as const satisfies FaultKind[];

/** Where the faults of a simulation come from: drawn as it goes, or a plan that was drawn before. */
export interface FaultSource {
  /** @param name of the transaction */
  transaction(point: number, name: string): Fault | undefined;
  hint(point: number): Fault | undefined;
}

/** What a simulation may aim at one transaction. */
const aimed = [
  "crash before",
  "lost request",
  "lost reply",
  "late request",
  "late reply",
  "crash during",
  "crash after",
  "pause before",
  "pause after",
  "silent heart",
] as const satisfies (typeof transactionKinds)[number][];
/** What some of them are aimed at with before all. */
const aimedFirst: Readonly<Record<string, readonly FaultKind[]>> = {
  // Only with a heart that is silent then it shows whether a lease counts from its request.
  "register-worker": ["silent heart"],
  // What it says of several executions at once is found piece by piece when it is sent again.
  commit: ["lost reply", "lost reply", "late reply", "silent heart", "pause after"],
  // Before it, all that the run has done is recorded but that it has ended.
  "continue-as-new": ["crash before", "pause before", "late request"],
};
/** So often a transaction is aimed at, and so often those. */
const aimRate = 0.15;
const aimFirstRate = 0.3;
const none: ReadonlyMap<FaultKind, number> = new Map();

/**
 * Swarm testing: which kinds occur at all, how often, and which transaction they aim at is drawn per seed, so that some
 * simulations are calm, some brutal, and some full of one kind of fault only.
 */
export class DrawnFaults implements FaultSource {
  readonly drawn: Fault[] = [];
  readonly #chance: Chance;
  readonly #rates = new Map<FaultKind, number>();
  readonly #leaseMs: number;
  /** By transaction, drawn when it comes for the first time, with the rate of each kind: the rare ones would hardly ever be hit otherwise. */
  readonly #aims = new Map<string, ReadonlyMap<FaultKind, number>>();
  readonly #aiming: Chance;
  /**
   * Which arrive a little late, often or not at all: where an execution goes from one run to the next, its time may be over before
   * that is written, and others may do something to it before its transaction begins.
   */
  readonly #lateRates: ReadonlyMap<string, number>;
  readonly #lateness: Chance;
  /** So often the reply to a commit comes so late that what it parks may be due again by then. */
  readonly #lateCommits: number;

  /** @param parksMeetRetries see `drawRequests` */
  constructor(chance: Chance, leaseMs: number, parksMeetRetries: boolean) {
    this.#chance = chance;
    this.#leaseMs = leaseMs;
    this.#aiming = chance.fork("aims");
    this.#lateness = chance.fork("lateness");
    this.#lateRates = new Map([
      ["continue-as-new", this.#lateness.pick([0, 0, 0.1])],
      ["transaction", this.#lateness.pick([0, 0.4])],
    ]);
    this.#lateCommits = parksMeetRetries ? 0.3 : 0;
    const violence = chance.pick([0.004, 0.012, 0.03, 0.06]);
    for (const kind of transactionKinds) if (chance.hits(0.5)) this.#rates.set(kind, violence * chance.next() * (kind.startsWith("crash") ? 0.5 : 1));
    for (const kind of hintKinds) if (chance.hits(0.5)) this.#rates.set(kind, chance.pick([0.1, 0.4, 0.9]));
  }

  transaction(point: number, name: string): Fault | undefined {
    return this.#keep(this.#draw(point, transactionKinds, this.#aimAt(name)) ?? this.#drawLate(point, name));
  }

  #drawLate(point: number, name: string): Fault | undefined {
    if (name === "commit" && this.#lateCommits > 0 && this.#lateness.hits(this.#lateCommits))
      return { point, kind: "late reply", ms: this.#lateness.whole(300, 2 * this.#leaseMs) };
    const rate = this.#lateRates.get(name);
    if (rate === undefined || !this.#lateness.hits(rate)) return undefined;
    return { point, kind: "late request", ms: this.#lateness.whole(20, 400) };
  }

  hint(point: number): Fault | undefined {
    return this.#keep(this.#draw(point, hintKinds, none));
  }

  #keep(fault: Fault | undefined): Fault | undefined {
    if (fault !== undefined) this.drawn.push(fault);
    return fault;
  }

  #aimAt(name: string): ReadonlyMap<FaultKind, number> {
    let kinds = this.#aims.get(name);
    if (kinds === undefined) {
      const first = this.#aiming.pick(aimedFirst[name] ?? aimed);
      const rate = this.#aiming.pick([0.15, 0.5]);
      kinds = this.#aiming.hits(name in aimedFirst ? aimFirstRate : aimRate) ? new Map([first, this.#aiming.pick(aimed)].map((kind) => [kind, rate])) : none;
      this.#aims.set(name, kinds);
    }
    return kinds;
  }

  #draw(point: number, kinds: readonly FaultKind[], aims: ReadonlyMap<FaultKind, number>): Fault | undefined {
    for (const kind of kinds) {
      const rate = aims.get(kind) ?? this.#rates.get(kind);
      if (rate !== undefined && this.#chance.hits(rate)) return { point, kind, ms: this.#size(kind) };
    }
    return undefined;
  }

  #size(kind: FaultKind): number {
    if (kind === "clock step") return this.#chance.pick([-2000, -300, 300, 2000, 3 * this.#leaseMs]);
    if (kind === "late hint") return this.#chance.whole(5, 3000);
    // About as long as a lease is where it hurts: what comes back meets whoever has just taken over.
    return Math.round(this.#leaseMs * this.#chance.pick([0.05, 0.4, 1 + 0.4 * this.#chance.next(), 1.5, 3]));
  }
}

export class PlannedFaults implements FaultSource {
  readonly #plan: ReadonlyMap<number, Fault>;

  constructor(plan: readonly Fault[]) {
    this.#plan = new Map(plan.map((fault) => [fault.point, fault]));
  }

  transaction(point: number): Fault | undefined {
    return this.#plan.get(point);
  }

  hint(point: number): Fault | undefined {
    return this.#plan.get(point);
  }
}
