import { constants } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { Interrupted } from "./failures.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** npm and other wrappers pass on a Ctrl-C that the terminal has sent already: such an echo is not a second one. */
const echoMs = 500;

export type StopSignal = (typeof signals)[number];

/** Turns the first signal to stop into a promise, so that everything is closed in order; the second one ends the process at once. */
export class Interrupt {
  /** Settles on the first signal. */
  readonly happened: Promise<StopSignal>;
  #signal: StopSignal | undefined;
  #firstAt = 0;
  readonly #listener: (signal: StopSignal) => void;

  constructor() {
    let tell: (signal: StopSignal) => void;
    this.happened = new Promise((resolve) => {
      tell = resolve;
    });
    this.#listener = (signal) => {
      const now = performance.now();
      if (this.#signal !== undefined) {
        if (now - this.#firstAt > echoMs) process.exit(exitCode(signal));
        return;
      }
      this.#firstAt = now;
      this.#signal = signal;
      tell(signal);
    };
    for (const signal of signals) process.on(signal, this.#listener);
  }

  /**
   * What is opened, or Interrupted if a signal comes before. What is open within `withinMs` of the signal is closed again; the
   * end of the process has to do for what takes longer.
   */
  async open<Opened>(
    opening: Promise<Opened>,
    { close, withinMs }: { readonly close: (opened: Opened) => Promise<void>; readonly withinMs: number },
  ): Promise<Opened> {
    try {
      return await this.race(opening);
    } catch (error) {
      if (this.#signal === undefined) throw error;
      const closed = opening.then(close).catch(() => {});
      await Promise.race([closed, wait(withinMs)]);
      throw interrupted(this.#signal);
    }
  }

  /** What `work` gives, or Interrupted as soon as a signal comes. */
  race<Result>(work: Promise<Result>): Promise<Result> {
    return Promise.race([
      work,
      this.happened.then((signal): never => {
        throw interrupted(signal);
      }),
    ]);
  }

  dispose(): void {
    for (const signal of signals) process.off(signal, this.#listener);
  }
}

function interrupted(signal: StopSignal): Interrupted {
  return new Interrupted(exitCode(signal), `Stopped by ${signal} before it was done.`);
}

/** What shells expect of a process that a signal ended. */
function exitCode(signal: StopSignal): number {
  return 128 + constants.signals[signal];
}
