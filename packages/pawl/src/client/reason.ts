import { checkKeys } from "../base/check-keys.ts";
import { OptionInvalid } from "../base/errors.ts";
import { checkStorable } from "../base/storable-text.ts";

const longestReason = 2000;

/** Of a call that takes nothing else. @throws OptionInvalid */
export function reasonOf(options: { readonly reason?: string }, path: string): string | undefined {
  checkKeys(options, { reason: true }, path);
  return checkReason(options.reason);
}

/** A text that is kept with what was asked for. @throws OptionInvalid */
export function checkReason(reason: string | undefined): string | undefined {
  if (reason !== undefined && (typeof reason !== "string" || reason.length > longestReason)) {
    throw new OptionInvalid("reason", `must be a text of at most ${longestReason} characters`);
  }
  if (reason !== undefined) checkStorable(reason, "reason");
  return reason;
}
