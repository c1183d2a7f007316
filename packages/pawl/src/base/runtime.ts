import type { ProcessIdentity } from "./process-identity.ts";

/** Can be stopped before its time. */
export interface Timer {
  clear(): void;
}

export interface TimerOptions {
  /** Does not keep the process alive. */
  readonly background?: boolean;
  /** Looks for what a hint may have failed to tell: where time is skipped, it need not stop for this. */
  readonly polls?: boolean;
}

/**
 * Everything a process of Pawl takes from its surroundings, the database aside: time, turns, randomness, and which process
 * it is. One object, so that a simulation can put its own in the place of Node's and own every source of chance. What it calls back is in
 * no `AsyncLocalStorage` of whoever asked for it.
 */
export interface Runtime {
  /** Milliseconds on a clock that only goes forward. For measuring: what time it is, the database says. */
  monotonicMs(): number;
  /** Calls once after `ms`, of any length. */
  startTimer(ms: number, onTime: () => void, options?: TimerOptions): Timer;
  /** Calls every `ms`, in the background. */
  startInterval(ms: number, onTime: () => void): Timer;
  /** Calls in the next turn of the event loop, when this one's microtasks and arrivals are done with. */
  soon(task: () => void): void;
  /** In [0, 1). Spreads and jitters; nothing that a replay must repeat. */
  random(): number;
  /** A UUID of version 7, later ones of this process sort after earlier ones. */
  newUuid(): string;
  readonly identity: ProcessIdentity;
  /** Whether that process of this host certainly does not exist any more. */
  isGone(pid: number, pidStarted: string): boolean;
}

/** A database that cannot be reached does not hold up closing, or stopping a worker, for longer than this, draining apart. */
export const closeTimeoutMs = 10_000;

/** Resolves in the next turn. */
export function nextTurn(runtime: Runtime): Promise<void> {
  return new Promise((resolve) => runtime.soon(resolve));
}

/** Resolves after `ms`. @throws the signal's reason as soon as that fires */
export function pause(runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.clear();
      reject(signal.reason as Error);
    };
    const timer = runtime.startTimer(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Resolves when `work` has come to its end, and after `ms` at the latest: it goes on then, and how it ends is nobody's concern any more.
 *
 * @throws what `work` throws in that time
 */
export async function within(runtime: Runtime, ms: number, work: Promise<unknown>): Promise<void> {
  let timer: Timer | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = runtime.startTimer(ms, resolve);
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    timer?.clear();
  }
}
