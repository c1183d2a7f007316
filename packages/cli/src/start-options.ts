import type { StartOptions } from "pawl";
import { readAttributes, readLabels } from "./name-values.ts";

/** The flags that say how an execution is started. */
export interface StartOptionFlags {
  readonly id?: string;
  readonly key?: string;
  readonly delay?: string;
  readonly timeout?: string;
  readonly queueKey?: string;
  readonly priority?: string;
  readonly deduplicationId?: string;
  readonly queue?: string;
  readonly version?: string;
  readonly label?: readonly string[];
  readonly attribute?: readonly string[];
}

/** @throws UsageError */
export function startOptions(flags: StartOptionFlags): StartOptions {
  return {
    ...(flags.id === undefined ? {} : { executionId: flags.id }),
    ...(flags.key === undefined ? {} : { idempotencyKey: flags.key }),
    ...(flags.delay === undefined ? {} : { delay: flags.delay }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.queue === undefined ? {} : { taskQueue: flags.queue }),
    ...(flags.queueKey === undefined ? {} : { key: flags.queueKey }),
    ...(flags.priority === undefined ? {} : { priority: Number(flags.priority) }),
    ...(flags.deduplicationId === undefined ? {} : { deduplicationId: flags.deduplicationId }),
    ...(flags.version === undefined ? {} : { version: flags.version }),
    ...(flags.label === undefined ? {} : { labels: readLabels(flags.label) }),
    ...(flags.attribute === undefined ? {} : { attributes: readAttributes(flags.attribute) }),
  };
}
