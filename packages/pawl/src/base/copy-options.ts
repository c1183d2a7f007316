import { isPlainObject } from "./value-inspection.ts";

/** Deeper than options go. */
const mostLevels = 5;

/**
 * Options as they are now, for calls that read them only after something else: the caller may change his objects meanwhile. Copies arrays,
 * plain objects and Dates; what else there is, such as a definition or a client, stays itself.
 */
export function copyOptions<Options>(options: Options, levels = mostLevels): Options {
  return copy(options, levels) as Options;
}

function copy(value: unknown, levels: number): unknown {
  if (typeof value !== "object" || value === null || levels === 0) return value;
  if (value instanceof Date) return new Date(value);
  if (Array.isArray(value)) return value.map((element) => copy(element, levels - 1));
  return isPlainObject(value) ? Object.fromEntries(Object.entries(value).map(([key, element]) => [key, copy(element, levels - 1)])) : value;
}
