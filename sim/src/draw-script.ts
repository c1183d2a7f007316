import type { Program } from "./program.ts";
import type { Chance } from "./random.ts";

/** Whoever runs at that time is stopped: children too, which no request names. */
export interface Strike {
  readonly at: number;
  readonly by: "cancel" | "terminate";
  /** Which of those that run then, in [0, 1). */
  readonly victim: number;
}

/** Whoever runs at that time is paused, and resumed later. */
export interface Hold {
  readonly at: number;
  /** Which of those that run then, in [0, 1). */
  readonly victim: number;
  readonly resumeAfter: number;
}

export function drawHolds(chance: Chance, spanMs: number): readonly Hold[] {
  const most = chance.pick([0, 0, 3, 10]);
  return Array.from({ length: most }, () => ({
    at: chance.whole(20, spanMs),
    victim: chance.next(),
    // Often before it was obeyed.
    resumeAfter: chance.whole(0, chance.pick([20, 300, 3000])),
  }));
}

export const pauseScopes = [{ taskQueue: "default" }, { workflow: "child" }, { workflow: "root" }] as const;

/** When somebody deletes the runs that have continued as new; mostly never. */
export function drawForgetting(chance: Chance, spanMs: number): readonly number[] {
  return Array.from({ length: chance.hits(0.1) ? 12 : 0 }, () => chance.whole(100, spanMs));
}

/** Somebody is given another run, or copied, from one of its checkpoints or its start. */
export interface Revert {
  readonly at: number;
  readonly by: "rollback" | "retry" | "fork";
  /** Which of those that there are then, in [0, 1). */
  readonly victim: number;
  /** Which checkpoint, in [0, 1). */
  readonly checkpoint: number;
  readonly id: string;
  /** Of a fork: which of the results up to there it gets another of, in [0, 1). */
  readonly edit: number | undefined;
}

export function drawReverts(chance: Chance, spanMs: number): readonly Revert[] {
  const edits = chance.fork("edits");
  return Array.from({ length: chance.pick([0, 0, 0, 2, 6]) }, (_, index) => ({
    at: chance.whole(100, spanMs),
    by: chance.pick(["rollback", "rollback", "rollback", "retry", "fork"] as const),
    victim: chance.next(),
    checkpoint: chance.next(),
    id: `fork${index}`,
    edit: edits.hits(0.5) ? edits.next() : undefined,
  }));
}

/** Somebody is asked for its state, or, once it has ended, written to a document and read from it under another id. */
export interface Reading {
  readonly at: number;
  readonly what: "query" | "copy";
  /** Whom of those that there are then, in [0, 1). */
  readonly of: number;
  readonly id: string;
}

export function drawReadings(chance: Chance, spanMs: number): readonly Reading[] {
  return Array.from({ length: chance.pick([0, 0, 0, 4, 12]) }, (_, index) => ({
    at: chance.whole(20, spanMs),
    what: chance.pick(["query", "query", "copy"] as const),
    of: chance.next(),
    // No request has such an id.
    id: `y${index}`,
  }));
}

/** A signal or an update for whoever runs at that time. */
export interface Sending {
  readonly at: number;
  readonly what: "signal" | "update";
  /** Sends it with a start. */
  readonly withStart: boolean;
  /** To whom of those that run then, in [0, 1). */
  readonly to: number;
  readonly id: string;
  /** How often the same one is sent. */
  readonly copies: number;
}

export function drawSendings(chance: Chance, spanMs: number): readonly Sending[] {
  // Apart from everything else that is drawn.
  const starts = chance.fork("with start");
  const sendings: Sending[] = [];
  for (let left = chance.pick([0, 3, 10, 30]); left > 0; left--) {
    const before = sendings.at(-1);
    // Often several within a moment, to the same: then they share a batch.
    const follows = before !== undefined && chance.hits(0.4);
    sendings.push({
      at: follows ? before.at + chance.whole(0, 2) : chance.whole(20, spanMs),
      withStart: starts.hits(0.3),
      what: chance.pick(["signal", "signal", "update"] as const),
      to: follows ? before.to : chance.next(),
      id: `m${sendings.length}`,
      copies: chance.pick([1, 1, 1, 2]),
    });
  }
  return sendings;
}

/** A transaction of the user's own, in which an execution is started or one of those that run is signalled. */
export interface UserTransaction {
  readonly at: number;
  readonly what: "start" | "signal";
  readonly id: string;
  readonly program: Program;
  /** To whom of those that run then, in [0, 1). */
  readonly to: number;
  /** Or it is rolled back. */
  readonly commits: boolean;
}

export function drawUserTransactions(chance: Chance, spanMs: number): readonly UserTransaction[] {
  return Array.from({ length: chance.pick([0, 0, 0, 4, 10]) }, (_, index) => ({
    at: chance.whole(20, spanMs),
    what: chance.pick(["start", "signal", "signal"] as const),
    // No request has such a number.
    id: `x8${index}`,
    program: { do: "signal", timeoutMs: 1000 },
    to: chance.next(),
    commits: chance.hits(0.7),
  }));
}

export function drawStrikes(chance: Chance, spanMs: number): readonly Strike[] {
  const most = chance.pick([0, 0, 2, 5]);
  return Array.from({ length: most }, () => ({ at: chance.whole(50, spanMs), by: chance.pick(["cancel", "terminate"] as const), victim: chance.next() }));
}
