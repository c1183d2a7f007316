import { toMilliseconds, type Duration } from "../base/duration.ts";
import { currentAmbient } from "../definition/ambient.ts";
import type { StepContext } from "../definition/context.ts";
import type { VirtualTime } from "./virtual-time.ts";

/**
 * The time of a `TestPawl`, which starts at the real one and then stands still. It jumps over whatever nobody would want to
 * wait for while a test waits for a result, and by `advance`. While the function of a step runs, it goes as it really does.
 */
export class TestTime {
  readonly #time: VirtualTime;
  readonly #holds = new WeakMap<StepContext, { release: () => void }>();

  /** Made by `TestPawl.open`. */
  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** What `ctx.now()` and the times in histories go by. */
  now(): Date {
    return new Date(this.#time.now);
  }

  /**
   * Lets so much time pass. Resolves when everything that was due within it has had its effects: timers have fired, steps
   * have run, and what they led to, too.
   *
   * @throws OptionInvalid
   */
  async advance(duration: Duration): Promise<void> {
    await this.#time.advance(toMilliseconds(duration, "time.advance duration"));
  }

  /**
   * For functions of steps: takes so much of the test's time, and no real time. Ends early when the step's signal fires.
   *
   * @throws OptionInvalid; the signal's reason
   */
  async sleep(duration: Duration): Promise<void> {
    const ms = toMilliseconds(duration, "time.sleep duration");
    const ambient = currentAmbient();
    const step = ambient?.kind === "step" ? ambient.context : undefined;
    const hold = step === undefined ? undefined : this.#holds.get(step);
    const { promise, resolve, reject } = withResolvers();
    const timer = this.#time.startTimer(ms, resolve);
    const onAbort = (): void => {
      timer.clear();
      reject(step!.signal.reason);
    };
    step?.signal.addEventListener("abort", onAbort, { once: true });
    hold?.release();
    try {
      await promise;
      if (hold !== undefined) hold.release = this.#time.hold();
    } finally {
      step?.signal.removeEventListener("abort", onAbort);
    }
  }

  /** Runs the function of a step: time goes at its real pace until it has ended, or nobody waits for it any more. */
  async holdWhile(step: StepContext, run: () => Promise<unknown>): Promise<unknown> {
    const hold = { release: this.#time.hold() };
    this.#holds.set(step, hold);
    const release = (): void => hold.release();
    step.signal.addEventListener("abort", release, { once: true });
    try {
      return await run();
    } finally {
      step.signal.removeEventListener("abort", release);
      release();
    }
  }
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void; readonly reject: (reason: unknown) => void } {
  let resolve!: () => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
