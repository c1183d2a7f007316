import { types } from "node:util";

/** Whether a value is an Error of any class and realm. Never throws. */
export function isError(value: unknown): value is Error {
  if (typeof value !== "object" || value === null) return false;
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    return false; // A Proxy in the prototype chain.
  }
}
