import type { Invariant } from "../invariant.ts";
import type { ObservedOperation } from "../operation-log.ts";
import type { Tally } from "../report.ts";

/**
 * I8. One execution for each id, and one for each workflow and idempotency key, however often it was started. Unique indexes
 * enforce it; with an operation log, what starts answered must agree as well: the same key, the same execution.
 */
export const startIdempotency: Invariant = {
  id: "I8",
  title: "Started once, however often asked",
  check(tally, { operations }) {
    if (operations !== undefined) checkStarts(tally, operations);
    return {
      run({ kind }) {
        if (kind === "current") tally.looked();
      },
      finish({ strays }) {
        for (const { kind, subject, total } of strays) {
          if (kind === "same id") tally.violated({ executionId: subject, detail: `there are two executions with this id (${total} ids in all)` });
          if (kind === "same idempotency key")
            tally.violated({ executionId: subject, detail: `another execution of its workflow has its idempotency key (${total} keys in all)` });
        }
      },
    };
  },
};

function checkStarts(tally: Tally, operations: readonly ObservedOperation[]): void {
  const byKey = new Map<string, ObservedOperation>();
  for (const start of operations) {
    const { operation, outcome, executionId, workflow, idempotencyKey, inputHash } = start;
    if (operation !== "start" || outcome !== "ok" || executionId === undefined || workflow === undefined || idempotencyKey === undefined) continue;
    tally.looked();
    const key = `${workflow} ${idempotencyKey}`;
    const first = byKey.get(key);
    if (first === undefined) byKey.set(key, start);
    else if (first.executionId !== executionId) {
      tally.violated({ executionId, detail: `two starts of ${workflow} with the key ${idempotencyKey} were answered with this and with ${first.executionId}` });
    } else if (inputHash !== undefined && first.inputHash !== undefined && inputHash !== first.inputHash) {
      tally.violated({ executionId, detail: `two starts of ${workflow} with the key ${idempotencyKey} and different inputs were both accepted` });
    }
  }
}
