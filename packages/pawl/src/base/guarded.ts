import type { Logger } from "./logger.ts";
import type { AttemptSpan, Telemetry } from "./telemetry.ts";

/** A logger whose failures are its own: what it throws is dropped. Pawl writes lines while it commits, and must not take that for a failed commit. */
export function guardedLogger(logger: Logger): Logger {
  const guarded: Logger = {
    info: (message) => quietly(() => logger.info(message)),
    warn: (message) => quietly(() => logger.warn(message)),
    error: (message) => quietly(() => logger.error(message)),
  };
  if (typeof logger.child !== "function") return guarded;
  return { ...guarded, child: (fields) => quietly(() => guardedLogger(logger.child!(fields))) ?? guarded };
}

/** Telemetry whose failures are its own: what it throws is dropped, and the first is logged. */
export function guardedTelemetry(telemetry: Telemetry, logger: Logger): Telemetry {
  let warned = false;
  const failed = (error: unknown): void => {
    if (!warned)
      logger.warn(`telemetry failed, and is asked again: ${error instanceof Error ? error.message : String(error)}. Further failures are not logged.`);
    warned = true;
  };
  return {
    started: (execution, from) => quietly(() => telemetry.started(execution, from), failed),
    attempt: (attempt) =>
      guardedSpan(
        quietly(() => telemetry.attempt(attempt), failed),
        failed,
      ),
    sending: () => quietly(() => telemetry.sending(), failed),
    received: (execution, signal) => quietly(() => telemetry.received(execution, signal), failed),
    ended: (execution, run) => quietly(() => telemetry.ended(execution, run), failed),
    measured: (measure, value) => quietly(() => telemetry.measured(measure, value), failed),
    observe: (gauges) => {
      const end = quietly(() => telemetry.observe(gauges), failed);
      return () => quietly(() => end?.(), failed);
    },
  };
}

/** Whatever the span does, the function runs once, and its outcome is its own. */
function guardedSpan(span: AttemptSpan | undefined, failed: (error: unknown) => void): AttemptSpan {
  return {
    run<Result>(fn: () => Result): Result {
      const outcomes: Outcome<Result>[] = [];
      const run = (): Result => {
        const [outcome = outcomeOf(fn)] = outcomes;
        outcomes[0] = outcome;
        if (outcome.threw) throw outcome.error;
        return outcome.value;
      };
      try {
        span?.run(run);
      } catch (error) {
        const [own] = outcomes;
        if (own?.threw !== true || own.error !== error) failed(error);
      }
      return run();
    },
    end: (error) => quietly(() => span?.end(error), failed),
  };
}

type Outcome<Result> = { readonly threw: false; readonly value: Result } | { readonly threw: true; readonly error: unknown };

function outcomeOf<Result>(fn: () => Result): Outcome<Result> {
  try {
    return { threw: false, value: fn() };
  } catch (error) {
    return { threw: true, error };
  }
}

function quietly<Result>(work: () => Result, failed: (error: unknown) => void = () => {}): Result | undefined {
  try {
    return work();
  } catch (error) {
    failed(error);
    return undefined;
  }
}
