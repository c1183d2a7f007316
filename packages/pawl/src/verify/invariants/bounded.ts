import { limits } from "../../base/limits.ts";
import type { Invariant } from "../invariant.ts";
import { about, type HistoryEntry, type RunView } from "../rows.ts";

/** A stored value may be escaped once more, and stands beside a few small fields. */
const largestValueEvent = 2 * limits.valueBytes + 64 * 1024;
/** Each text twice for escapes, for each error of the chain; the error's own fields may take as much as 16 texts. */
const largestFailureEvent = (limits.failureCauses + 1) * 2 * (4 + 2 * 16) * limits.failureTextBytes;
const longestDelayMs = limits.durationMs;

const failureEvents: ReadonlySet<string> = new Set(["StepFailed", "ExecutionFailed", "ExecutionQuarantined", "ChildFailed"]);

/**
 * I25. No row is larger than the limits allow (`base/limits.ts`), which are checked where values come in: ids and names,
 * values, failures, durations. The depth of values is not looked at here.
 */
export const bounded: Invariant = {
  id: "I25",
  title: "Nothing exceeds the limits",
  check: (tally) => ({
    run(view) {
      tally.looked(1 + view.events.length);
      for (const detail of problemsOf(view)) tally.violated({ ...about(view), detail });
    },
  }),
};

const keyName = "idempotency key";

function problemsOf({ kind, run, events }: RunView): string[] {
  const problems: string[] = [];
  const names: Readonly<Record<string, string | null>> = {
    "execution id": run.executionId,
    workflow: run.workflow,
    version: run.version,
    namespace: run.namespace,
    ...(kind === "current" ? { "task queue": run.taskQueue, [keyName]: run.idempotencyKey } : {}),
  };
  for (const [what, name] of Object.entries(names)) {
    const longest = what === keyName ? limits.keyLength : limits.idLength;
    if (name !== null && name.length > longest) problems.push(`its ${what} has ${name.length} characters, ${longest} are allowed`);
  }
  for (const entry of events) {
    const problem = problemOf(entry);
    if (problem !== undefined) problems.push(`event ${entry.seq} (${entry.type}): ${problem}`);
  }
  if (kind === "current" && run.notBefore !== null && run.notBefore - run.createdAt > longestDelayMs)
    problems.push("it was delayed for longer than is allowed");
  return problems;
}

function problemOf({ type, bytes, event }: HistoryEntry): string | undefined {
  const failure = failureEvents.has(type) || type === "StepAttemptFailed" ? largestFailureEvent : 0;
  // A failed attempt may come with the details of its last heartbeat.
  const most = failure + (failureEvents.has(type) ? 0 : largestValueEvent);
  if (bytes > most) return `${bytes} bytes, at most ${most} can come of allowed values`;
  if (event === undefined) return undefined;
  if (event.type === "TimerStarted" && (event.durationMs > limits.durationMs || event.durationMs < 0)) return `a sleep of ${event.durationMs} ms`;
  return "name" in event && event.name.length > limits.idLength ? `a name of ${event.name.length} characters` : undefined;
}
