import type { QueuePlace } from "../base/queue-place.ts";
import type { StartOperation } from "./operations.ts";

/** A start's place in its queue, as its row has it. */
export function placed({ key, priority }: QueuePlace): Pick<StartOperation, "queueKey" | "priority"> {
  return { ...(key === undefined ? {} : { queueKey: key }), ...(priority === undefined ? {} : { priority }) };
}

/** The same, back again. */
export function placeOf({ queueKey, priority }: Pick<StartOperation, "queueKey" | "priority">): QueuePlace {
  return { ...(queueKey === undefined ? {} : { key: queueKey }), ...(priority === undefined ? {} : { priority }) };
}
