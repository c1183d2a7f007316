import type { Invariant } from "./invariant.ts";
import { acknowledged } from "./invariants/acknowledged.ts";
import { attemptAccounting } from "./invariants/attempt-accounting.ts";
import { bounded } from "./invariants/bounded.ts";
import { cancellation } from "./invariants/cancellation.ts";
import { conservation } from "./invariants/conservation.ts";
import { effects } from "./invariants/effects.ts";
import { fencing } from "./invariants/fencing.ts";
import { gaplessHistory } from "./invariants/gapless-history.ts";
import { messages } from "./invariants/messages.ts";
import { namespaces } from "./invariants/namespaces.ts";
import { noIdleWorker } from "./invariants/no-idle-worker.ts";
import { noPhantom } from "./invariants/no-phantom.ts";
import { oneResult } from "./invariants/one-result.ts";
import { parentAndChild } from "./invariants/parent-and-child.ts";
import { pinnedDefinitions } from "./invariants/pinned-definitions.ts";
import { concurrencyLimits, rateLimits } from "./invariants/queue-limits.ts";
import { joins, order } from "./invariants/results-follow-starts.ts";
import { scheduleTicks } from "./invariants/schedules.ts";
import { singleOwner } from "./invariants/single-owner.ts";
import { streams } from "./invariants/streams.ts";
import { startIdempotency } from "./invariants/start-idempotency.ts";
import { terminalRuns } from "./invariants/terminal-runs.ts";
import { timers } from "./invariants/timers.ts";
import { wakes } from "./invariants/wakes.ts";
import type { InvariantId } from "./report.ts";

/** Every invariant, by its number. docs/guarantees.md says what each of them promises. */
export const invariants: readonly Invariant[] = [
  terminalRuns,
  gaplessHistory,
  oneResult,
  fencing,
  singleOwner,
  attemptAccounting,
  effects,
  startIdempotency,
  acknowledged,
  noPhantom,
  messages,
  timers,
  scheduleTicks,
  joins,
  order,
  concurrencyLimits,
  rateLimits,
  noIdleWorker,
  wakes,
  cancellation,
  parentAndChild,
  namespaces,
  pinnedDefinitions,
  conservation,
  bounded,
  notChecked("I26", "True after any crash", "holds if all others hold right after a crash, before any worker starts"),
  notChecked("I27", "One owner of the embedded database", "is about processes, not rows: a lock file and tests see to it"),
  streams,
];

/** A promise that a look at this database cannot judge. */
function notChecked(id: InvariantId, title: string, why: string): Invariant {
  return {
    id,
    title,
    check(tally) {
      tally.notChecked(why);
      return {};
    },
  };
}
