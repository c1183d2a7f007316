/** Milliseconds since 1970 by the clock that nothing shifts: `Date` is what one of the faults lies about. */
export function honestNow(): number {
  return performance.timeOrigin + performance.now();
}
