import { checkKeys } from "../base/check-keys.ts";
import { checkName } from "../base/ids.ts";
import { encodeValue } from "../base/values.ts";
import { continueKeys } from "../definition/context-keys.ts";
import type { ContinueOptions } from "../definition/context.ts";
import { checkInput } from "../definition/schema.ts";
import type { AnyWorkflow } from "../definition/workflow.ts";
import type { ContinuationLink, Event } from "./event.ts";

/** What workflow code wants the next run to begin with. */
export interface Continuation {
  /** Encoded. */
  readonly input: string;
  readonly version: string;
}

/**
 * Checked where the code asks for it, so that a mistake is an error there and not a next run that cannot begin.
 *
 * @throws InputInvalid, ValueNotSerializable, ValueTooLarge, ValueTooDeep, OptionInvalid
 */
export function continuation(workflow: AnyWorkflow, input: unknown, options: ContinueOptions): Continuation {
  checkKeys(options, continueKeys, "ctx.continueAsNew");
  const version = options.version === undefined ? workflow.version : checkName(options.version, "ctx.continueAsNew version");
  const encoded = encodeValue(input, "input");
  // Another version may have another schema.
  if (version === workflow.version) checkInput(workflow, input, "The next run was not begun: continue with an input that fits.");
  return { input: encoded, version };
}

/**
 * What numbers, idempotency keys and the like are made of. The same for all runs that share a beginning; a run that continued as
 * new makes others than the one before, although its calls have the same positions.
 */
export function lineage(executionId: string, continuedFrom: ContinuationLink | undefined): string {
  return continuedFrom === undefined ? executionId : `${executionId}/${continuedFrom.runId}`;
}

/** What the ids of children begin with, unless they are chosen. */
export function familyName(executionId: string, continuedFrom: ContinuationLink | undefined): string {
  return continuedFrom === undefined ? executionId : `${executionId}:${continuedFrom.count}`;
}

/** Whether it was made of the parent's id, and not chosen. A rollback, a retry or the resume of a cancelled run has the ids made after it say so, as `.r2`. */
export function isMadeChildId(executionId: string, family: string, position: number): boolean {
  if (!executionId.startsWith(family) || !executionId.endsWith(`.${position}`)) return false;
  return /^(\.r\d+)?$/.test(executionId.slice(family.length, -`.${position}`.length));
}

/** Acknowledged to whoever sent it: the next run gets it if this one has not. */
export function isFromOutside(event: Event): boolean {
  return event.type === "SignalReceived" || event.type === "UpdateReceived" || event.type === "CancelRequested";
}
