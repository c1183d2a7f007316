import type { HistoryEvent } from "pawl";
import { z } from "zod";
import type { ProgressState } from "./progress.ts";

const plan = z.object({ toIngest: z.array(z.string()) });

/**
 * How far a folder's execution is, folded from its history: the plan says how many files there are, the ends of the
 * children how many are done. Undefined until the plan is made. Works from any process, also while another one runs it.
 */
export function ingestionProgress(history: readonly HistoryEvent[]): ProgressState | undefined {
  let total: number | undefined;
  let done = 0;
  let failed = 0;
  for (const { event } of history) {
    if (event.type === "StepCompleted" && event.name === "compare" && "value" in event.result) {
      total = plan.parse(event.result.value).toIngest.length;
    }
    if (event.type === "ChildCompleted" || event.type === "ChildFailed") done++;
    if (event.type === "ChildFailed") failed++;
  }
  return total === undefined ? undefined : { done, total, failed };
}
