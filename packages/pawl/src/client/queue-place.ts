import { OptionInvalid } from "../base/errors.ts";
import { checkId } from "../base/ids.ts";
import type { StartOperation } from "../store/operations.ts";

const farthestPriority = 1000;

/** What a start says of its place in its queue. @throws OptionInvalid */
export function queuePlace(options: {
  readonly key?: string;
  readonly priority?: number;
  readonly deduplicationId?: string;
}): Pick<StartOperation, "queueKey" | "priority" | "deduplicationId"> {
  const { key, priority, deduplicationId } = options;
  if (priority !== undefined && (!Number.isInteger(priority) || Math.abs(priority) > farthestPriority))
    throw new OptionInvalid("priority", `must be a whole number from -${farthestPriority} (first) to ${farthestPriority} (last), not ${String(priority)}`);
  return {
    ...(key === undefined ? {} : { queueKey: checkId(key, "key") }),
    ...(priority === undefined ? {} : { priority }),
    ...(deduplicationId === undefined ? {} : { deduplicationId: checkId(deduplicationId, "deduplicationId") }),
  };
}
