import { stepKey } from "../../kernel/step-key.ts";
import type { EffectRecord } from "../effect-ledger.ts";
import type { Invariant } from "../invariant.ts";
import type { Tally } from "../report.ts";
import { forkedAt } from "../rows.ts";

/**
 * I7. A step whose result is recorded has run, under the idempotency key that it was told (`executionId/name/position`; of a run that
 * continues another, `executionId/runId of that/name/position`), which all its attempts share. The witness is a ledger that the steps write themselves, outside of the database.
 *
 * That a step may run twice is no violation: effects outside the database happen at least once. How long two calls of one
 * step overlapped is remarked; it can be as long as a worker that lost its lease goes on without noticing.
 */
export const effects: Invariant = {
  id: "I7",
  title: "What is recorded has run",
  check(tally, { effects: ledger }) {
    if (ledger === undefined) {
      tally.notChecked("needs an effect ledger, which steps write (--effects)");
      return {};
    }
    const called = new Map<string, Set<number>>();
    for (const { key, attempt, phase } of ledger) {
      if (phase !== "begin") continue;
      const attempts = called.get(key);
      if (attempts === undefined) called.set(key, new Set([attempt]));
      else attempts.add(attempt);
    }
    checkKeys(tally, ledger);
    remarkOverlaps(tally, ledger);
    return {
      run({ run: { executionId, runId, workflow }, events }) {
        const started = events[0]?.event;
        if (started?.type !== "ExecutionStarted") return;
        const since = forkedAt(events);
        for (const { seq, event } of events) {
          if (event?.type !== "StepCompleted" || seq <= since) continue;
          tally.looked();
          // The history does not say whether the call is shielded.
          const [key, shieldedKey] = [false, true].map((shielded) => stepKey({ executionId, workflow }, started, { ...event, shielded })) as [string, string];
          const attempts = called.get(key) ?? called.get(shieldedKey);
          const detail = `event ${seq}: attempt ${event.attempt} of step "${event.name}" is recorded as completed`;
          if (attempts === undefined) tally.violated({ executionId, runId, detail: `${detail}, the ledger has no call with the key ${key}` });
          else if (!attempts.has(event.attempt))
            tally.violated({ executionId, runId, detail: `${detail}, the ledger has only attempts ${[...attempts].join(", ")}` });
        }
      },
    };
  },
};

function checkKeys(tally: Tally, ledger: readonly EffectRecord[]): void {
  for (const { key, executionId, position, attempt, phase } of ledger) {
    if (phase !== "begin") continue;
    tally.looked();
    if (!isKeyOf(key, executionId, position))
      tally.violated({ executionId, detail: `attempt ${attempt}${position === undefined ? "" : ` of call ${position}`} was told the key ${key}` });
  }
}

/** A run that continued as new names the run before it, too. A step on another queue keeps its key when its parent is retried. */
function isKeyOf(key: string, executionId: string, position: number | undefined): boolean {
  const first = executionId.replace(/\.r\d+(\.\d+)$/, "$1");
  return [executionId, first].some((id) => {
    if (!key.startsWith(`${id}/`)) return false;
    const rest = key.slice(id.length + 1).split("/");
    return rest.length >= 2 && rest.length <= 3 && (position === undefined || rest.at(-1) === String(position));
  });
}

function remarkOverlaps(tally: Tally, ledger: readonly EffectRecord[]): void {
  const ends = new Map(ledger.flatMap(({ phase, key, attempt, pid, at }) => (phase === "end" ? [[`${key} ${attempt} ${pid}`, at] as const] : [])));
  const begins = ledger.filter(({ phase }) => phase === "begin").toSorted((a, b) => a.at - b.at);
  /** When the last call of a step ends that has begun so far. */
  const busyUntil = new Map<string, number>();
  let repeated = 0;
  let overlaps = 0;
  let longest = 0;
  for (const { key, attempt, pid, at } of begins) {
    const until = busyUntil.get(key);
    if (until !== undefined) repeated++;
    const end = ends.get(`${key} ${attempt} ${pid}`) ?? at;
    if (until !== undefined && until > at) {
      overlaps++;
      longest = Math.max(longest, Math.min(until, end) - at);
    }
    busyUntil.set(key, Math.max(until ?? 0, end));
  }
  if (repeated > 0) tally.remark(`steps were called again ${repeated} times, as retries or after a death`);
  if (overlaps > 0) tally.remark(`${overlaps} calls began while another one of the same step went on, for up to ${Math.round(longest)} ms together`);
}
