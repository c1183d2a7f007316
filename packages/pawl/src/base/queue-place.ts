import { OptionInvalid } from "./errors.ts";
import { checkId } from "./ids.ts";

/** Where an execution stands in its queue. */
export interface QueuePlace {
  readonly key?: string;
  readonly priority?: number;
}

const farthestPriority = 1000;

/** @param path stands before the name of the option in errors @throws OptionInvalid */
export function checkPlace({ key, priority }: QueuePlace, path = ""): void {
  if (key !== undefined) checkId(key, `${path}key`);
  if (priority === undefined || (Number.isInteger(priority) && Math.abs(priority) <= farthestPriority)) return;
  throw new OptionInvalid(`${path}priority`, `must be a whole number from -${farthestPriority} (first) to ${farthestPriority} (last), not ${String(priority)}`);
}
