/** Milliseconds from 1970 to the year 9999. */
export function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < 253_402_300_800_000;
}
