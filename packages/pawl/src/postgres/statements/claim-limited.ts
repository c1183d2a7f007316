import type { ClaimRequest } from "../../store/store.ts";
import { texts } from "../parameters.ts";
import type { Transaction } from "../transaction.ts";
import { suspectFromClaims, type ClaimRow } from "./claim.ts";

/** A claimed execution, or the last row, which has no run id and says when to come again. */
export interface LimitedClaimRow extends Omit<ClaimRow, "run_id"> {
  readonly run_id: string | null;
  /** Milliseconds until a rate lets the next execution begin; null if none is waiting for that. */
  readonly wait_ms: number | null;
  /** It stopped before it had seen everything: come again at once. */
  readonly more: boolean | null;
  /** Those of the queues that have no limits any more: nothing was claimed from them. Null if there are none. */
  readonly unlimited: readonly string[] | null;
  /** Where to go on looking, for the claim that follows. Null: all has been seen. */
  readonly search: string | null;
}

/** So many tasks that have become due are put in order by one claim. Each takes some 10 us, while the queue is locked. */
const orderedAtOnce = 2000;
/** So many keys get a turn in one claim. Keys that may not go on cost as much as those that may: the next claim goes on behind them. */
const keysAtOnce = 1000;

/**
 * claim-limited: claims from queues with limits. Claims of one queue follow each other, behind the lock of its row, so what it counts is
 * what is so: executions that are claimed (not those that are parked), and begins within the period of a rate. An execution
 * counts as having begun with its first claim. Of each key those that have begun go first, then by priority, then in the order in
 * which they became due; keys take turns.
 *
 * Where there are more keys than one claim looks at, the claims of a worker together go once round all of them, and then begin anew after
 * the key that was served last. Where such a search stands is the worker's to keep: another one, of other definitions, finds other keys.
 *
 * The rest is as in `claim`: raises the epoch, counts the claim, takes one suspect at a time. In `tasks`, what is due is put in order first
 * (queue_key, priority), so the statements that queue tasks know nothing of limits, nor does `claim`, which leaves alone what is
 * in order. It is a function because one statement has one snapshot, taken before it has waited for the lock.
 *
 * Lock order: queues by name, then tasks and executions, skipping what others hold: with the lock of a queue it waits for nobody.
 * Indexes: queues_pkey, tasks_claim, tasks_suspects, tasks_ordered, executions_limited, queue_begins_queue, queue_begins_key.
 */
export function claimLimited(request: ClaimRequest): Transaction<LimitedClaimRow> {
  return {
    name: "claim-limited",
    text: `SELECT * FROM claim_limited($1, $2::text[], $3::text[], $5::uuid, $4::int, $6::bool, ${suspectFromClaims}, ${orderedAtOnce}, ${keysAtOnce}, $7::jsonb)`,
    parameters: [
      request.namespace,
      texts(request.taskQueues),
      texts(request.definitions),
      request.limit,
      request.workerId,
      request.suspects,
      request.search ?? null,
    ],
  };
}
