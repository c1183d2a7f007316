import { AsyncResource } from "node:async_hooks";

/** Holds what is current while this module is loaded: nothing of any caller. */
const neutral = new AsyncResource("Pawl");

function make(): AsyncResource {
  return new AsyncResource("Pawl");
}

/**
 * Calls it outside of every `AsyncLocalStorage` that the caller is in: what goes on for long, or is done for many at a time, must not
 * count as part of the request that happened to begin it.
 */
export function withoutContext<Result>(fn: () => Result): Result {
  // A resource of its own each time: an enterWith() in there would stay in a shared one, for all that come after.
  return neutral.runInAsyncScope(make).runInAsyncScope(fn);
}
