import { newUuid } from "./ids.ts";
import { isGone, processIdentity, type ProcessIdentity } from "./process-identity.ts";
import type { Runtime, Timer, TimerOptions } from "./runtime.ts";
import { withoutContext } from "./without-context.ts";

/** Node fires timers beyond this at once. */
const longestTimerMs = 2 ** 31 - 1;

let identity: ProcessIdentity | undefined;

/** This process, as it is. */
export const nodeRuntime: Runtime = {
  monotonicMs: () => performance.now(),
  startTimer,
  startInterval: (ms, onTime) => {
    const timer = setInterval(withoutContext, ms, onTime);
    timer.unref();
    return { clear: () => clearInterval(timer) };
  },
  soon: (task) => void setImmediate(withoutContext, task),
  random: () => Math.random(),
  newUuid,
  get identity() {
    return (identity ??= processIdentity());
  },
  isGone,
};

/** In chunks, where Node could not count so far. */
function startTimer(ms: number, onTime: () => void, options?: TimerOptions): Timer {
  let leftMs = Math.max(0, ms);
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const chunkMs = Math.min(leftMs, longestTimerMs);
    leftMs -= chunkMs;
    timer = setTimeout(withoutContext, chunkMs, leftMs > 0 ? arm : onTime);
    if (options?.background === true) timer.unref();
  };
  arm();
  return { clear: () => clearTimeout(timer) };
}
