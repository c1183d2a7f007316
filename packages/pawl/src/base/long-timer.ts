/** Node fires timers beyond this at once. */
const longestTimerMs = 2 ** 31 - 1;

/** A one-shot timer of any length. */
export interface LongTimer {
  clear(): void;
}

export function startLongTimer(ms: number, onTime: () => void): LongTimer {
  const endsAt = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = endsAt - performance.now();
    timer = leftMs > longestTimerMs ? setTimeout(arm, longestTimerMs) : setTimeout(onTime, Math.max(0, leftMs));
  };
  arm();
  return { clear: () => clearTimeout(timer) };
}
